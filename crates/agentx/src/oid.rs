//! Names of objects: sequences of numbers.

use std::fmt;

/// Most numbers in a name (RFC 2578 section 3.5).
pub const LONGEST: usize = 128;

/// The name of an object, or of a subtree. Ordered as SNMP orders: number by number, the shorter before the longer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Oid(Vec<u32>);

impl Oid {
    /// The name with these numbers; those over [`LONGEST`] are cut off.
    #[must_use]
    pub fn new(numbers: &[u32]) -> Self {
        Self(numbers[..numbers.len().min(LONGEST)].to_vec())
    }

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.0
    }

    /// The name below this one with these further numbers.
    #[must_use]
    pub fn with(&self, further: &[u32]) -> Self {
        let mut numbers = self.0.clone();
        numbers.extend_from_slice(further);
        numbers.truncate(LONGEST);
        Self(numbers)
    }

    /// The null name, which stands for "none".
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|number| write!(formatter, ".{number}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_number_by_number() {
        let names = [&[1, 3][..], &[1, 3, 0], &[1, 3, 6], &[1, 3, 6, 1], &[1, 3, 10], &[2]];
        assert!(names.map(Oid::new).is_sorted());
        assert_eq!(Oid::new(&[1, 3, 6]).to_string(), ".1.3.6");
    }

    #[test]
    fn a_name_never_grows_longer_than_snmp_allows() {
        let long = Oid::new(&[7; 200]);
        assert_eq!(long.numbers().len(), LONGEST);
        assert_eq!(long.with(&[1]), long);
    }
}
