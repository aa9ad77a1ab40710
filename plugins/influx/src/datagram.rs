//! Lines by UDP: nobody answers, and nobody says what was lost.

use std::{io, net::UdpSocket, ops::Range};

use haetae_plugin::{Call, Error, Result, Verdict};

use crate::{lines::Lines, options::Options, verdicts::Verdicts};

/// Sends lines to an InfluxDB's UDP listener.
pub(crate) struct Datagrams {
    target: String,
    /// Bytes of one at most, unless a single line is longer.
    size: usize,
    socket: Option<UdpSocket>,
}

/// Bytes of the largest datagram that there is, by IPv4.
const LARGEST: usize = 65_507;

impl Datagrams {
    /// Checks the options; resolves the name with the first batch, and again after a fault.
    pub(crate) fn open(target: &str, options: &Options) -> Result<Self> {
        let port = target.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
        let Some((host, Ok(port))) = port else {
            return Err(Error::config("udp: host and port, such as `127.0.0.1:8089`"));
        };
        if host.is_empty() || port == 0 {
            return Err(Error::config("udp: host and port, such as `127.0.0.1:8089`"));
        }
        Ok(Self { target: target.into(), size: options.datagram.clamp(64, LARGEST), socket: None })
    }

    /// Sends all lines. That one was sent is all that is known of it.
    pub(crate) fn send(&mut self, lines: &Lines, verdicts: &mut Verdicts, call: Call) {
        let mut sent = 0;
        while sent < lines.len() {
            let datagram = self.next(lines, sent);
            let bytes = lines.bytes(&datagram);
            let fault = if bytes.len() > LARGEST {
                for item in lines.items(datagram.clone()) {
                    verdicts.reject(item, "a line that is longer than a datagram can be");
                }
                None
            } else if call.remaining().is_zero() {
                Some("no time was left to send it".into())
            } else {
                self.send_one(bytes).err().map(|error| error.to_string())
            };
            if let Some(reason) = fault {
                self.socket = None;
                let reason = format!("udp = \"{}\": {reason}", self.target);
                let verdict = Verdict::Retry { reason, after: None };
                return verdicts.stop(lines.items(sent..lines.len()), verdict);
            }
            sent = datagram.end;
        }
    }

    /// As many of the lines from `start` on as go into one datagram, one at least.
    fn next(&self, lines: &Lines, start: usize) -> Range<usize> {
        let fits = |end: &usize| lines.bytes(&(start..*end)).len() <= self.size;
        let end = (start + 2..=lines.len()).take_while(fits).last().unwrap_or(start + 1);
        start..end
    }

    fn send_one(&mut self, bytes: &[u8]) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => connected(&self.target)?,
        };
        // An error may be about the datagram before: then nobody listens there.
        socket.send(bytes)?;
        self.socket = Some(socket);
        Ok(())
    }
}

fn connected(target: &str) -> io::Result<UdpSocket> {
    let local = |v6: bool| if v6 { "[::]:0" } else { "0.0.0.0:0" };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in std::net::ToSocketAddrs::to_socket_addrs(target)? {
        let socket = UdpSocket::bind(local(address.is_ipv6()));
        match socket.and_then(|socket| socket.connect(address).map(|()| socket)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
