//! What a bad peer says in each protocol.

use crate::{daemon::SECRET, servers::faulty_proxy::Words};

/// A server of HTTP.
pub const HTTP: Words = Words {
    flood: (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"results\":[", b"{},"),
    echo: |said| {
        let said = String::from_utf8_lossy(said);
        let head = said.split_once("\r\n\r\n")?.0;
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let given = { lines }.find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?.1;
        let body = format!("{{\"error\":\"no user has {given}, that is {SECRET}\"}}");
        let length = body.len();
        let head = "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json";
        Some(format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
    },
    greets: false,
};

/// A mail server.
pub const SMTP: Words = Words {
    flood: (b"220-", b"this is the longest greeting of all\r\n220-"),
    echo: |said| {
        let said = String::from_utf8_lossy(said);
        let given = said.split_once("AUTH PLAIN ")?.1.split_once("\r\n")?.0;
        Some(format!("535 5.7.8 nobody has {given}, that is {SECRET}\r\n").into_bytes())
    },
    greets: true,
};

/// PostgreSQL.
pub const POSTGRESQL: Words = Words {
    // Parameters without an end: `S`, the length, a name and a value.
    flood: (b"S\0\0\0\x0aabc\0d\0", b"S\0\0\0\x0aabc\0d\0"),
    echo: |said| {
        let user = b"user\0";
        said.windows(user.len()).any(|window| window == user).then(|| {
            let mut fields = b"SFATAL\0VFATAL\0C28P01\0".to_vec();
            fields.extend(format!("Mnobody has the password {SECRET}\0\0").into_bytes());
            let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
            [&b"E"[..], &length.to_be_bytes(), &fields].concat()
        })
    },
    greets: false,
};
