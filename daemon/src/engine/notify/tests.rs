//! What is told, and what is not.

mod flapping;
mod groups;
mod inhibits;
mod mutes;
mod parts;
mod plans;
mod properties;
mod reloads;
mod restarts;
mod rig;
mod shown;
