//! The admin socket as a file: its owner's alone from the first moment, and nothing of anybody else is
//! removed for it.

use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown},
    path::Path,
};

use nix::unistd::Group;
use rustix::{fs::Mode, process};
use tokio::net::{UnixListener, UnixStream};

/// The longest path of a Unix socket, its closing NUL not counted.
const SOCKET_PATH: usize = 107;

/// Binds the admin socket. Whoever can connect is admin.
pub async fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    let length = path.as_os_str().len();
    if length > SOCKET_PATH {
        let text = format!(
            "the path of the admin socket has {length} bytes, at most {SOCKET_PATH} are possible: choose a shorter one with --socket"
        );
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    remove_socket(path).await?;
    // For the whole process, and for a moment: no instance runs yet.
    let usual = process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let bound = UnixListener::bind(path);
    process::umask(usual);
    bound
}

/// Lets the members of a group use the socket, and pass the state directory, by which it is found.
pub fn open_to_group(group: &str, socket: &Path, state: &Path) -> io::Result<()> {
    let known = Group::from_name(group).map_err(io::Error::from)?;
    let known = known.ok_or_else(|| {
        let text = format!(
            "there is no group `{group}`: make it with `groupadd --system {group}`, or name another in [daemon] socket_group"
        );
        io::Error::new(ErrorKind::NotFound, text)
    })?;
    let give = |path: &Path, mode: u32| {
        let found = path.metadata()?;
        if found.gid() != known.gid.as_raw() {
            chown(path, None, Some(known.gid.as_raw()))?;
        }
        fs::set_permissions(path, Permissions::from_mode(found.mode() & 0o777 | mode))
    };
    let given = give(socket, 0o660).and_then(|()| {
        let is_open = state.metadata()?.mode() & 0o001 != 0;
        if is_open { Ok(()) } else { give(state, 0o010) }
    });
    given.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            let text = format!(
                "haetae's user is not in the group `{group}` of [daemon] socket_group: put it there with `usermod -aG {group} USER`"
            );
            io::Error::new(ErrorKind::PermissionDenied, text)
        }
        _ => error,
    })
}

/// Removes a socket of ours on which nobody answers, as a killed daemon leaves it; everything else
/// that is there is refused and stays.
pub async fn remove_socket(path: &Path) -> io::Result<()> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let text = "there is a file of this name that is no socket: it is left alone; choose another path with --socket, or move the file away";
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
    let ours = process::geteuid();
    if !ours.is_root() && found.uid() != ours.as_raw() {
        let text = format!(
            "the socket that is there belongs to user {}: choose another path with --socket, or remove it",
            found.uid()
        );
        return Err(io::Error::new(ErrorKind::PermissionDenied, text));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // One whose backlog is full would block.
        Ok(_) => Err(taken(path)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(taken(path)),
        Err(error) => Err(error),
    }
}

fn taken(path: &Path) -> io::Error {
    let text = format!(
        "another haetae answers on {}: stop it, or choose another path with --socket",
        path.display()
    );
    io::Error::new(ErrorKind::AddrInUse, text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_nobody_answers_on_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        for name in ["file", "folder", "link", "dangling"] {
            let refused = bind_socket(&at(name)).await.unwrap_err().to_string();
            assert!(
                refused.contains("is no socket: it is left alone; choose another"),
                "{refused}"
            );
            assert!(at(name).symlink_metadata().is_ok(), "{name} is gone");
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "text");
        let path = at("admin.sock");
        // What an earlier way of binding removed.
        fs::write(at("admin.new"), "text").unwrap();
        let first = bind_socket(&path).await.unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let refused = bind_socket(&path).await.unwrap_err().to_string();
        assert!(refused.starts_with("another haetae answers on /"), "{refused}");
        assert!(UnixStream::connect(&path).await.is_ok(), "the first is reached as before");
        // As after a kill: the file stays.
        drop(first);
        assert!(path.exists());
        drop(bind_socket(&path).await.unwrap());
        remove_socket(&path).await.unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read_to_string(at("admin.new")).unwrap(), "text");
    }
}
