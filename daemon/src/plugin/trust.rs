//! Whether a file may be loaded: only root and the daemon's user may have written it, or any folder on
//! the way to it.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use super::{refusal::Refusal, writers::Writers};

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// Checks that only root and the daemon's user can have written what stands at `path`.
pub fn check(path: &Path, metadata: &Metadata) -> Result<(), Refusal> {
    if !is_ours(metadata) {
        return Err(Refusal::foreign_owner(path, metadata.uid()));
    }
    match Writers::of(metadata) {
        Some(writers) => Err(Refusal::writable(path, writers)),
        None => Ok(()),
    }
}

/// Checks that nobody else can have led the way to `path` elsewhere: each folder in which a name is
/// looked up, those that links lead through too.
pub fn check_way(path: &Path) -> Result<(), Refusal> {
    let unreadable = |error: io::Error| Refusal::unreadable(path, &error);
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let (mut folder, mut names, mut links) = (PathBuf::from("/"), Vec::new(), 0);
    push(&mut names, &absolute);
    while let Some(name) = names.pop() {
        if name == ".." {
            folder.pop();
            continue;
        }
        let entry = folder.join(&name);
        let found = entry.symlink_metadata().map_err(unreadable)?;
        through(path, &folder, &found)?;
        if !found.is_symlink() {
            folder = entry;
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(unreadable(io::Error::from_raw_os_error(libc::ELOOP)));
        }
        let target = fs::read_link(&entry).map_err(unreadable)?;
        if target.is_absolute() {
            folder = PathBuf::from("/");
        }
        push(&mut names, &target);
    }
    Ok(())
}

/// The names that `path` goes through, so that the first is popped first.
fn push(names: &mut Vec<OsString>, path: &Path) {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.into()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.extend(parts);
}

/// Checks a folder on the way to `path` and what is found in it.
fn through(path: &Path, folder: &Path, found: &Metadata) -> Result<(), Refusal> {
    let place = fs::metadata(folder).map_err(|error| Refusal::unreadable(path, &error))?;
    if !is_ours(&place) {
        return Err(Refusal::through_foreign(path, folder, place.uid()));
    }
    let Some(writers) = Writers::of(&place) else { return Ok(()) };
    // In a sticky one such as /tmp nobody replaces a folder or link of another's.
    let is_sticky = place.mode() & 0o1000 != 0;
    if is_sticky && is_ours(found) && !found.is_file() {
        return Ok(());
    }
    Err(Refusal::through_writable(path, folder, writers))
}

/// Whether it belongs to root or the daemon's user.
fn is_ours(metadata: &Metadata) -> bool {
    [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refused(path: &Path) -> Option<String> {
        let checked = check(path, &fs::metadata(path).unwrap()).and_then(|()| check_way(path));
        checked.err().map(|refusal| refusal.to_string())
    }

    #[test]
    fn a_file_and_each_folder_on_the_way_are_written_by_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for folder in ["own", "own/inner", "open", "open/inner", "sticky", "sticky/inner"] {
            fs::create_dir(at(folder)).unwrap();
        }
        let files = ["own/x.so", "own/inner/x.so", "open/inner/x.so", "sticky/inner/x.so"];
        for file in files.iter().chain(&["sticky/x.so"]) {
            fs::write(at(file), "").unwrap();
            set(&at(file), 0o755);
        }
        set(&at("open"), 0o777);
        set(&at("sticky"), 0o1777);
        symlink(at("own/x.so"), at("own/link.so")).unwrap();
        symlink("../open/inner/x.so", at("own/away.so")).unwrap();
        symlink(at("own"), at("open/back")).unwrap();
        symlink(at("own"), at("sticky/back")).unwrap();
        for fine in
            ["own/x.so", "own/inner/x.so", "own/link.so", "sticky/inner/x.so", "sticky/back/x.so"]
        {
            assert_eq!(refused(&at(fine)), None, "{fine}");
        }
        let open = at("open").display().to_string();
        for file in ["open/inner/x.so", "own/away.so", "open/back/x.so"] {
            let refusal = refused(&at(file)).unwrap();
            assert!(refusal.contains(&format!("reached by {open}, writable by all")), "{refusal}");
            assert!(refusal.contains(&format!("chmod go-w {open}, or keep")), "{refusal}");
        }
        // Anybody could have put it there.
        assert!(refused(&at("sticky/x.so")).is_some());
        for (mode, cause) in
            [(0o775, None), (0o757, Some("is writable by all users; chmod go-w /"))]
        {
            set(&at("own/x.so"), mode);
            let refusal = refused(&at("own/x.so"));
            match cause {
                Some(cause) => assert!(refusal.unwrap().contains(cause)),
                // The group is root's or the user's alone, as it was made with it.
                None => assert!(refusal.is_none_or(|text| text.contains("the group"))),
            }
        }
        set(&at("own/x.so"), 0o775);
        // A group that many may be in; only root can give a file to one.
        if chown(at("own/x.so"), None, Some(12_345)).is_ok() {
            let refusal = refused(&at("own/x.so")).unwrap();
            assert!(refusal.contains("is writable by the group 12345; chmod g-w /"), "{refusal}");
        }
        symlink("loop", at("loop")).unwrap();
        assert!(check_way(&at("loop")).is_err());
    }
}
