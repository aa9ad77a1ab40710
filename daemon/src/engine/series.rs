//! Series: what a source said, point by point, and the slots in which it is judged.

pub(super) mod route;
pub(super) mod slot;
pub(super) mod source;
pub(super) mod tracked;
pub(super) mod window;
