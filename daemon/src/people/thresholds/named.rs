//! A threshold by the start of its id.

use super::{Refused, Registry, Threshold};
use crate::people::{Named, candidates};

impl Registry {
    /// The id that is meant; of one that was removed, which is in the history alone, the whole.
    pub async fn id(&self, start: &str) -> Result<String, Refused> {
        match Named::among(self.all().await?, start, |one: &Threshold| &one.id) {
            Named::One(one) => Ok(one.id),
            Named::Nothing => Ok(start.into()),
            Named::Several(all) => Err(Refused::Several(candidates(&all, words))),
        }
    }
}

fn words(one: &Threshold) -> (String, String) {
    (one.id.clone(), format!("{} {}", one.text.evaluator, one.text.matchers.join(", ")))
}
