//! A server that says the password back, which nobody is to see.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use haetae::store::{Location, Store};

/// Asks for the password in clear, and refuses it in its own words.
fn refuses(mut stream: TcpStream) -> std::io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let startup = usize::try_from(u32::from_be_bytes(length)).expect("short") - 4;
    stream.read_exact(&mut vec![0; startup])?;
    stream.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let mut password = vec![0; usize::from(head[4]) - 4];
    stream.read_exact(&mut password)?;
    password.pop();
    let said = [b"SFATAL\0C28P01\0Mno: ", &password[..], b"\0\0"].concat();
    let length = u32::try_from(said.len() + 4).expect("short").to_be_bytes();
    stream.write_all(&[b"E", &length[..], &said[..]].concat())
}

#[test]
fn a_password_that_the_server_says_back_is_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Whoever has closed hears nothing.
            drop(refuses(stream));
        }
    });
    let url = format!("postgres://haetae@127.0.0.1:{port}/haetae?sslmode=disable");
    let location = Location::Server { url, password: Some("hunter2-of-the-store".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let opened = runtime.expect("a runtime").block_on(Store::open(location, "owner"));
    let error = opened.expect_err("it is refused").to_string();
    assert!(error.contains("no: ***") && !error.contains("hunter2"), "{error}");
}
