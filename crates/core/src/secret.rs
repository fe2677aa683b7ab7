//! What must not be seen: passwords and keys. They are never printed, are compared in a time that tells nothing, and are
//! overwritten when they are no longer needed.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

/// The password of `authentication`, padded with zeros to 8 bytes.
#[derive(Clone, Serialize, Deserialize)]
pub struct Password([u8; 8]);

/// A key of any length.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Secret(Vec<u8>);

impl Password {
    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl From<[u8; 8]> for Password {
    fn from(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl Secret {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// Whether two lists of bytes are equal, in a time that does not tell how much of them is. Their lengths are no secret.
#[must_use]
pub fn equal(ours: &[u8], theirs: &[u8]) -> bool {
    let difference = ours.iter().zip(theirs).fold(0, |seen, (a, b)| seen | (a ^ b));
    ours.len() == theirs.len() && core::hint::black_box(difference) == 0
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }
}

impl Eq for Password {}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("****")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "none" } else { "****" })
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn secrets_are_equal_only_if_every_byte_is() {
        let password = *b"secret\0\0";
        assert!(equal(&password, &password));
        for byte in 0..8 {
            let mut other = password;
            other[byte] ^= 1;
            assert!(!equal(&password, &other), "byte {byte}");
            assert_ne!(Password::from(password), Password::from(other));
        }
        assert!(!equal(b"secret", b"secre"));
        assert_eq!(Secret::from(b"key".to_vec()), Secret::from(b"key".to_vec()));
        assert_ne!(Secret::from(b"key".to_vec()), Secret::from(b"keys".to_vec()));
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Password::from(*b"sesame\0\0")), "****");
        assert_eq!(format!("{:?}", Secret::from(b"sesame".to_vec())), "****");
        assert_eq!(format!("{:?}", Secret::default()), "none");
    }
}
