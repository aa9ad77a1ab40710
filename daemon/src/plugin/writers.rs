//! Writers: who else than its owner may write a file or a folder.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Who else may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Everybody.
    All,
    /// The members of a group, by its number.
    Group(u32),
}

impl Writers {
    /// Who else than its owner and root may write it.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let (mode, group) = (metadata.mode(), metadata.gid());
        if mode & 0o002 != 0 {
            return Some(Self::All);
        }
        let shared = || !is_private(group, rustix::process::geteuid().as_raw());
        (mode & 0o020 != 0 && group != 0 && shared()).then_some(Self::Group(group))
    }

    /// Who they are, for a person.
    pub fn name(self) -> String {
        match self {
            Self::All => "all users".into(),
            Self::Group(group) => format!("the group {group}"),
        }
    }

    /// How it is taken from them.
    pub fn cure(self, path: &Path) -> String {
        let mode = if self == Self::All { "go-w" } else { "g-w" };
        format!("chmod {mode} {}", path.display())
    }
}

/// Whether the group is the user's alone, as most systems make one for each user: what a developer
/// builds may be writable by it.
fn is_private(group: u32, user: u32) -> bool {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let mut fields = groups.lines().map(|line| line.split(':'));
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()) == Some(group);
    let members = fields.find_map(|mut line| number(line.nth(2)).then(|| line.next()));
    group == user && members.flatten().is_none_or(str::is_empty)
}
