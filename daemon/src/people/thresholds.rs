//! The registry of thresholds: what the configuration says and what people set, changed in one
//! place, whoever asks.

mod named;
mod row;
mod setting;

use std::{
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc};

use self::{
    row::{text, written},
    setting::{Setting, WrittenThreshold},
};
use crate::{
    clock::Clock,
    config::{self, ThresholdText},
    engine::{Input, Override, Preview, threshold::rule::Threshold as Evaluator},
    language::Language,
    store::{MOST_THRESHOLDS, Store, StoreError, StoredThreshold, ThresholdChange, Transaction},
};

/// The id of a threshold that is not there yet.
const NEW: &str = "new";

/// All thresholds.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    configured: RwLock<Arc<Configured>>,
    /// The engine ends when nobody can send to it any more: this one does not count.
    engine: mpsc::WeakSender<Input>,
    previews: Arc<dyn Previews>,
    /// Held from a change's transaction until the engine has heard, so that it hears them in order.
    changing: Mutex<()>,
}

/// Whoever knows what other overrides would do now.
pub trait Previews: Send + Sync {
    /// What they would do; `id` is the one in question. None: nobody answers any more.
    fn preview(&self, overrides: Vec<Override>, id: String) -> PreviewFuture<'_>;
}

/// A preview that is on its way.
pub type PreviewFuture<'a> = Pin<Box<dyn Future<Output = Option<Preview>> + Send + 'a>>;

/// What it goes by of the configuration.
struct Configured {
    language: Language,
    evaluators: Vec<Arc<Evaluator>>,
    /// The names of log evaluators.
    logs: Vec<String>,
    files: Vec<config::Override>,
}

impl Configured {
    fn of(plan: &config::Plan) -> Arc<Self> {
        Arc::new(Self {
            language: plan.daemon.language,
            evaluators: plan.thresholds.clone(),
            logs: plan.logs.iter().map(|one| one.name.clone()).collect(),
            files: plan.overrides.clone(),
        })
    }
}

/// A threshold as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Its id; of one in the configuration, its place: `haetae.toml:12`.
    pub id: String,
    /// What it says.
    #[serde(flatten)]
    pub text: ThresholdText,
    /// Whether it stands in a file, and can be changed there only.
    pub read_only: bool,
    /// Who changed it last.
    pub author: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was changed last.
    pub updated: Option<Timestamp>,
    /// What a change must name.
    pub version: Option<i64>,
    /// Why it has no effect now: its evaluator is gone, or has other levels.
    pub problem: Option<String>,
}

/// A change as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeView {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// `set` or `removed`.
    pub act: String,
    /// What it said.
    pub before: Option<ThresholdText>,
    /// What it says.
    pub after: Option<ThresholdText>,
}

/// What a change led to, or would.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// The threshold as it is now; of one that was removed, as it was.
    pub threshold: Threshold,
    /// Of a dry run: what it would do. Nothing was changed.
    pub preview: Option<Preview>,
}

