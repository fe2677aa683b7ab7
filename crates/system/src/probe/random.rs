//! Numbers that somebody outside cannot guess: of questions, pings and payloads.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of such numbers: SipHash of a counter under a random key. Good against strangers who would like to answer in
/// a server's place; not meant for secrets.
#[derive(Debug, Default)]
pub(super) struct Random {
    key: RandomState,
    counter: AtomicU64,
}

impl Random {
    pub(super) fn number(&self) -> u64 {
        self.key.hash_one(self.counter.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.number().to_ne_bytes()[..part.len()]);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ() {
        let random = Random::default();
        assert_ne!(random.number(), random.number());
        assert_ne!(random.bytes::<13>(), random.bytes::<13>());
    }
}
