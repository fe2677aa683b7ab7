//! The numbers behind `${_RANDOM}`: small, seeded, the same on every platform.

/// A generator: `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// With the seed of `random_seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Without `random_seed`.
    ///
    /// DIFFERS: keepalived takes the time, so that every reload draws other numbers and restarts what they are used
    /// for. Ours come from the config id: other on every node, the same at every reload.
    pub fn from_config_id(id: &str) -> Self {
        // FNV-1a: a stable hash; the standard library's may change with the compiler.
        Self(id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// A number from `low` to `high`, both included. `low <= high`.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let width = u64::from(high.saturating_sub(low)) + 1;
        let offset = u32::try_from(word % width).unwrap_or(0);
        low.saturating_add(offset)
    }
}
