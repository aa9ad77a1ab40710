//! A threshold by the start of its id.

use super::{Refused, Registry, Threshold};
use crate::people::{IdMatch, candidates};

impl Registry {
    /// The id that is meant; of one that was removed, which is in the history alone, the whole.
    pub async fn id(&self, start: &str) -> Result<String, Refused> {
        match IdMatch::among(self.all().await?, start, |one: &Threshold| &one.id) {
            IdMatch::One(one) => Ok(one.id),
            IdMatch::Nothing => Ok(start.into()),
            IdMatch::Several(all) => Err(Refused::Several(candidates(&all, words))),
        }
    }
}

fn words(one: &Threshold) -> (String, String) {
    (one.id.clone(), format!("{} {}", one.text.evaluator, one.text.matchers.join(", ")))
}
