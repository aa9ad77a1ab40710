//! Asking readers chunk by chunk: as much time at once as their answers stay small and quick.

use std::time::Duration;

use haetae_plugin::{Answer, Error, Fault, Question, Timestamp};
use tokio::{runtime::Handle, sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    need::{NeededMetric, Needs, Stream},
    recording::{Chunk, Packed, Recording, RecordingError},
};
use crate::{
    backtest::BacktestError,
    clock::{self, Clock},
    plugin::{
        catalog::Catalog,
        instance::{Role, Spec},
        lend::{Pool, Shared},
        reader::{Closed, Reader},
    },
};

/// Points of a chunk that are aimed at.
const POINTS: usize = 150_000;
/// How much time the first chunk has.
const FIRST: Duration = Duration::from_hours(1);
/// How much time a chunk has at most.
const LONGEST: Duration = Duration::from_hours(24);
/// How long the readers may take for a chunk before the next has less.
const QUICK: Duration = Duration::from_secs(5);
/// How long one question may take; in the daemon it is the source's own deadline.
const DEADLINE: Duration = Duration::from_mins(1);
/// How often a chunk is asked for, each time for less of it.
const TRIES: u32 = 4;
/// How long it waits before it asks again, and at most where the server says how long.
const PAUSE: Duration = Duration::from_secs(1);
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// A reader does not answer.
#[derive(Debug, thiserror::Error)]
#[error("source `{source_name}`{about}: {cause}")]
pub struct Unanswered {
    source_name: String,
    /// Which metric, and for which time.
    about: String,
    cause: String,
    /// Whether asking for less, or later, may help.
    again: Option<Duration>,
}

/// Asks readers, and keeps what they answer.
pub(super) struct Asker {
    readers: Vec<Closed>,
    open: Vec<Option<Reader>>,
    recording: Recording,
    stop: CancellationToken,
}

impl Asker {
    /// Makes ready to ask; opens nothing yet.
    pub(super) fn new(
        needs: &Needs,
        catalog: &Catalog,
        recording: Recording,
        stop: CancellationToken,
        runtime: Handle,
    ) -> Result<Self, Unanswered> {
        let shared = Shared { clock: Clock::System, http: Pool::new(runtime), instances: None };
        let readers = needs.streams.iter().map(|stream| {
            let source = &stream.source;
            let refused = |cause: String| unanswered(stream, String::new(), cause, None);
            let library = match catalog.library(&source.kind) {
                Some(Ok(library)) => library,
                Some(Err(refusal)) => return Err(refused(refusal.to_string())),
                None => return Err(refused(format!("no plugin exports `{}`", source.kind))),
            };
            let spec = Spec {
                name: format!("{}/reader", source.name),
                role: Role::Reader,
                kind: source.kind.clone(),
                options: source.options.0.clone(),
                library,
            };
            let deadline = source.deadline.max(DEADLINE);
            Ok(Closed { spec, shared: shared.clone(), deadline })
        });
        let readers = readers.collect::<Result<Vec<_>, _>>()?;
        let open = readers.iter().map(|_| None).collect();
        Ok(Self { readers, open, recording, stop })
    }

    /// Hands out the chunks of the range: first those that are recorded, then new ones. It ends
    /// early if it is asked to stop.
    pub(super) async fn run(
        mut self,
        needs: &Needs,
        chunks: mpsc::Sender<Chunk>,
    ) -> Result<Recording, BacktestError> {
        let mut since = needs.start();
        while let Some(chunk) = self.recording.next()? {
            since = chunk.until;
            if self.stop.is_cancelled() || chunks.send(chunk).await.is_err() {
                return Ok(self.recording);
            }
        }
        let mut span = FIRST.max(needs.slowest());
        while since < needs.to {
            let stop = self.stop.clone();
            let asked = tokio::select! {
                () = stop.cancelled() => return Ok(self.recording),
                asked = self.chunk(needs, since, &mut span) => asked?,
            };
            since = asked.until;
            self.add(&asked)?;
            if chunks.send(asked).await.is_err() {
                break;
            }
        }
        for reader in self.open.into_iter().flatten() {
            reader.close().await;
        }
        Ok(self.recording)
    }

    fn add(&mut self, chunk: &Chunk) -> Result<(), RecordingError> {
        // It blocks: nothing else is to be done meanwhile but to judge, on another thread.
        self.recording.add(chunk)
    }

