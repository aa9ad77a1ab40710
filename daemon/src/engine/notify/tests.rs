//! What is told, and what is not.

mod groups;
mod inhibits;
mod mutes;
mod properties;
mod restarts;
mod rig;
