//! Whether a file may be loaded: only its owner and root may have written it.

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::Path};

use super::refusal::Refusal;

/// Checks that only root and the daemon's user can have written what stands at `path`.
pub fn check(path: &Path, metadata: &Metadata) -> Result<(), Refusal> {
    let ours = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    if owner != 0 && owner != ours {
        return Err(Refusal::foreign_owner(path, owner));
    }
    // A sticky directory such as /tmp lets nobody replace another's file.
    let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    if metadata.mode() & 0o002 != 0 && !sticky {
        return Err(Refusal::writable_by_others(path));
    }
    Ok(())
}
