//! How a connection is closed.
//!
//! Whoever closes first keeps the connection in `TIME_WAIT` for a minute. A TCP check closes first, so with ten thousand
//! checks a second the kernel would soon hold more of these than it allows (`net.ipv4.tcp_max_tw_buckets`). A reset
//! leaves nothing behind, but it shows in the logs of some servers.
//!
//! So connections are closed politely, as keepalived closes them, up to a number a minute; beyond that by a reset.

use std::sync::{Mutex, PoisonError};

use mainstay_core::time::Duration;
use tokio::time::Instant;

/// How many connections a minute may be left in `TIME_WAIT`; each is a quarter of a kilobyte in the kernel.
const POLITE: u32 = 5_000;
/// How long the kernel keeps one (`TCP_TIMEWAIT_LEN`).
const MINUTE: Duration = Duration::from_secs(60);

/// Counts the polite ones.
#[derive(Debug)]
pub(super) struct Manners(Mutex<Window>);

#[derive(Debug)]
struct Window {
    begun: Instant,
    polite: u32,
}

impl Manners {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Window { begun: Instant::now(), polite: 0 }))
    }

    /// Whether the next connection may be closed politely.
    pub(super) fn may_linger(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).may_linger(Instant::now())
    }
}

impl Window {
    fn may_linger(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.begun) >= MINUTE {
            *self = Self { begun: now, polite: 0 };
        }
        self.polite = self.polite.saturating_add(1);
        self.polite <= POLITE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute_are_closed_politely() {
        let begun = Instant::now();
        let mut window = Window { begun, polite: 0 };
        let mut polite = |at| (0..POLITE * 2).filter(|_| window.may_linger(at)).count();
        assert_eq!(polite(begun), POLITE as usize);
        assert_eq!(polite(begun + MINUTE / 2), 0);
        assert_eq!(polite(begun + MINUTE), POLITE as usize);
    }
}
