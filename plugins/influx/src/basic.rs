//! The header `Authorization: Basic`.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The header's value for a user (RFC 7617).
pub(crate) fn credentials(username: &str, password: &[u8]) -> Vec<u8> {
    let plain = [username.as_bytes(), b":", password].concat();
    format!("Basic {}", STANDARD.encode(plain)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_base64_of_user_and_password() {
        // `printf %s a: | base64` and so on.
        for (username, password, expected) in [
            ("a", "", "Basic YTo="),
            ("", "", "Basic Og=="),
            ("ab", "", "Basic YWI6"),
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("é", "ÿ~", "Basic w6k6w79+"),
        ] {
            assert_eq!(credentials(username, password.as_bytes()), expected.as_bytes());
        }
    }
}
