//! Asking a reader: it is opened for the questions and closed after them.

use std::{
    sync::{Arc, atomic::AtomicIsize},
    time::Duration,
};

use haetae_plugin::{Answer, Error, Question, Result};
use tokio_util::sync::CancellationToken;

use super::{
    instance::{CallResult, Instance, Spec},
    lend::{Cells, Lent, Shared},
    order::{Order, Reply},
};

/// A reader that is not open.
#[derive(Clone)]
pub struct Closed {
    /// What to open.
    pub spec: Spec,
    /// What it is lent.
    pub shared: Shared,
    /// How long opening and each question may take.
    pub deadline: Duration,
}

impl Closed {
    /// Opens it.
    pub async fn open(self) -> Result<Reader> {
        let Self { spec, shared, deadline } = self;
        let lent = Lent::new(&spec.name, shared, Cells::default(), CancellationToken::new());
        let opened =
            Instance::open(spec, Arc::new(lent), deadline, &Arc::<AtomicIsize>::default()).await;
        match opened? {
            CallResult::Returned(instance) => Ok(Reader { instance: instance?, deadline }),
            CallResult::Hung => {
                Err(Error::deadline(format!("open did not return within {deadline:?}")))
            }
        }
    }
}

/// A reader that is open.
pub struct Reader {
    instance: Instance,
    deadline: Duration,
}

impl Reader {
    /// Asks one question. After an error, drop it.
    pub async fn ask(&mut self, question: Question) -> Result<Answer> {
        match self.instance.call(Order::Query(question), self.deadline).await {
            CallResult::Returned(Ok(Reply::Answer(answer))) => Ok(answer),
            CallResult::Returned(Ok(_)) => Err(Error::failed("it answered another call")),
            CallResult::Returned(Err(error)) => Err(error),
            CallResult::Hung => {
                Err(Error::deadline(format!("query did not return within {:?}", self.deadline)))
            }
        }
    }

    /// Closes it; a thread that does not end is left to itself.
    pub async fn close(self) {
        // What it says at its end is of no use to anybody.
        drop(self.instance.close(self.deadline).await);
    }
}
