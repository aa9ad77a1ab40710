//! A sink: notifications as messages on a phone, by a topic of an ntfy server.

use std::time::Duration;

use haetae_plugin::{
    Batch, Call, Context, Outcome, Records, Result, Secret, Severity, Sink, Verdict,
    http::{Http, HttpOptions, Response},
};

haetae_plugin::export! { kind "ntfy" { sink: Ntfy, sample: include_str!("../sample.toml") } }

#[haetae_plugin::options]
struct Options {
    /// The topic's URL, such as `https://ntfy.sh/my-alarms`.
    topic: String,
    /// An access token, if the topic wants one.
    #[serde(default)]
    token: Option<Secret>,
    /// How to reach the server.
    #[serde(default)]
    http: HttpOptions,
}

struct Ntfy(Options, Context, Http);

impl Sink for Ntfy {
    const TAKES: &'static [Records] = &[Records::Notifications];
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self> {
        let http = context.http(&options.http);
        Ok(Self(options, context, http))
    }

    fn deliver(&mut self, batch: &Batch, call: Call) -> Result<Outcome> {
        let Self(options, context, http) = self;
        let Batch::Notifications(notifications) = batch else { return Ok(Outcome::delivered()) };
        let mut outcome = Outcome::delivered();
        for (index, notification) in (0..).zip(notifications) {
            let urgent = notification.severity == Severity::Critical;
            let mut request = http.post(&options.topic).body(notification.text.as_str());
            request = request.header("title", notification.title.as_str());
            request = request.header("priority", if urgent { "urgent" } else { "default" });
            if let Some(token) = &options.token {
                let token = context.secret(token)?;
                request = request.header("authorization", [b"Bearer ", token.expose()].concat());
            }
            outcome = outcome.but(index, verdict(request.send(call)));
        }
        Ok(outcome)
    }
}

/// What the server's answer means for one notification; the daemon does the rest.
fn verdict(answer: Result<Response>) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            return Verdict::Retry { reason: error.message().into(), after: error.wait() };
        }
    };
    let reason = format!("the server answers {}", answer.status);
    match answer.status {
        200..=299 => Verdict::Delivered,
        401 | 403 | 404 => Verdict::Config { reason: format!("{reason}: see `topic` and `token`") },
        429 | 500.. => {
            let seconds = answer.header("retry-after").and_then(|text| text.parse().ok());
            Verdict::Retry { reason, after: seconds.map(Duration::from_secs) }
        }
        _ => Verdict::Rejected { reason },
    }
}
