//! The catalog: which kinds there are, from which files, loaded when first needed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use haetae_plugin::{ABI_VERSION, Metric, abi::Library, export::KindDescription};

use super::{
    image::Image,
    library::{Loaded, Storage, open},
    probe::{Probe, Tried},
    refusal::Refusal,
    replaced::{self, Replaced},
    trust,
};
use crate::config;

/// Every plugin file that was found: those that may be loaded, and the others with their reason.
pub struct Catalog {
    directories: Vec<PathBuf>,
    images: Vec<Image>,
    refused: Vec<Refusal>,
    replaced: Vec<Replaced>,
    /// Kinds that only a refused file exports, and why it is.
    barred: BTreeMap<String, Refusal>,
    storage: Storage,
    loaded: Libraries,
    probe: Option<Probe>,
    tried: Mutex<BTreeMap<PathBuf, Result<Tried, Refusal>>>,
}

/// The libraries that are open in this process, by the hash of their bytes: what is open stays, and a
/// catalog that is made anew goes on with it.
#[derive(Clone, Default)]
pub struct Libraries(Arc<Mutex<BTreeMap<String, Loaded>>>);

impl Catalog {
    /// Looks through `directories` in order; `allow` pins files by `name@sha256:…` if not empty.
    pub fn scan(directories: Vec<PathBuf>, allow: &[String], storage: Storage) -> Self {
        let mut images = Vec::new();
        let mut refused = Vec::new();
        let mut barred = BTreeMap::new();
        for directory in &directories {
            match libraries(directory) {
                Ok(files) => {
                    for file in files {
                        match Image::read(&file) {
                            Ok((image, _)) => match usable(&image, allow) {
                                Ok(()) => images.push(image),
                                Err(refusal) => {
                                    bar(&mut barred, &image, &refusal);
                                    refused.push(refusal);
                                }
                            },
                            Err(refusal) => refused.push(refusal),
                        }
                    }
                }
                Err(refusal) => refused.push(refusal),
            }
        }
        let replaced = replaced::replace(&mut images, &config::built_in_plugins());
        let twice = exported_twice(&images);
        images.retain(|image| {
            let refusal = twice.iter().find(|refusal| refusal.file == image.file);
            if let Some(refusal) = refusal {
                bar(&mut barred, image, refusal);
            }
            refusal.is_none()
        });
        refused.extend(twice);
        let (loaded, probe, tried) = (Libraries::default(), None, Mutex::default());
        Self { directories, images, refused, replaced, barred, storage, loaded, probe, tried }
    }

    /// Libraries are opened by a child first: a damaged one ends that, not this process.
    #[must_use]
    pub fn tried_first(mut self) -> Self {
        self.probe = Some(Probe::new(self.images.iter().map(|image| image.file.clone()).collect()));
        self
    }

    /// What is open already is not opened again.
    #[must_use]
    pub fn going_on_with(mut self, libraries: Libraries) -> Self {
        self.loaded = libraries;
        self
    }

    /// The libraries that it has opened, or goes on with.
    pub fn libraries(&self) -> Libraries {
        self.loaded.clone()
    }

