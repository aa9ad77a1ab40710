//! Refill: at the start a source's reader says again what filled the windows of its evaluators.

use std::time::Duration;

use haetae_plugin::{Answer, Kind, Line, Metric, Question, Samples, Series, Timestamp};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::intake::Intake;
use crate::{engine::Input, plugin::reader::Closed};

/// What is asked of a reader before its source is heard.
pub struct Refill {
    /// The source's reader.
    pub reader: Closed,
    /// The metrics that evaluators have a window on, each with the longest of them.
    pub windows: Vec<(String, Duration)>,
    /// What the source says of its metrics.
    pub metrics: Vec<Metric>,
}

impl Refill {
    /// Fills the windows. Where that fails, they fill by themselves: until then evidence is late.
    pub async fn run(
        self,
        source: &str,
        intake: &mut Intake,
        engine: &mpsc::Sender<Input>,
        now: Timestamp,
    ) {
        let mut reader = match self.reader.open().await {
            Ok(reader) => reader,
            Err(error) => return warn!(source, %error, "windows are not refilled: no reader"),
        };
        for (metric, length) in &self.windows {
            let from = now.before(*length);
            let question = Question::Series { query: metric.clone(), from, to: now };
            let lines = match reader.ask(question).await {
                Ok(Answer::Series(lines)) => lines,
                Ok(_) => break,
                Err(error) => {
                    // After an error the reader may be useless.
                    warn!(source, metric, %error, "windows are not refilled");
                    return;
                }
            };
            let samples = samples(&lines, &self.metrics, now);
            let (samples, _) = intake.admit(&samples, now, now);
            let points = samples.points().len();
            info!(source, metric, points, "windows were refilled");
            let input = Input::History { source: source.into(), samples };
            if engine.send(input).await.is_err() {
                break;
            }
        }
        reader.close().await;
    }
}

fn samples(lines: &[Line], metrics: &[Metric], now: Timestamp) -> Samples {
    let mut samples = Samples::at(now);
    for line in lines {
        let known = metrics.iter().find(|metric| metric.name == line.name);
        let counter = known.is_some_and(|metric| metric.kind == Kind::COUNTER.as_str());
        let make = if counter { Series::counter } else { Series::gauge };
        let series = make(line.name.as_str(), line.unit.as_str());
        let labels = line.labels.iter();
        let series = labels.fold(series, |series, (name, value)| series.label(name, value)).build();
        for (time, value) in &line.points {
            samples.push_at(&series, *value, *time);
        }
    }
    samples
}
