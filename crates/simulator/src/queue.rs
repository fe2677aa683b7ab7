//! What is going to happen, in order: a sorted list of small keys, the next one last, and the events beside it. Of most
//! events some ten or twenty wait, and what is put in mostly happens before nearly all of them: then it is put at the end
//! of the list, or close to it, which no heap does as fast. The keys are what moves about, millions of times a second; the
//! events are six times their size and stay where they are.

use crate::moment::Moment;

/// Bits of a key that say where its event is.
const PLACE: u32 = 24;

/// Things in the order of their time; at one time, in the order they were put in.
#[derive(Debug)]
pub struct Queue<T> {
    /// Descending; time, then order, then place.
    keys: Vec<u128>,
    things: Vec<Option<T>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<T> Queue<T> {
    /// Nothing is going to happen.
    #[must_use]
    pub const fn new() -> Self {
        Self { keys: Vec::new(), things: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    /// Something happens at a moment, after everything that is in the queue for that moment.
    pub fn push(&mut self, at: Moment, thing: T) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.things.push(None);
            self.things.len() as u32 - 1
        });
        debug_assert!(place < 1 << PLACE, "sixteen million things at once");
        self.things[place as usize] = Some(thing);
        self.sequence += 1;
        let key = u128::from(at.0) << 64 | u128::from(self.sequence << PLACE | u64::from(place));
        let is_next = self.keys.last().is_none_or(|next| key < *next);
        if is_next {
            self.keys.push(key);
        } else {
            let at = self.keys.partition_point(|known| *known > key);
            self.keys.insert(at, key);
        }
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        self.keys.last().map(|key| Moment((key >> 64) as u64))
    }

    /// The next thing, if it happens no later than `end`.
    pub fn pop_until(&mut self, end: Moment) -> Option<(Moment, T)> {
        let at = self.next().filter(|at| *at <= end)?;
        let key = self.keys.pop()?;
        let place = key as u32 & ((1 << PLACE) - 1);
        self.free.push(place);
        self.things[place as usize].take().map(|thing| (at, thing))
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_out_by_time_and_at_one_time_in_the_order_they_went_in() {
        let mut queue = Queue::new();
        for (at, thing) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b')] {
            queue.push(Moment(at), thing);
        }
        let mut until = |end| std::iter::from_fn(|| queue.pop_until(Moment(end))).collect::<Vec<_>>();
        assert_eq!(until(4), [(Moment(3), 'a'), (Moment(3), 'b')]);
        assert_eq!(until(5), [(Moment(5), 'c'), (Moment(5), 'd')]);
        queue.push(Moment(9), 'e');
        queue.push(Moment(7), 'f');
        assert_eq!(queue.pop_until(Moment(9)), Some((Moment(7), 'f')), "places are used again");
    }
}
