//! A plugin file as bytes: checked before anything of it runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use haetae_plugin::export::Manifest;
use object::{
    LittleEndian, ReadRef,
    elf::{FileHeader64, PT_LOAD},
    read::elf::{FileHeader, ProgramHeader, SectionHeader},
};
use sha2::{Digest, Sha256};

use super::{refusal::Refusal, trust};

type Elf = FileHeader64<LittleEndian>;

/// The section that `export!` writes.
const SECTION: &[u8] = b".haetae";

/// A plugin file that may be loaded: read once, so that what is checked is what is opened.
#[derive(Clone, Debug)]
pub struct Image {
    /// Where it was found.
    pub file: PathBuf,
    /// Its section `.haetae`.
    pub manifest: Manifest,
    /// Of its bytes, in hex.
    pub sha256: String,
}

impl Image {
    /// Reads and checks `file`; its bytes are returned beside it and need not be kept.
    pub fn read(file: &Path) -> Result<(Self, Vec<u8>), Refusal> {
        let metadata = fs::metadata(file).map_err(|error| Refusal::unreadable(file, &error))?;
        if !metadata.is_file() {
            return Err(Refusal::not_a_file(file));
        }
        trust::check(file, &metadata)?;
        trust::check_way(file)?;
        let bytes = fs::read(file).map_err(|error| Refusal::unreadable(file, &error))?;
        let manifest = manifest(file, &bytes)?;
        if manifest.panic != "unwind" {
            return Err(Refusal::aborts(file));
        }
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok((Self { file: file.into(), manifest, sha256 }, bytes))
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}

/// Checks that every segment lies in the file (one beyond its end would be SIGBUS when touched)
/// and reads the section.
fn manifest(file: &Path, bytes: &[u8]) -> Result<Manifest, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::not_a_library(file, "is empty"));
    }
    let length = bytes.len() as u64;
    if !bytes.starts_with(b"\x7fELF") {
        return Err(Refusal::not_a_library(file, "is not an ELF library"));
    }
    let foreign = |error: object::Error| {
        Refusal::not_a_library(file, format!("is not a library for this machine: {error}"))
    };
    let Ok(header) = bytes.read_at::<Elf>(0) else {
        return Err(Refusal::truncated(file, size_of::<Elf>() as u64, length));
    };
    let header: &Elf = header;
    let endian = header.endian().map_err(foreign)?;
    if !header.is_supported() {
        return Err(Refusal::not_a_library(file, "is not a 64-bit ELF library of version 1"));
    }
    if header.e_machine(endian) != host_machine() {
        return Err(Refusal::not_a_library(file, "was built for another processor"));
    }
    let table = |start: u64, entries: u16, size: u16| {
        start.saturating_add(u64::from(entries) * u64::from(size))
    };
    let mut wanted =
        table(header.e_phoff(endian), header.e_phnum(endian), header.e_phentsize(endian))
            .max(table(header.e_shoff(endian), header.e_shnum(endian), header.e_shentsize(endian)));
    for segment in header.program_headers(endian, bytes).unwrap_or_default() {
        if segment.p_type(endian) == PT_LOAD {
            wanted = wanted.max(segment.p_offset(endian).saturating_add(segment.p_filesz(endian)));
        }
    }
    if wanted > length {
        return Err(Refusal::truncated(file, wanted, length));
    }
    let sections = header.sections(endian, bytes).map_err(foreign)?;
    let Some((_, section)) = sections.section_by_name(endian, SECTION) else {
        return Err(Refusal::no_manifest(file));
    };
    let text = section.data(endian, bytes).map_err(foreign)?;
    Manifest::read(text).map_err(|error| Refusal::bad_manifest(file, &error))
}

const fn host_machine() -> object::elf::Machine {
    if cfg!(target_arch = "aarch64") { object::elf::EM_AARCH64 } else { object::elf::EM_X86_64 }
}
