//! What makes a heartbeat believable: HMAC-SHA-256 (RFC 2104) over all of it, cut to 16 bytes.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of a tag.
pub const TAG: usize = 16;

/// The key all nodes share, ready to compute tags.
///
/// Without a key (`@mainstay heartbeat_key` absent) the tag is computed with an empty one: it then finds damage, not
/// forgery, and only datagrams of the link itself (hop limit 255) are believed.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// A key of any length.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(secret);
        Self(mac.expect("HMAC takes a key of any length (RFC 2104 section 2)"))
    }

    /// The tag of some bytes.
    #[must_use]
    pub fn tag(&self, bytes: &[u8]) -> [u8; TAG] {
        let mut mac = self.0.clone();
        mac.update(bytes);
        let full = mac.finalize().into_bytes();
        let mut tag = [0; TAG];
        tag.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        tag
    }

    /// Whether a tag is that of these bytes, in a time that does not tell how much of it is.
    #[must_use]
    pub fn verify(&self, bytes: &[u8], tag: &[u8; TAG]) -> bool {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.verify_truncated_left(tag).is_ok()
    }
}

impl Default for Key {
    /// The empty key.
    fn default() -> Self {
        Self::new(&[])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_of_rfc_4231() {
        // Test case 2; test case 5 is one cut to 16 bytes.
        let tag = Key::new(b"Jefe").tag(b"what do ya want for nothing?");
        assert_eq!(tag[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        let tag = Key::new(&[0x0c; 20]).tag(b"Test With Truncation");
        assert_eq!(tag, 0xa3b6_1674_7310_0ee0_6e0c_796c_2955_552b_u128.to_be_bytes());
    }

    #[test]
    fn a_tag_of_another_key_or_of_other_bytes_is_not_believed() {
        let key = Key::new(b"secret");
        let tag = key.tag(b"alive");
        assert!(key.verify(b"alive", &tag));
        assert!(!key.verify(b"alivf", &tag));
        assert!(!Key::new(b"secreu").verify(b"alive", &tag));
        assert!(!Key::default().verify(b"alive", &tag));
    }
}
