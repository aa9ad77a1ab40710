//! Secrets: the values behind references, read when asked.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use haetae_plugin::{Error, Reference, Result};

/// Fetches the value. Errors name the reference, never the value.
pub fn resolve(reference: &Reference) -> Result<Vec<u8>> {
    match reference {
        Reference::Env(name) => {
            let value = env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec);
            value.ok_or_else(|| {
                Error::config(format!(
                    "the environment has no `{name}`: set it, or use a credential"
                ))
            })
        }
        Reference::File(path) => read(path),
        Reference::Credential(name) => {
            let Some(directory) = env::var_os("CREDENTIALS_DIRECTORY") else {
                return Err(Error::config(format!(
                    "no credential `{name}`: $CREDENTIALS_DIRECTORY is not set; add LoadCredential={name}:/path to the unit"
                )));
            };
            if name.contains('/') || name.is_empty() || name.starts_with('.') {
                return Err(Error::config(format!("`{name}` is no name of a credential")));
            }
            read(&PathBuf::from(directory).join(name))
        }
    }
}

/// Reads a file; a line end at its end is not part of the value.
fn read(path: &Path) -> Result<Vec<u8>> {
    let value = fs::read(path);
    let mut value =
        value.map_err(|error| Error::config(format!("the secret {}: {error}", path.display())))?;
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    Ok(value)
}
