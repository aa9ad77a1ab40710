//! The sink `post`: the notifications of a call as one JSON array, in one `POST`.

use haetae_plugin::{
    Batch, Call, Context, Outcome, Records, Result, Sink, Verdict,
    http::{Http, HttpOptions},
};

/// The options of the kind `post`.
#[haetae_plugin::options]
pub(crate) struct Options {
    /// Who is told.
    url: String,
}

pub(crate) struct Post {
    url: String,
    http: Http,
}

impl Sink for Post {
    const TAKES: &'static [Records] = &[Records::Notifications];
    type Options = Options;

    fn open(options: Options, context: Context) -> Result<Self> {
        Ok(Self { url: options.url, http: context.http(&HttpOptions::default()) })
    }

    fn deliver(&mut self, batch: &Batch, call: Call) -> Result<Outcome> {
        let Batch::Notifications(notifications) = batch else {
            let reason = "only notifications are posted".into();
            return Ok(Outcome::all(Verdict::Rejected { reason }));
        };
        let post = self.http.post(&self.url).header("content-type", "application/json");
        let answer = post.body(serde_json::to_vec(notifications)?).send(call)?;
        let status = answer.status;
        // Read to its end, so that the connection serves the next call.
        drop(answer.bytes()?);
        Ok(match status {
            200..300 => Outcome::delivered(),
            _ => Outcome::all(Verdict::Retry { reason: format!("status {status}"), after: None }),
        })
    }
}
