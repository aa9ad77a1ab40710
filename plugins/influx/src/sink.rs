//! The sink: samples as line protocol, by HTTP or by UDP.

use haetae_plugin::{Batch, Call, Context, Error, Outcome, Records, Result, Sink, Verdict};

use crate::{datagram::Datagrams, lines::Lines, options::Options, post::Post, verdicts::Verdicts};

/// Writes samples.
pub(crate) enum InfluxSink {
    /// Each answer tells what became of the lines.
    Http(Box<Post>),
    /// What is lost is lost unseen.
    Udp(Datagrams),
}

impl Sink for InfluxSink {
    const TAKES: &'static [Records] = &[Records::Samples];
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self> {
        match &options.udp {
            Some(_) if options.url.is_some() => {
                Err(Error::config("either url or udp: a sink has one of them"))
            }
            Some(target) => Datagrams::open(target, &options).map(Self::Udp),
            None => Post::open(&options, &context).map(|post| Self::Http(Box::new(post))),
        }
    }

    fn deliver(&mut self, batch: &Batch, call: Call) -> Result<Outcome> {
        let Batch::Samples(samples) = batch else {
            let reason = "InfluxDB takes samples only".into();
            return Ok(Outcome::all(Verdict::Rejected { reason }));
        };
        let mut verdicts = Verdicts::new(samples.points().len());
        let lines = Lines::of(samples, &mut verdicts);
        match self {
            Self::Http(post) => post.send(&lines, &mut verdicts, call),
            Self::Udp(datagrams) => datagrams.send(&lines, &mut verdicts, call),
        }
        Ok(verdicts.outcome())
    }
}
