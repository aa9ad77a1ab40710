//! What the engine does, as rows of text and as properties.

mod evidence_matrix;
mod expected;
pub(super) mod harness;
mod overrides;
mod parity_icinga;
mod parity_prometheus;
pub(in crate::engine) mod properties;
mod reload;
mod restore;
