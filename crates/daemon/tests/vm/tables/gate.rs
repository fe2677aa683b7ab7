//! Who may use the processors now. Most of a comparison is waiting for checks, which many can do at a time; but where
//! many daemons start at a time, each is as slow as all of them together, and checks fail before a table was seen.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Lets few in at a time, and those who end something before those who begin something: what runs costs as well.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Places that are free.
    free: usize,
    /// How many wait to end something.
    ending: usize,
}

/// The right to be busy, until it is dropped.
#[derive(Debug)]
pub struct Place<'g> {
    gate: &'g Gate,
}

impl Gate {
    pub fn new(places: usize) -> Self {
        Self { state: Mutex::new(State { free: places, ending: 0 }), changed: Condvar::new() }
    }

    /// Waits for a place to begin something.
    pub fn begin(&self) -> Place<'_> {
        let waiting = self.changed.wait_while(self.state(), |state| state.free == 0 || state.ending > 0);
        waiting.unwrap_or_else(PoisonError::into_inner).free -= 1;
        Place { gate: self }
    }

    /// Waits for a place to end something.
    pub fn end(&self) -> Place<'_> {
        self.state().ending += 1;
        let waiting = self.changed.wait_while(self.state(), |state| state.free == 0);
        let mut state = waiting.unwrap_or_else(PoisonError::into_inner);
        state.free -= 1;
        state.ending -= 1;
        Place { gate: self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.state().free += 1;
        // Whoever may go on is among all who wait.
        self.gate.changed.notify_all();
    }
}
