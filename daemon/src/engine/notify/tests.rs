//! What is told, and what is not.

mod groups;
mod mutes;
mod properties;
mod restarts;
mod rig;
