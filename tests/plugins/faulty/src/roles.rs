//! The roles of the kind `faulty`.

use std::time::Duration;

use haetae_plugin::{
    Answer, Batch, Call, Context, Kind, Line, Metric, Outcome, Question, Reader, Records, Result,
    Series, Sink, Source, Verdict,
};

use crate::{
    batch,
    fault::{Fault, Instance, Options, panics, sleeps},
};

/// What a peer asks for that has no idea of the time.
const TEN_YEARS: Duration = Duration::from_hours(10 * 365 * 24);

pub(crate) struct FaultySource {
    instance: Instance,
    good: Series,
}

impl Source for FaultySource {
    const YIELDS: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn metrics(options: &Options) -> Vec<Metric> {
        if options.fault == Fault::PanicMetrics {
            panics("metrics");
        }
        let good = Metric::new("faulty_value", "1", Kind::GAUGE, "Always 1 in a good batch.");
        vec![good.labels(&["plugin"])]
    }

    fn open(options: Options, context: Context) -> Result<Self> {
        Ok(Self { instance: Instance::open(options, context)?, good: batch::good() })
    }

    fn listens(&self) -> bool {
        match self.instance.options.fault {
            Fault::PanicListens => panics("listens"),
            fault => matches!(fault, Fault::FloodListener | Fault::SleepListener),
        }
    }

    fn collect(&mut self, call: Call) -> Result<Batch> {
        let number = self.instance.batches;
        let fault = self.instance.next();
        match fault {
            Fault::PanicCollect => panics("collect"),
            Fault::SleepCollect | Fault::SleepListener => sleeps(&self.instance.options),
            _ => {}
        }
        self.instance.misbehave(fault)?;
        Ok(batch::samples(fault, number, call.window.to, &self.good).into())
    }

    fn ack(&mut self) -> Result<()> {
        if self.instance.due() == Fault::PanicAck {
            panics("ack");
        }
        Ok(())
    }
}

pub(crate) struct FaultySink(Instance);

impl Sink for FaultySink {
    const TAKES: &'static [Records] = &[Records::Samples, Records::Logs, Records::Notifications];
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self> {
        Instance::open(options, context).map(Self)
    }

    fn deliver(&mut self, _: &Batch, _: Call) -> Result<Outcome> {
        let fault = self.0.next();
        match fault {
            Fault::PanicDeliver => panics("deliver"),
            Fault::SleepDeliver => sleeps(&self.0.options),
            Fault::Reject => {
                let reason = "fault = \"reject\"".into();
                return Ok(Outcome::all(Verdict::Rejected { reason }));
            }
            Fault::RetryAfter => {
                let (reason, years) = ("fault = \"retry_after\"".into(), TEN_YEARS);
                return Ok(Outcome::all(Verdict::Retry { reason, after: Some(years) }));
            }
            _ => {}
        }
        self.0.misbehave(fault)?;
        Ok(Outcome::delivered())
    }
}

pub(crate) struct FaultyReader(Instance);

impl Reader for FaultyReader {
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self> {
        Instance::open(options, context).map(Self)
    }

    fn query(&mut self, question: &Question, _: Call) -> Result<Answer> {
        let fault = self.0.next();
        if fault == Fault::PanicQuery {
            panics("query");
        }
        self.0.misbehave(fault)?;
        let Question::Series { query, from, .. } = question else {
            return Ok(Answer::Unsupported);
        };
        let line = Line {
            name: query.clone(),
            labels: [("plugin".into(), "faulty".into())].into(),
            unit: "1".into(),
            points: vec![(*from, 1.0)],
        };
        Ok(Answer::Series(vec![line]))
    }
}
