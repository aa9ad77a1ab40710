//! Reading: files, their documents and sections, with the place of each value.

pub(super) mod document;
pub(super) mod files;
pub(super) mod place;
pub(super) mod schema;
pub(super) mod section;
