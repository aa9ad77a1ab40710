//! The files: their texts are read once, and checked whole.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use super::{
    document::Document,
    schema,
    section::{Part, Section, sections},
};
use crate::{
    config::{
        Kinds,
        check::{evaluator, log, names, notify, retention, sink, source, wiring::Wiring, zone},
        file, plan,
        text::problem::{Code, Problem, Severity},
    },
    language::Language,
};

/// `haetae.toml` and `conf.d/*.toml`, read but not judged.
#[derive(Debug)]
pub struct Files {
    pub(in crate::config) documents: Vec<Document>,
    pub(in crate::config) problems: Vec<Problem>,
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// There is one if no problem is an error.
    pub plan: Option<plan::Plan>,
    /// By file and place.
    pub problems: Vec<Problem>,
    /// The files that were checked.
    pub files: Vec<PathBuf>,
}

/// A file of the configuration can't be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub struct UnreadableFile {
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Files {
    /// Reads a file, and those in `conf.d` beside it in the order of their names.
    pub fn read(main: &Path) -> Result<Self, UnreadableFile> {
        let mut paths = vec![main.to_owned()];
        let beside = main.with_file_name("conf.d");
        let unreadable = |source| UnreadableFile { path: beside.clone(), source };
        match fs::read_dir(&beside) {
            Ok(entries) => {
                for entry in entries {
                    paths.push(entry.map_err(unreadable)?.path());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(error)),
        }
        let is_toml = |path: &PathBuf| {
            let hidden =
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            path == main || (!hidden && path.extension().is_some_and(|end| end == "toml"))
        };
        paths.retain(is_toml);
        paths.get_mut(1..).unwrap_or_default().sort();
        let read = |path: PathBuf| match fs::read_to_string(&path) {
            Ok(text) => Ok((path, text)),
            Err(source) => Err(UnreadableFile { path, source }),
        };
        Ok(Self::from_texts(paths.into_iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Takes texts as if they had been read from these files.
    pub fn from_texts(texts: Vec<(PathBuf, String)>) -> Self {
        let mut files = Self { documents: Vec::new(), problems: Vec::new() };
        for (path, text) in texts {
            let (document, problems) = Document::parse(path, text);
            files.documents.push(document);
            files.problems.extend(problems);
        }
        files
    }

    /// `[plugins] path`, as far as it can be read.
    pub fn plugin_paths(&self) -> Vec<PathBuf> {
        self.plugin_texts("path").map(PathBuf::from).collect()
    }

    /// Where plugins are looked for: the configured directories, then the built-in one.
    pub fn plugin_directories(&self) -> Vec<PathBuf> {
        let mut directories = self.plugin_paths();
        let built_in = crate::config::built_in_plugins();
        if !directories.contains(&built_in) {
            directories.push(built_in);
        }
        directories
    }

    /// `[daemon] state`, as far as it can be read.
    pub fn state(&self) -> PathBuf {
        let state = self.documents.iter().find_map(|one| one.table.get("daemon")?.get("state"));
        state.and_then(Value::as_str).unwrap_or(crate::config::STATE).into()
    }

    /// `[daemon]`, as far as it can be read; what is wrong elsewhere does not matter.
    pub fn daemon(&self) -> plan::Daemon {
        let (mut problems, mut all) = (Vec::new(), Vec::new());
        for document in &self.documents {
            all.extend(sections(document, &mut problems));
        }
        daemon(all.into_iter().find(|section| section.part == Part::Daemon), &mut problems)
    }

    /// `[plugins] allow`, as far as it can be read.
    pub fn allowed_plugins(&self) -> Vec<String> {
        self.plugin_texts("allow").map(str::to_owned).collect()
    }

    /// `[daemon] language`, as far as it can be read.
    pub fn language(&self) -> Option<Language> {
        let language =
            self.documents.iter().find_map(|one| one.table.get("daemon")?.get("language"));
        serde_json::from_value(language?.clone()).ok()
    }

    /// Checks all, and makes the plan if nothing is wrong.
    pub fn plan(&self, kinds: &dyn Kinds) -> Checked {
        let mut problems = self.problems.clone();
        let broken = |document: &Document| {
            self.problems.iter().any(|one| one.place().source.path == document.source.path)
        };
        let mut all = Vec::new();
        // What a broken file seems to say is an echo of what is broken.
        for document in self.documents.iter().filter(|document| !broken(document)) {
            all.extend(sections(document, &mut problems));
        }
        names::check(&all, &mut problems);
        let of = |part| all.iter().filter(move |section| section.part == part).copied();
        let daemon = daemon(of(Part::Daemon).next(), &mut problems);
        let zone = daemon.zone.as_deref();
        let mut wiring = self.wiring(&all, kinds, zone, &mut problems);
        wiring.check(&mut problems);
        let overrides = wiring.overrides(of(Part::Thresholds), &mut problems);
        let tests = wiring.tests(&mut problems);
        let inhibits = of(Part::Inhibit);
        let inhibits = inhibits.map(|one| notify::inhibit(&one, &mut problems)).collect();
        let works: Vec<_> = of(Part::Maintenance).collect();
        notify::names(&works, &mut problems);
        let works = works.iter();
        let maintenance = works.filter_map(|one| notify::maintenance(one, zone, &mut problems));
        let maintenance = maintenance.collect();
        let named = [Part::Sources, Part::Evaluators, Part::Sinks].into_iter().flat_map(of);
        let places = named.map(|one| (one.name.to_owned(), one.head().short())).collect();
        let http = http(of(Part::Http).next(), &mut problems);
        let plugins = plugins(of(Part::Plugins).next(), &mut problems);
        let retention = retention::read(of(Part::Retention).next(), &mut problems);
        let files: Vec<_> = self.documents.iter().map(|one| one.source.path.clone()).collect();
        self.order(&mut problems);
        self.mask(&mut problems);
        let sound = problems.iter().all(|problem| problem.severity() != Severity::Error);
        let plan = http.filter(|_| sound).map(|http| plan::Plan {
            inhibits,
            maintenance,
            places,
            daemon: daemon.clone(),
            http,
            plugins,
            retention,
            sources: wiring.sources.into_iter().map(|draft| draft.source).collect(),
            tests,
            thresholds: wiring.evaluators.into_iter().map(|draft| draft.threshold.into()).collect(),
            overrides,
            logs: wiring.logs.into_iter().map(|draft| draft.rule).collect(),
            sinks: wiring.sinks.into_iter().map(|draft| draft.sink).collect(),
        });
        Checked { plan, problems, files }
    }

    /// All instances, each read by itself.
    fn wiring<'a>(
        &self,
        all: &[Section<'a>],
        kinds: &dyn Kinds,
        zone: Option<&str>,
        problems: &mut Vec<Problem>,
    ) -> Wiring<'a> {
        let of = |part| all.iter().filter(move |section| section.part == part).copied();
        Wiring {
            sources: of(Part::Sources)
                .map(|section| source::read(section, kinds, problems))
                .collect(),
            evaluators: of(Part::Evaluators)
                .filter(|section| !log::is_log(section))
                .map(|section| evaluator::read(section, problems))
                .collect(),
            logs: of(Part::Evaluators)
                .filter(log::is_log)
                .map(|section| log::read(section, problems))
                .collect(),
            sinks: of(Part::Sinks)
                .map(|section| sink::read(section, kinds, zone, problems))
                .collect(),
            complete: self.problems.is_empty(),
        }
    }

    /// In the order in which people read the files.
    fn order(&self, problems: &mut [Problem]) {
        problems.sort_by_key(|problem| {
            let place = problem.place();
            let mut files = self.documents.iter().map(|one| &one.source.path);
            (files.position(|path| *path == place.source.path), place.span.start)
        });
    }

    /// A secret that stands in the text must not reach a terminal or the journal with it.
    fn mask(&self, problems: &mut [Problem]) {
        for document in &self.documents {
            let path = &document.source.path;
            let here: Vec<_> =
                problems.iter_mut().filter(|one| one.place().source.path == *path).collect();
            let secrets = here.iter().filter(|one| one.code() == Code::BadSecret);
            let secrets: Vec<_> = secrets.map(|one| one.place().span.clone()).collect();
            if !secrets.is_empty() {
                let masked = Arc::new(document.source.masked(&secrets));
                for problem in here {
                    problem.show_in(&masked);
                }
            }
        }
    }

    fn plugin_texts(&self, key: &'static str) -> impl Iterator<Item = &str> {
        let lists = self.documents.iter().filter_map(move |one| one.table.get("plugins")?.get(key));
        lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str)
    }
}

fn daemon(section: Option<Section<'_>>, problems: &mut Vec<Problem>) -> plan::Daemon {
    let mut file = file::Daemon::default();
    if let Some(section) = section {
        let judged = schema::own::<file::Daemon>(&section);
        problems.extend(judged.problems);
        file = judged.accepted;
        zone::bad_zone(&section, "/zone", file.zone.as_deref(), problems);
    }
    let store = file.store.map(|store| {
        if let (Some(section), Some(wrong)) = (section, not_a_server(&store.url)) {
            let at = section.value("/store/url");
            problems.push(match wrong {
                // Its text is masked wherever it is shown.
                UrlError::Password => {
                    Problem::new(Code::BadSecret, at).with("key", "store.password")
                }
                UrlError::Url(cause) => {
                    let problem = Problem::new(Code::BadStore, at).with("given", &store.url);
                    problem.with("cause", cause)
                }
            });
        }
        plan::Server { url: store.url, password: store.password }
    });
    let file::Daemon { language, zone, state, socket_group, .. } = file;
    plan::Daemon { language, zone, state, store, socket_group }
}

/// What is wrong with the URL of a PostgreSQL server.
enum UrlError {
    Password,
    Url(&'static str),
}

fn not_a_server(url: &str) -> Option<UrlError> {
    match url::Url::parse(url) {
        Ok(url) if url.password().is_some() => Some(UrlError::Password),
        Ok(url) if !matches!(url.scheme(), "postgres" | "postgresql") => {
            Some(UrlError::Url("expected postgres://…"))
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => {
            Some(UrlError::Url("it names no host"))
        }
        Ok(_) => None,
        Err(_) => Some(UrlError::Url("it is no URL")),
    }
}

fn http(section: Option<Section<'_>>, problems: &mut Vec<Problem>) -> Option<plan::Http> {
    let mut file = file::HttpSection::default();
    if let Some(section) = section {
        let judged = schema::own::<file::HttpSection>(&section);
        problems.extend(judged.problems);
        file = judged.accepted;
    }
    match (file.listen.parse::<SocketAddr>(), section) {
        (Ok(listen), _) => Some(plan::Http { listen }),
        (Err(_), Some(section)) => {
            let problem = Problem::new(Code::BadAddress, section.value("/listen"));
            problems.push(problem.with("given", file.listen));
            None
        }
        (Err(_), None) => None,
    }
}

fn plugins(section: Option<Section<'_>>, problems: &mut Vec<Problem>) -> plan::Plugins {
    let mut file = file::Plugins::default();
    if let Some(section) = section {
        let judged = schema::own::<file::Plugins>(&section);
        problems.extend(judged.problems);
        file = judged.accepted;
    }
    plan::Plugins { path: file.path, allow: file.allow }
}
