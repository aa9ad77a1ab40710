//! Who asks over the admin socket: the journal names the person.

use std::fs;

use tokio::net::UnixStream;

/// The user at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer(String);

impl Peer {
    /// The user's name; where there is none, its number.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Who is at the other end of `stream`.
    pub(super) fn at(stream: &UnixStream) -> Self {
        let id = stream.peer_cred().ok().map(|peer| peer.uid());
        Self::of(id, &fs::read_to_string("/etc/passwd").unwrap_or_default())
    }

    fn of(id: Option<u32>, users: &str) -> Self {
        let Some(id) = id else { return Self("unknown".into()) };
        let named = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
        };
        Self(users.lines().find_map(named).unwrap_or_else(|| format!("uid {id}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_and_one_without_name_is_a_number() {
        let users = "root:x:0:0:root:/:/bin/sh\nbroken\nkim:x:1000:1000::/:/bin/sh\n";
        let cases = [(Some(1000), "kim"), (Some(0), "root"), (Some(7), "uid 7"), (None, "unknown")];
        for (id, name) in cases {
            assert_eq!(Peer::of(id, users).name(), name);
        }
    }
}
