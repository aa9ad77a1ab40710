//! Sockets that a plugin lends to the daemon, which shuts them down when a call has passed its deadline.

use std::{
    collections::BTreeMap,
    net::{Shutdown, TcpStream},
    os::fd::BorrowedFd,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many one instance may lend at one time; further ones are not guarded.
const MOST: usize = 256;

/// The sockets that one opened instance has lent.
#[derive(Debug, Default)]
pub(super) struct Sockets(Mutex<GuardedSockets>);

#[derive(Debug, Default)]
struct GuardedSockets {
    last: u64,
    /// Copies, so that the number of one that was closed meanwhile is not somebody else's.
    copies: BTreeMap<u64, TcpStream>,
}

impl Sockets {
    /// Keeps a copy; 0: it is not guarded.
    pub(super) fn guard(&self, socket: BorrowedFd<'_>) -> u64 {
        let mut lent = self.locked();
        if lent.copies.len() >= MOST {
            return 0;
        }
        // Whatever kind of socket it is: `shutdown` is the same call for all.
        let Ok(copy) = socket.try_clone_to_owned().map(TcpStream::from) else { return 0 };
        lent.last += 1;
        let name = lent.last;
        lent.copies.insert(name, copy);
        name
    }

    /// Forgets the copy.
    pub(super) fn release(&self, name: u64) {
        self.locked().copies.remove(&name);
    }

    /// Shuts all of them down; whether there was any.
    pub(super) fn shut_down(&self) -> bool {
        let lent = self.locked();
        for socket in lent.copies.values() {
            // One that its peer has closed needs no more.
            drop(socket.shutdown(Shutdown::Both));
        }
        !lent.copies.is_empty()
    }

    fn locked(&self) -> MutexGuard<'_, GuardedSockets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, net::TcpListener, os::fd::AsFd, thread};

    use super::*;

    #[test]
    fn a_read_that_blocks_on_a_lent_socket_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let peer = listener.accept().unwrap();
        let sockets = Sockets::default();
        let name = sockets.guard(socket.as_fd());
        let reading = thread::spawn(move || socket.read(&mut [0; 1]).unwrap());
        assert!(sockets.shut_down());
        assert_eq!(reading.join().unwrap(), 0, "as if its peer had closed it");
        sockets.release(name);
        assert!(!sockets.shut_down());
        drop(peer);
    }
}