/// Who changes what.
#[derive(Clone, Copy, Debug)]
pub struct ChangeRequest<'a> {
    /// Who.
    pub actor: &'a str,
    /// The version that was seen; none of a new one.
    pub seen: Option<i64>,
    /// Whether it is only asked what it would do.
    pub dry_run: bool,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is none of this id.
    #[error("no such threshold")]
    NoSuch,
    /// The start of an id is that of several.
    #[error("more than one threshold starts so")]
    Several(String),
    /// It stands in a file.
    #[error("it stands in the configuration, at {0}")]
    ReadOnly(String),
    /// It is not as it was seen.
    #[error("it was changed meanwhile")]
    Conflict(Box<Threshold>),
    /// No version was named.
    #[error("the version that was seen is needed")]
    Unseen,
    /// It is not what a threshold may be.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
    /// There are too many.
    #[error("there are {MOST_THRESHOLDS} thresholds, which is the most")]
    Full,
    /// The daemon ends.
    #[error("the daemon is stopping")]
    Stopping,
    /// The store does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registry {
    /// The thresholds of a plan and a store.
    pub fn new(
        plan: &config::Plan,
        store: Store,
        clock: Clock,
        (engine, previews): (&mpsc::Sender<Input>, Arc<dyn Previews>),
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            configured: RwLock::new(Configured::of(plan)),
            engine: engine.downgrade(),
            previews,
            changing: Mutex::default(),
        }))
    }

    /// Goes by another plan once the engine has it: `reload` hands it over with the numbers that are in
    /// force then, and nobody changes any meanwhile.
    pub async fn reload<E: From<StoreError>>(
        &self,
        plan: &config::Plan,
        reload: impl AsyncFnOnce(Vec<Override>) -> Result<(), E>,
    ) -> Result<(), E> {
        let _changing = self.0.changing.lock().await;
        let rows = self.0.store.thresholds().await?;
        reload(in_force(&plan.overrides, &plan.thresholds, &rows)).await?;
        let mut configured = self.0.configured.write().unwrap_or_else(PoisonError::into_inner);
        *configured = Configured::of(plan);
        Ok(())
    }

    /// All of them: those of the configuration first, then the oldest.
    pub async fn all(&self) -> Result<Vec<Threshold>, StoreError> {
        let own = self.0.store.thresholds().await?;
        let configured = self.configured();
        let files = configured.files.iter().map(of_file);
        Ok(files.chain(own.iter().map(|row| self.shown(row))).collect())
    }

    /// One of them.
    pub async fn one(&self, id: &str) -> Result<Threshold, Refused> {
        self.all().await?.into_iter().find(|one| one.id == id).ok_or(Refused::NoSuch)
    }

    /// What was changed of one, oldest first; also when it was removed since.
    pub async fn history(&self, id: &str) -> Result<Vec<ChangeView>, Refused> {
        let rows = self.0.store.threshold_history(id, MOST_THRESHOLDS).await?;
        if rows.is_empty() {
            // One of the configuration has no history here.
            return self.one(id).await.map(|_| Vec::new());
        }
        let text = |json: &str| serde_json::from_str(json).ok();
        let shown = |row: ThresholdChange| ChangeView {
            at: row.at,
            before: text(&row.before),
            after: text(&row.after),
            actor: row.actor,
            act: row.act,
        };
        Ok(rows.into_iter().map(shown).collect())
    }

    /// Sets one: a new one without `id`.
    pub async fn set(
        &self,
        id: Option<&str>,
        text: &ThresholdText,
        asked: ChangeRequest<'_>,
    ) -> Result<Changed, Refused> {
        let _changing = self.0.changing.lock().await;
        let configured = self.configured();
        let Configured { evaluators, logs, language, .. } = &*configured;
        let numbers = text.numbers(id.unwrap_or(NEW), evaluators, logs, *language);
        let numbers = numbers.map_err(Refused::Wrong)?;
        let now = self.0.clock.now();
        let change = Setting {
            registry: self.clone(),
            id: id.map(Into::into),
            text: text.clone(),
            numbers,
            actor: asked.actor.into(),
            seen: asked.seen,
            dry_run: asked.dry_run,
        };
        let set = self.0.store.write(move |transaction| change.set(transaction, now)).await?;
        self.done(set).await
    }

    /// Removes one.
    pub async fn remove(&self, id: &str, asked: ChangeRequest<'_>) -> Result<Changed, Refused> {
        let now = self.0.clock.now();
        let _changing = self.0.changing.lock().await;
        let (registry, id, actor) = (self.clone(), id.to_owned(), asked.actor.to_owned());
        let (seen, dry_run) = (asked.seen, asked.dry_run);
        let remove = move |transaction: &mut Transaction<'_>| {
            let rows = transaction.thresholds()?;
            let row = registry.seen(&rows, Some(&id), seen)?.ok_or(Refused::NoSuch)?;
            let mut overrides = registry.overrides(&rows);
            overrides.retain(|one| one.id != id);
            let threshold = registry.shown(row);
            let change = ThresholdChange {
                at: now,
                actor,
                act: "removed".into(),
                before: written(row),
                after: String::new(),
            };
            if dry_run {
                return Ok(WrittenThreshold { threshold, overrides, previews: Some(id) });
            }
            if !transaction.remove_threshold(&id, row.version, now)? {
                return Err(Refused::NoSuch);
            }
            transaction.note_threshold(&id, &change)?;
            Ok(WrittenThreshold { threshold, overrides, previews: None })
        };
        let removed = self.0.store.write(remove).await?;
        self.done(removed).await
    }

    /// The engine hears of what was written, or is asked what it would do.
    async fn done(&self, written: WrittenThreshold) -> Result<Changed, Refused> {
        let WrittenThreshold { threshold, overrides, previews } = written;
        let Some(id) = previews else {
            self.report(overrides).await;
            return Ok(Changed { threshold, preview: None });
        };
        let preview = Some(self.preview(overrides, id).await?);
        Ok(Changed { threshold, preview })
    }

    /// The row that is to be changed, if it is as it was seen; `None`: there is to be a new one.
    fn seen<'a>(
        &self,
        rows: &'a [StoredThreshold],
        id: Option<&str>,
        seen: Option<i64>,
    ) -> Result<Option<&'a StoredThreshold>, Refused> {
        let Some(id) = id else { return Ok(None) };
        if self.configured().files.iter().any(|one| one.numbers.id == id) {
            return Err(Refused::ReadOnly(id.into()));
        }
        let row = rows.iter().find(|row| row.id == id).ok_or(Refused::NoSuch)?;
        match seen {
            None => Err(Refused::Unseen),
            Some(version) if version == row.version => Ok(Some(row)),
            Some(_) => Err(Refused::Conflict(Box::new(self.shown(row)))),
        }
    }

    fn overrides(&self, rows: &[StoredThreshold]) -> Vec<Override> {
        let configured = self.configured();
        in_force(&configured.files, &configured.evaluators, rows)
    }

    fn configured(&self) -> Arc<Configured> {
        Arc::clone(&self.0.configured.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn shown(&self, row: &StoredThreshold) -> Threshold {
        let (text, configured) = (text(row), self.configured());
        let Configured { evaluators, logs, language, .. } = &*configured;
        let wrong = text.numbers(&row.id, evaluators, logs, *language).err();
        Threshold {
            id: row.id.clone(),
            text,
            read_only: false,
            author: Some(row.author.clone()),
            created: Some(row.created),
            updated: Some(row.updated),
            version: Some(row.version),
            problem: wrong.map(|wrong| wrong.join("\n")),
        }
    }

    async fn preview(&self, overrides: Vec<Override>, id: String) -> Result<Preview, Refused> {
        self.0.previews.preview(overrides, id).await.ok_or(Refused::Stopping)
    }

    /// The engine judges by what was committed. One that stops reads it when it starts again.
    async fn report(&self, overrides: Vec<Override>) {
        if let Some(engine) = self.0.engine.upgrade() {
            drop(engine.send(Input::Overrides(overrides)).await);
        }
    }
}

/// What the engine judges by: those of the configuration, then those that people set, the newest
/// last. What does not fit its evaluator any more has no effect.
pub fn in_force(
    files: &[config::Override],
    evaluators: &[Arc<Evaluator>],
    rows: &[StoredThreshold],
) -> Vec<Override> {
    let own =
        |row: &StoredThreshold| text(row).numbers(&row.id, evaluators, &[], Language::En).ok();
    let files = files.iter().map(|one| one.numbers.clone());
    files.chain(rows.iter().filter_map(own)).collect()
}

fn of_file(one: &config::Override) -> Threshold {
    Threshold {
        id: one.numbers.id.clone(),
        text: one.text.clone(),
        read_only: true,
        author: None,
        created: None,
        updated: None,
        version: None,
        problem: None,
    }
}
