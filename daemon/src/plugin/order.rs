//! Orders: what a role is asked, and its reply.

use haetae_plugin::{Answer, Batch, Outcome, Question, Window};

/// One call.
#[derive(Debug)]
pub enum Order {
    /// To a source.
    Collect(Window),
    /// To a source.
    Ack,
    /// To a sink.
    Deliver(Batch),
    /// To a reader.
    Query(Question),
}

/// What a call returned.
#[derive(Debug)]
pub enum Reply {
    /// To [`Order::Collect`].
    Batch(Batch),
    /// To [`Order::Ack`].
    Acked,
    /// To [`Order::Deliver`].
    Outcome(Outcome),
    /// To [`Order::Query`].
    Answer(Answer),
}
