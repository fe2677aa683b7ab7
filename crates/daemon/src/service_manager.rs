//! What the service manager is told (`sd_notify`), if there is one.
//!
//! A failure to tell it is never worth more than a debug line: the daemon's work does not depend on it.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service manager at the other end of `NOTIFY_SOCKET`.
#[derive(Debug)]
pub struct ServiceManager {
    watchdog: Option<Watchdog>,
    /// The status line last told, so that an unchanged one is not told again.
    status: String,
}

#[derive(Debug)]
struct Watchdog {
    period: Duration,
    due: Instant,
}

impl ServiceManager {
    /// Whoever started us, and how often it wants a sign of life.
    #[must_use]
    pub fn from_environment(now: Instant) -> Self {
        // Twice per timeout, as sd_watchdog_enabled(3) advises.
        let watchdog = sd_notify::watchdog_enabled().map(|limit| Watchdog { period: limit / 2, due: now });
        Self { watchdog, status: String::new() }
    }

    /// Everything works, for the first time or after a reload.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// A reload begins.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// The end begins.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// The one line `systemctl status` shows.
    pub fn status(&mut self, line: String) {
        if line != self.status {
            tell(&[NotifyState::Status(&line)]);
            self.status = line;
        }
    }

    /// Gives the sign of life if it is due.
    pub fn tick(&mut self, now: Instant) {
        if let Some(watchdog) = &mut self.watchdog
            && now >= watchdog.due
        {
            tell(&[NotifyState::Watchdog]);
            watchdog.due = now + watchdog.period;
        }
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.watchdog.as_ref().map(|watchdog| watchdog.due)
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the service manager could not be told: {error}");
    }
}
