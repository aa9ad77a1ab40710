//! What only one daemon can have: the state directory, addresses, a name on the store.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use tokio::net::TcpListener;
use ulid::Ulid;

use super::{
    StartError,
    serving::{Listener, Listeners},
};
use crate::{
    config::{self, Daemon, Plan},
    http,
    plugin::writers::Writers,
    store::Location,
};

/// What only one daemon can have.
pub(super) struct Bound {
    pub(super) lock: File,
    pub(super) address: std::net::SocketAddr,
    pub(super) listeners: Listeners,
}

/// Takes the state directory and the sockets, or says which of them can't be had.
pub(super) async fn bind(plan: &Plan, socket: Option<PathBuf>) -> Result<Bound, StartError> {
    let lock = lock(&plan.daemon.state)?;
    let listen = |source| StartError::Listen { address: plan.http.listen.to_string(), source };
    let tcp = TcpListener::bind(plan.http.listen).await.map_err(listen)?;
    let address = tcp.local_addr().map_err(listen)?;
    let usual = plan.daemon.state.join("admin.sock");
    let socket = socket.unwrap_or_else(|| usual.clone());
    let refused = |path: &Path| {
        let path = path.to_path_buf();
        |source| StartError::Socket { path, source }
    };
    // A link of an earlier run whose socket was elsewhere.
    unlink(&usual).map_err(refused(&usual))?;
    let unix = http::bind_socket(&socket).await.map_err(refused(&socket))?;
    if let Some(group) = &plan.daemon.socket_group {
        http::open_to_group(group, &socket, &plan.daemon.state).map_err(refused(&socket))?;
    }
    link(&socket, &usual).await.map_err(refused(&usual))?;
    let unix = unix.into_std().map_err(refused(&socket))?;
    let tcp = Listener::Tcp(tcp.into_std().map_err(listen)?);
    let listeners = Listeners { tcp, admin: Listener::Admin(unix), socket };
    Ok(Bound { lock, address, listeners })
}

/// A socket that is elsewhere is found by the state directory: whoever asks knows the configuration,
/// and nothing of the directory that systemd made.
async fn link(socket: &Path, usual: &Path) -> io::Result<()> {
    let socket = fs::canonicalize(socket)?;
    if fs::canonicalize(usual).is_ok_and(|found| found == socket) {
        return Ok(());
    }
    http::remove_socket(usual).await?;
    std::os::unix::fs::symlink(socket, usual)
}

/// Removes what is there if it is a link.
fn unlink(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// The file that says whose the state directory is.
pub(super) fn lock_of(state: &Path) -> PathBuf {
    state.join("lock")
}

/// Takes the state directory for this process.
fn lock(state: &Path) -> Result<File, StartError> {
    let unusable = |source| StartError::State { path: state.into(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(unusable)?;
    if let Some(writers) = Writers::of(&fs::metadata(state).map_err(unusable)?) {
        let (path, cure) = (state.into(), writers.cure(state));
        return Err(StartError::Open { path, writers: writers.name(), cure });
    }
    let lock = File::create(lock_of(state)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(StartError::Taken(state.into())),
        Err(fs::TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Where the store of a daemon is; its password is read.
pub fn location(daemon: &Daemon) -> Result<Location, StartError> {
    let Some(server) = &daemon.store else {
        let state = &daemon.state;
        let state = std::path::absolute(state)
            .map_err(|source| StartError::State { path: state.clone(), source })?;
        return Ok(Location::File(state.join("haetae.db")));
    };
    let refused = |error: &dyn std::fmt::Display| StartError::Password(error.to_string());
    let password = match &server.password {
        None => None,
        Some(secret) => {
            let value =
                config::secret::resolve(secret.reference()).map_err(|error| refused(&error))?;
            Some(String::from_utf8(value).map_err(|_| refused(&"it is not UTF-8 text"))?)
        }
    };
    Ok(Location::Server { url: server.url.clone(), password })
}

/// The name of this daemon on its store: made once, kept in the state directory.
pub(super) fn owner(state: &Path) -> Result<String, StartError> {
    let path = state.join("node");
    let unusable = |source| StartError::State { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(name) if name.trim().parse::<Ulid>().is_ok() => return Ok(name.trim().into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
        _ => {}
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| unusable(io::Error::other(error.to_string())))?;
    let name = Ulid::from_bytes(random).to_string();
    let beside = path.with_extension("new");
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(name.as_bytes())?;
        // Under another name what this daemon holds would wait for its leases to end.
        file.sync_all()?;
        fs::rename(&beside, &path)
    })();
    written.map_err(unusable)?;
    Ok(name)
}
