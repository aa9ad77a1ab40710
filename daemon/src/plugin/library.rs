//! Libraries: the bytes of a file that was checked are copied, opened, and never unloaded.
#![expect(unsafe_code, reason = "dlopen and the root symbol; see each SAFETY")]

use std::{
    fs::{self, DirBuilder, File},
    io::Write,
    os::{
        fd::{AsRawFd, IntoRawFd},
        unix::fs::DirBuilderExt,
    },
    path::{Path, PathBuf},
};

use haetae_plugin::{
    abi::{Library, ROOT_SYMBOL},
    export::Description,
};
use libloading::os::unix::{Library as Linked, RTLD_LOCAL, RTLD_NOW};
use rustix::fs::{MemfdFlags, SealFlags, StatVfsMountFlags};

use super::{image::Image, refusal::Refusal, writers::Writers};

/// Where the bytes that are opened lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// `<state>/plugins/<sha256>.so`: debuggers see a file, its pages can be reclaimed.
    Directory(PathBuf),
    /// A sealed memory file: nothing is written to disk.
    Memory,
}

/// A library that is open in this process.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) library: Library,
    pub(super) description: Description,
}

/// Opens the bytes that were checked, not the file, which may be replaced at any time.
pub(super) fn open(image: &Image, bytes: &[u8], storage: &Storage) -> Result<Loaded, Refusal> {
    let unreadable = |error: std::io::Error| Refusal::unreadable(&image.file, &error);
    let path = match storage {
        Storage::Directory(directory) if executable(directory) => {
            copied(directory, &image.sha256, bytes).map_err(unreadable)?
        }
        _ => sealed(&image.manifest.plugin, bytes).map_err(unreadable)?,
    };
    // SAFETY: constructors of the library run here; it is trusted (`trust`) and complete (`Image`).
    let linked = unsafe { Linked::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
    let linked = linked.map_err(|error| Refusal::unlinkable(&image.file, error))?;
    // SAFETY: only the symbol's address is used, and `Library::load` checks what stands there.
    let symbol = unsafe { linked.get::<*const ()>(ROOT_SYMBOL) };
    let symbol = symbol
        .map(|symbol| symbol.into_raw().cast_const())
        .map_err(|error| Refusal::unlinkable(&image.file, error))?;
    // Never unloaded: code of it may run, or be named, until the process ends.
    std::mem::forget(linked);
    // SAFETY: the address of that symbol, in a library that was just made to stay.
    let library = unsafe { Library::load(symbol) };
    let library = library.map_err(|error| Refusal::misfit(&image.file, &image.manifest, &error))?;
    let description = serde_json::from_str(&library.describe()).map_err(|error| {
        Refusal::bad_description(&image.file, format!("its description does not read: {error}"))
    })?;
    Ok(Loaded { library, description })
}

/// Whether libraries can be mapped from there, and nobody else can put one there.
fn executable(directory: &Path) -> bool {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    let is_private = || fs::metadata(directory).is_ok_and(|found| Writers::of(&found).is_none());
    made.is_ok()
        && is_private()
        && rustix::fs::statvfs(directory)
            .is_ok_and(|mount| !mount.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Writes `<sha256>.so` beside and renames it, so that a file of that name is whole.
fn copied(directory: &Path, sha256: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let path = directory.join(format!("{sha256}.so"));
    if fs::read(&path).is_ok_and(|known| known == bytes) {
        return Ok(path);
    }
    let beside = directory.join(format!(".{sha256}.{}", std::process::id()));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)?;
    fs::rename(&beside, &path)?;
    Ok(path)
}

/// A sealed memory file that stays open for the life of the process: if it were closed, the next
/// one would get its number, and glibc would take the same path for the same library.
fn sealed(name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create(name, flags)?);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let _stays_open = file.into_raw_fd();
    Ok(path)
}