    /// The chunk after `since`; `span` learns from how it went.
    async fn chunk(
        &mut self,
        needs: &Needs,
        since: Timestamp,
        span: &mut Duration,
    ) -> Result<Chunk, Unanswered> {
        let mut tried = 0;
        loop {
            let until = since.after(*span).min(needs.to);
            let begun = clock::monotonic();
            match self.ask(needs, since, until).await {
                Ok(chunk) => {
                    let points = chunk.points();
                    let quick = begun.elapsed() < QUICK;
                    *span = next_span(*span, points, quick).max(needs.slowest());
                    return Ok(chunk);
                }
                Err(error) => {
                    tried += 1;
                    let Some(pause) = error.again.filter(|_| tried < TRIES) else {
                        return Err(error);
                    };
                    *span = (*span / 4).max(needs.slowest());
                    sleep(pause).await;
                }
            }
        }
    }

    async fn ask(
        &mut self,
        needs: &Needs,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Chunk, Unanswered> {
        let mut answers = Vec::with_capacity(needs.streams.len());
        for ((stream, closed), open) in needs.streams.iter().zip(&self.readers).zip(&mut self.open)
        {
            let mut own = Vec::with_capacity(stream.asked.len());
            for asked in &stream.asked {
                let Some(question) = asked.question(stream, needs, since, until) else {
                    own.push(Vec::new());
                    continue;
                };
                let about = || {
                    let (from, to) = (time(since), time(until));
                    format!(", metric `{}` from {from} to {to}", asked.metric)
                };
                let failed = |error: Error| {
                    let pause = match error.fault() {
                        // Too large an answer is told as a fault of the question.
                        Fault::Config => Duration::ZERO,
                        _ => error.wait().unwrap_or(PAUSE).min(LONG_PAUSE),
                    };
                    unanswered(stream, about(), error.message().into(), Some(pause))
                };
                let mut reader = match open.take() {
                    Some(reader) => reader,
                    None => closed.clone().open().await.map_err(failed)?,
                };
                // After an error it is dropped.
                let answer = reader.ask(question).await.map_err(failed)?;
                *open = Some(reader);
                let Answer::Series(lines) = answer else {
                    let cause = "its reader does not know the past of this metric".into();
                    return Err(unanswered(stream, about(), cause, None));
                };
                own.push(lines.into_iter().map(Packed::of).collect());
            }
            answers.push(own);
        }
        Ok(Chunk { until, answers, recorded: false })
    }
}

impl NeededMetric {
    /// What is asked about the time after `since` up to `until`; none if no slot is in it.
    fn question(
        &self,
        stream: &Stream,
        needs: &Needs,
        since: Timestamp,
        until: Timestamp,
    ) -> Option<Question> {
        let every = stream.source.interval;
        let first = stream.slot(needs.from);
        let from = stream.slot(since).max(first.before(self.before));
        let last = stream.slot(until);
        let query = self.metric.clone();
        let next = |time: Timestamp| time.after(Duration::from_nanos(1));
        if self.at_slots {
            let from = stream.slot(since).max(first).after(every);
            return (from <= last).then(|| Question::Slots { query, from, every, to: next(last) });
        }
        // A source says what happened after its last slot, up to this one.
        (from < last).then(|| Question::Series { query, from: next(from), to: next(last) })
    }
}

impl Chunk {
    /// How many points it has.
    pub(super) fn points(&self) -> usize {
        self.answers.iter().flatten().flatten().map(Packed::len).sum()
    }
}

/// How much time the next chunk has.
fn next_span(span: Duration, points: usize, quick: bool) -> Duration {
    let fits = span.as_nanos().saturating_mul(POINTS as u128) / points.max(1) as u128;
    let fits = Duration::from_nanos(u64::try_from(fits).unwrap_or(u64::MAX));
    let next = if quick { fits.min(span.saturating_mul(4)) } else { fits.min(span / 2) };
    next.clamp(Duration::from_secs(1), LONGEST)
}

fn unanswered(
    stream: &Stream,
    about: String,
    cause: String,
    again: Option<Duration>,
) -> Unanswered {
    Unanswered { source_name: stream.source.name.clone(), about, cause, again }
}

fn time(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(time.nanos().into())
        .and_then(|time| time.round(jiff::Unit::Second))
        .map_or_else(|_| time.nanos().to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_grow_until_their_answers_are_large_and_shrink_when_those_are_slow() {
        let hour = Duration::from_hours(1);
        for (points, quick, expected) in [
            (0, true, 4 * hour),
            (POINTS / 2, true, 2 * hour),
            (POINTS, true, hour),
            (POINTS * 2, true, hour / 2),
            (10, false, hour / 2),
        ] {
            assert_eq!(next_span(hour, points, quick), expected, "{points} {quick}");
        }
        assert_eq!(next_span(LONGEST, 0, true), LONGEST);
    }
}
