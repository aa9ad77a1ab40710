//! Giving up while a sink is left alone: that comes in time, however long its peer asked to wait.

use haetae_plugin::Timestamp;

use super::{
    dispatch::Dispatch,
    recipient::Recipient,
    record::{Recording, buried},
    results::results,
};
use crate::{
    plugin::sink::Undelivered,
    store::{Claims, StoreError, Transaction},
};

/// Rows that are given up in one transaction.
const AT_ONCE: usize = 64;

impl Dispatch {
    /// Gives up what is to be given up by now, without another try: `until` then nothing is tried.
    pub(super) async fn expire(
        &self,
        sink: &Recipient,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        while self.store.has_expired(&self.name, now).await? {
            let (name, lease) = (self.name.clone(), sink.lease(now));
            let claim = move |transaction: &mut Transaction<'_>| {
                let Claims { rows, unreadable } =
                    transaction.claim_expired(&name, now, lease, AT_ONCE)?;
                Ok::<_, StoreError>((rows, buried(transaction, &name, &unreadable, now)?))
            };
            let (claimed, unreadable) = self.store.write(claim).await?;
            if let Some(reason) = unreadable {
                self.report_dead(&reason).await;
            }
            if claimed.is_empty() {
                // Those of a thread whose first is not old enough wait for it.
                break;
            }
            let until = jiff::Timestamp::from_second(until.seconds()).unwrap_or_default();
            let reason = format!("nothing is sent to the sink until {until}");
            let results = results(claimed.len(), &Err(Undelivered { reason, wait: None }));
            sink.metrics.count(&claimed, &results, now);
            let recording = Recording {
                name: self.name.clone(),
                recipients: self.recipients.borrow().clone(),
                results,
                claimed,
                next: Vec::new(),
                old: Vec::new(),
                most: 0,
                leased: None,
            };
            self.record(sink, recording).await?;
        }
        Ok(())
    }
}