    /// Where it looked.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The files that may be loaded.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The files that may not, and why.
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }

    /// Built-in kinds that those of a configured directory stand in for.
    pub fn replaced(&self) -> &[Replaced] {
        &self.replaced
    }

    /// The image that exports `kind`.
    pub fn image(&self, kind: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.manifest.kinds.contains_key(kind))
    }

    /// The library that exports `kind`, loaded at the first call. `None`: no file does.
    pub fn library(&self, kind: &str) -> Option<Result<Library, Refusal>> {
        Some(self.usable(kind)?.and_then(|image| self.load(image)).map(|loaded| loaded.library))
    }

    /// What the library that exports `kind` says of it.
    pub fn description(&self, kind: &str) -> Option<Result<KindDescription, Refusal>> {
        Some(self.usable(kind)?.and_then(|image| {
            let description = match self.tried(image)? {
                Some(tried) => tried.description,
                None => self.load(image)?.description,
            };
            let found = description.kinds.into_iter().find(|known| known.kind == kind);
            found.ok_or_else(|| {
                let cause = format!("does not describe its kind `{kind}`");
                Refusal::bad_description(&image.file, cause)
            })
        }))
    }

    /// A refused file's kind is known, so that whoever names it reads why it can't be used.
    fn usable(&self, kind: &str) -> Option<Result<&Image, Refusal>> {
        match self.image(kind) {
            Some(image) => Some(Ok(image)),
            None => self.barred.get(kind).cloned().map(Err),
        }
    }

    /// What a child says that opened it; `None` if it need not be tried.
    fn tried(&self, image: &Image) -> Result<Option<Tried>, Refusal> {
        let Some(probe) = self.probe.as_ref().filter(|_| self.loaded.of(image).is_none()) else {
            return Ok(None);
        };
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tried.entry(image.file.clone()).or_insert_with(|| probe.describe(&image.file));
        known.clone().map(Some)
    }

    fn load(&self, image: &Image) -> Result<Loaded, Refusal> {
        if let Some(known) = self.loaded.of(image) {
            return Ok(known);
        }
        let tried = self.tried(image)?;
        let mut loaded = self.loaded.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, bytes) = Image::read(&image.file)?;
        if tried.is_some_and(|tried| tried.sha256 != read.sha256) {
            return Err(Refusal::changed(&image.file));
        }
        let opened = open(&read, &bytes, &self.storage)?;
        loaded.insert(read.sha256, opened.clone());
        Ok(opened)
    }
}

impl Libraries {
    fn of(&self, image: &Image) -> Option<Loaded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&image.sha256).cloned()
    }
}

impl config::Kinds for Catalog {
    fn names(&self) -> Vec<String> {
        let kinds = self.images.iter().flat_map(|image| image.manifest.kinds.keys().cloned());
        kinds.collect()
    }

    fn kind(&self, name: &str) -> Result<config::Facts, config::Unusable> {
        match self.description(name) {
            None => Err(config::Unusable::Unknown),
            Some(Err(refusal)) => Err(config::Unusable::Broken {
                file: refusal.file,
                cause: refusal.cause,
                cure: refusal.cure,
            }),
            Some(Ok(found)) => Ok(config::Facts {
                schema: found.schema,
                source: found.source,
                sink: found.sink,
                reader: found.reader,
            }),
        }
    }

    fn searched(&self) -> Vec<PathBuf> {
        self.directories.clone()
    }

    fn metrics(&self, kind: &str, options: &serde_json::Value) -> Result<Vec<Metric>, String> {
        if let (Some(probe), Some(image)) = (&self.probe, self.image(kind)) {
            return probe.metrics(&image.file, kind, options.to_string());
        }
        match self.library(kind) {
            Some(Ok(library)) => {
                library.metrics(kind, &options.to_string()).map_err(|error| error.to_string())
            }
            Some(Err(refusal)) => Err(refusal.to_string()),
            None => Err(format!("no plugin exports the kind `{kind}`")),
        }
    }
}

/// The files of a directory that claim to be libraries, in name order.
fn libraries(directory: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let unreadable = |error| Refusal::unreadable(directory, &error);
    trust::check(directory, &fs::metadata(directory).map_err(unreadable)?)?;
    trust::check_way(directory)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Whether a file may be loaded, as far as its manifest tells.
fn usable(image: &Image, allow: &[String]) -> Result<(), Refusal> {
    let Image { file, manifest, sha256 } = image;
    if manifest.abi.split('.').next() != ABI_VERSION.split('.').next() {
        return Err(Refusal::other_major(file, manifest));
    }
    if allow.is_empty() || allow.contains(&format!("{}@sha256:{sha256}", manifest.plugin)) {
        return Ok(());
    }
    Err(Refusal::not_allowed(file, sha256))
}

fn bar(barred: &mut BTreeMap<String, Refusal>, image: &Image, refusal: &Refusal) {
    for kind in image.manifest.kinds.keys() {
        barred.insert(kind.clone(), refusal.clone());
    }
}

/// Neither of two files that export one kind is used: which one was meant is for a person to say.
fn exported_twice(images: &[Image]) -> Vec<Refusal> {
    let mut twice = Vec::new();
    for image in images {
        for kind in image.manifest.kinds.keys() {
            let other = images
                .iter()
                .find(|other| other.file != image.file && other.manifest.kinds.contains_key(kind));
            if let Some(other) = other {
                twice.push(Refusal::exported_twice(kind, &image.file, &other.file));
            }
        }
    }
    twice
}
