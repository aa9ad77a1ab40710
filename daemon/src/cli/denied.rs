//! Permission denied at the admin socket: who may ask, and how to become one of them.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{Access, access};

/// What stands in the way: the socket, or a folder on the way to it.
struct Barrier {
    path: PathBuf,
    is_folder: bool,
    mode: u32,
    owner: String,
    group: String,
}

/// Who is denied.
struct Asker {
    name: String,
    /// Whether it is of the group, but was not yet when it logged in.
    is_member: bool,
}

/// Whether an error is one of permission, however deep.
pub(super) fn is_denied(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What to say of a socket that this user may not use.
pub(super) fn words(socket: &Path) -> String {
    let Some(barrier) = barrier(socket) else {
        return format!("permission denied at {}: ask as its owner", socket.display());
    };
    let uid = Uid::effective();
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |it| it.name);
    let group = Group::from_name(&barrier.group).ok().flatten();
    let is_member = group.is_some_and(|group| group.mem.contains(&name));
    explained(socket, &barrier, &Asker { name, is_member })
}

/// What of the way to the socket, or of the socket, this user may not use.
fn barrier(socket: &Path) -> Option<Barrier> {
    // A socket of systemd's is reached by a link in the state directory.
    let target = fs::read_link(socket).ok();
    let ends = [Some(socket), target.as_deref()];
    for end in ends.into_iter().flatten() {
        let mut folders: Vec<_> = end.ancestors().skip(1).collect();
        folders.reverse();
        let closed = folders.into_iter().find(|folder| access(*folder, Access::EXEC_OK).is_err());
        if let Some(folder) = closed {
            return seen(folder, true);
        }
    }
    seen(socket, false)
}

fn seen(path: &Path, is_folder: bool) -> Option<Barrier> {
    let found = fs::metadata(path).ok()?;
    let (uid, gid) = (found.uid(), found.gid());
    let owner = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    Some(Barrier {
        path: path.into(),
        is_folder,
        mode: found.mode() & 0o777,
        owner: owner.map_or_else(|| uid.to_string(), |owner| owner.name),
        group: group.map_or_else(|| gid.to_string(), |group| group.name),
    })
}

fn explained(socket: &Path, barrier: &Barrier, asker: &Asker) -> String {
    let Barrier { path, is_folder, mode, owner, group } = barrier;
    let (what, needed) = if *is_folder { ("the folder", 0o010) } else { ("the socket", 0o020) };
    let (socket, path) = (socket.display(), path.display());
    let may_group = mode & needed != 0;
    let who =
        if may_group { format!("user {owner} and group {group}") } else { format!("user {owner}") };
    let name = &asker.name;
    let cure = if may_group && asker.is_member {
        format!("{name} is in the group since this login: log in again, or run `newgrp {group}`")
    } else if may_group {
        format!("to join the group: `sudo usermod -aG {group} {name}`, then log in again")
    } else {
        format!(
            "to let the members of a group ask, name it in the daemon's configuration, [daemon] socket_group = \"haetae\", and restart it; or ask as that user: `sudo -u {owner} haetae …`"
        )
    };
    format!(
        "permission denied at {socket}\n  {what} {path} is for {who} alone (mode {mode:04o})\n  {cure}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mode: u32, is_folder: bool, is_member: bool) -> String {
        let path = PathBuf::from(if is_folder { "/s" } else { "/s/admin.sock" });
        let (owner, group) = ("haetae".into(), "watch".into());
        let barrier = Barrier { path, is_folder, mode, owner, group };
        explained(Path::new("/s/admin.sock"), &barrier, &Asker { name: "kim".into(), is_member })
    }

    #[test]
    fn who_may_ask_and_how_to_become_one_is_told() {
        let join = "group watch alone (mode 0660)\n  to join the group: `sudo usermod -aG watch kim`, then log in again";
        assert!(said(0o660, false, false).contains(join));
        assert!(
            said(0o710, true, false).contains("the folder /s is for user haetae and group watch")
        );
        assert!(said(0o660, false, true).contains("log in again, or run `newgrp watch`"));
        let closed = said(0o600, false, false);
        assert!(closed.contains("is for user haetae alone (mode 0600)"), "{closed}");
        assert!(closed.contains("socket_group = ") && closed.contains("`sudo -u haetae haetae …`"));
        // A folder that its group may not pass, whatever of it the group may read.
        assert!(said(0o740, true, false).contains("user haetae alone"));
    }

    #[test]
    fn a_cause_is_found_however_deep() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        assert!(is_denied(&Outer(io::ErrorKind::PermissionDenied.into())));
        assert!(!is_denied(&Outer(io::ErrorKind::NotFound.into())));
    }
}
