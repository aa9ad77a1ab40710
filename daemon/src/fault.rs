//! Faults that tests build into stages of a debug build; a release build has none.

use std::path::PathBuf;

/// Arms the faults: a stage whose name stands in this file panics, once.
pub fn read_from(file: Option<PathBuf>) {
    #[cfg(debug_assertions)]
    drop(armed::FILE.set(file));
    #[cfg(not(debug_assertions))]
    drop(file);
}

/// Panics if a test asks the stage of this kind and name for it.
#[inline]
pub fn point(kind: &str, name: &str) {
    #[cfg(debug_assertions)]
    armed::point(kind, name);
    #[cfg(not(debug_assertions))]
    let _ = (kind, name);
}

#[cfg(debug_assertions)]
mod armed {
    use std::{fs, path::PathBuf, sync::OnceLock};

    pub(super) static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();

    pub(super) fn point(kind: &str, name: &str) {
        let Some(Some(file)) = FILE.get() else { return };
        let stage = format!("{kind} {name}");
        let asked = fs::read_to_string(file).is_ok_and(|text| text.trim() == stage.trim());
        // Whoever removes it is the one that it is meant for.
        let is_its = asked && fs::remove_file(file).is_ok();
        assert!(!is_its, "a test asked the stage `{stage}` for it");
    }
}
