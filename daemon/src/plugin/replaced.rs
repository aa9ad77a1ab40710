//! Replaced: a kind of a configured directory stands in for the built-in one of its name.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::image::Image;

/// A built-in kind that another file's stands in for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// The kind.
    pub kind: String,
    /// The file whose kind is used.
    pub file: PathBuf,
    /// The built-in one.
    pub built_in: PathBuf,
}

/// Takes built-in kinds away that a file of another directory exports too; files without any go.
pub(super) fn replace(images: &mut Vec<Image>, built_in: &Path) -> Vec<Replaced> {
    let is_built_in = |image: &Image| image.file.parent() == Some(built_in);
    let others = images.iter().filter(|image| !is_built_in(image));
    let kinds = others.flat_map(|image| {
        image.manifest.kinds.keys().map(|kind| (kind.clone(), image.file.clone()))
    });
    let mut replaced = Vec::new();
    for (kind, file) in kinds.collect::<Vec<_>>() {
        for image in images.iter_mut().filter(|image| is_built_in(image)) {
            if image.manifest.kinds.remove(&kind).is_some() {
                let (kind, file, built_in) = (kind.clone(), file.clone(), image.file.clone());
                replaced.push(Replaced { kind, file, built_in });
            }
        }
    }
    images.retain(|image| !image.manifest.kinds.is_empty());
    replaced
}
