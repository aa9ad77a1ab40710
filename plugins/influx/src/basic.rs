//! The header `Authorization: Basic`.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The header's value for a user (RFC 7617).
pub(crate) fn credentials(username: &str, password: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(username.len() + 1 + password.len());
    plain.extend_from_slice(username.as_bytes());
    plain.push(b':');
    plain.extend_from_slice(password);
    let mut value = b"Basic ".to_vec();
    for three in plain.chunks(3) {
        let byte = |at: usize| three.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = (bits >> (18 - 6 * at)) & 63;
            let digit = usize::try_from(digit).ok().and_then(|digit| DIGITS.get(digit));
            value.push(if at <= three.len() { digit.copied().unwrap_or(b'=') } else { b'=' });
        }
    }
    value
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
