//! Who asks over the admin socket: the journal names the person.

use std::time::Duration;

use nix::unistd::{Uid, User};
use tokio::{net::UnixStream, task::spawn_blocking, time::timeout};

/// How long the system may look a user up: a directory server may be far, or gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// The user at the other end of a connection, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer(Option<u32>);

impl Peer {
    /// Who is at the other end of `stream`.
    pub(super) fn at(stream: &UnixStream) -> Self {
        Self(stream.peer_cred().ok().map(|peer| peer.uid()))
    }

    /// The user's name, as the system knows it from wherever it has its users; where there is none,
    /// or none in time, the number.
    pub(super) async fn name(self) -> String {
        let Some(id) = self.0 else { return "unknown".into() };
        let asked = spawn_blocking(move || User::from_uid(Uid::from_raw(id)));
        match timeout(PATIENCE, asked).await {
            Ok(Ok(Ok(Some(user)))) => user.name,
            _ => format!("uid {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_user_is_named_and_one_without_name_is_a_number() {
        let cases = [(Some(0), "root"), (Some(4_000_000_007), "uid 4000000007"), (None, "unknown")];
        for (id, name) in cases {
            assert_eq!(Peer(id).name().await, name);
        }
    }
}
