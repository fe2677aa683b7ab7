//! Chance: a generator that the caller seeds, so that a run can be repeated exactly.

use core::num::NonZeroU32;

/// SplitMix64: enough to spread packets over time, and to tell sessions of different lives and nodes apart.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence that another seed does not have.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `most`, all alike.
    pub fn up_to(&mut self, most: u32) -> u32 {
        // The upper half of the product: 32 bits of chance times the range. The bias is below 2^-32 of the range.
        let range = u64::from(most) + 1;
        (((self.next() >> 32) * range) >> 32) as u32
    }

    /// A number that is not zero.
    pub fn non_zero(&mut self) -> NonZeroU32 {
        loop {
            if let Some(number) = NonZeroU32::new((self.next() >> 32) as u32) {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let mut random = Random::new(7);
        let mut seen = [0u32; 4];
        for _ in 0..4_000 {
            seen[random.up_to(3) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!(random.up_to(0), 0);
        let _ = random.up_to(u32::MAX);
    }

    #[test]
    fn a_seed_repeats_its_sequence_and_another_does_not() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.non_zero(), random.non_zero(), random.non_zero()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
