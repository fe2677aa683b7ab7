//! Entries that are to be looked at, each at its moment, and the earliest of these moments.
//!
//! The earliest moment of everything is asked for after every step, and most steps change no entry: so it is kept. All
//! changes go through [`Agenda::change`], which finds it anew.

use alloc::collections::BTreeMap;
use core::ops::Deref;

use crate::time::Instant;

/// An entry of an [`Agenda`].
pub trait Dated {
    /// When it is to be looked at.
    fn due(&self) -> Instant;
}

/// Entries by key. It reads like a map.
#[derive(Debug, Clone)]
pub struct Agenda<K, V> {
    entries: BTreeMap<K, V>,
    next: Option<Instant>,
}

impl<K: Ord, V: Dated> Agenda<K, V> {
    /// The earliest moment at which an entry is due.
    pub fn next(&self) -> Option<Instant> {
        debug_assert_eq!(self.next, self.earliest(), "an entry was changed behind our back");
        self.next
    }

    /// Whether an entry is due at `now`.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next().is_some_and(|next| next <= now)
    }

    /// Changes entries.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut BTreeMap<K, V>) -> T) -> T {
        let outcome = change(&mut self.entries);
        self.next = self.earliest();
        outcome
    }

    fn earliest(&self) -> Option<Instant> {
        self.entries.values().map(V::due).min()
    }
}

impl<K, V> Default for Agenda<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), next: None }
    }
}

impl<K, V> Deref for Agenda<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Dated for Instant {
        fn due(&self) -> Instant {
            *self
        }
    }

    #[test]
    fn the_earliest_moment_follows_every_change() {
        let at = Instant::from_nanos;
        let mut agenda = Agenda::default();
        assert_eq!(agenda.next(), None);
        agenda.change(|entries| entries.extend([('a', at(5)), ('b', at(3))]));
        assert_eq!(agenda.next(), Some(at(3)));
        assert!(agenda.is_due(at(3)) && !agenda.is_due(at(2)));
        agenda.change(|entries| entries.insert('b', at(9)));
        assert_eq!(agenda.next(), Some(at(5)));
        agenda.change(BTreeMap::clear);
        assert_eq!(agenda.next(), None);
    }
}
