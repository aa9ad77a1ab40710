//! Options, as far as they can be wrong without a server.

use haetae_plugin::Sink;
use serde_json::{Value, json};

use super::{options, refusal, script};
use crate::{
    EmailSink,
    address::Recipient,
    options::Starttls,
    server::{Encryption, Server},
};

const SERVER: &str = "smtp://mail.example.org";

#[test]
fn a_server_is_a_scheme_a_host_and_perhaps_a_port() {
    let starttls = Encryption::Starttls(Starttls::Offered);
    for (text, host, port, encryption) in [
        ("smtp://mail.example.org", "mail.example.org", 587, starttls),
        ("smtp://mail:25", "mail", 25, starttls),
        ("smtps://mail.example.org", "mail.example.org", 465, Encryption::Implicit),
        ("smtps://[::1]:4650", "::1", 4650, Encryption::Implicit),
        ("smtp://[fe80::1]", "fe80::1", 587, starttls),
    ] {
        let expected = Server { host: host.into(), port, encryption };
        assert_eq!(Server::new(text, Starttls::Offered).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_wrong_option_is_named() {
    let wrong: &[(&str, Value, &str)] = &[
        ("mail.example.org", json!({}), "write smtp://host[:port] or smtps://"),
        ("http://mail.example.org", json!({}), "write smtp://host[:port] or smtps://"),
        ("smtp://", json!({}), "there is no host name in it"),
        ("smtp://a b", json!({}), "there is no host name in it"),
        ("smtp://mail:port", json!({}), "the port is a number"),
        ("smtp://mail:99999", json!({}), "the port is a number"),
        ("smtp://[::1", json!({}), "server = \"smtp://[::1\""),
        ("smtp://u:p@mail", json!({}), "credentials belong into username and password"),
        ("smtps://mail", json!({"starttls": "never"}), "leave out starttls"),
        (SERVER, json!({"from": "haetae"}), "from = \"haetae\": no mail address"),
        (SERVER, json!({"to": ["a@b.example", "b@"]}), "to = \"b@\": no mail address"),
        (SERVER, json!({"to": ["a@b.example, c@d.example"]}), "no mail address"),
        (SERVER, json!({"to": ["a@b.example\r\nRCPT TO:<c@d.example>"]}), "a control character"),
        (SERVER, json!({"from": "한글@b.example"}), "only ASCII"),
        (SERVER, json!({"to": ["a@한글.example"]}), "write its domain as xn--"),
        (SERVER, json!({"to": ["\"a>b\"@c.example"]}), "no mail address"),
        (SERVER, json!({"to": [format!("{} <a@b.example>", "x".repeat(500))]}), "too long"),
        (SERVER, json!({"to": []}), "to: nobody"),
        (SERVER, json!({"timeout": "0s"}), "timeout: "),
        (SERVER, json!({"hello": "a b"}), "hello = \"a b\""),
        (SERVER, json!({"username": "u"}), "username: there is no password"),
        (SERVER, json!({"password": {"env": "PASSWORD"}}), "password: there is no username"),
        (SERVER, json!({"username": "u", "password": {"env": "NONE"}}), "no secret `NONE`"),
        (
            SERVER,
            json!({"tls": {"ca": "/nowhere/ca.pem"}}),
            "tls.ca = \"/nowhere/ca.pem\": No such",
        ),
        (SERVER, json!({"tls": {"ca": "/proc/self/cmdline"}}), "there is no certificate in it"),
    ];
    for (server, others, expected) in wrong {
        let told = refusal(server, others);
        assert!(told.contains(expected), "{server} {others}: {told}");
        assert!(!told.contains('\n'), "{told}");
    }
}

#[test]
fn an_address_may_have_a_name_and_need_not_have_a_dot() {
    for (written, address) in [
        ("a@localhost", "a@localhost"),
        ("kim+alarm@example.kr", "kim+alarm@example.kr"),
        ("김철수 <kim@example.kr>", "kim@example.kr"),
        ("\"Ops, at night\" <ops@xn--bj0bj06e.example>", "ops@xn--bj0bj06e.example"),
    ] {
        let recipient = Recipient::new(written);
        assert_eq!(recipient.mailbox.expect(written).email.to_string(), address);
        assert_eq!(recipient.written, written);
    }
}

#[test]
fn opening_needs_no_server() {
    // Nothing listens at port 1, and the name leads nowhere.
    for server in ["smtp://127.0.0.1:1", "smtps://mail.invalid"] {
        assert!(EmailSink::open(options(server, &json!({})), script().context()).is_ok());
    }
}
