//! The time of a show: short steps, whole seconds to be shown, and Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::client;

/// How often the stage is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// Counts from when it was made.
#[derive(Debug, Clone)]
pub struct Pace {
    start: Instant,
    seconds_shown: u64,
    interrupted: Arc<AtomicBool>,
}

/// Whole seconds that have passed: normally one, more if the machine was busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Seconds since the beginning.
    pub at: u64,
    /// The beginning of what has passed.
    pub since: Instant,
    /// Questions the client could have asked in this time.
    pub most: usize,
}

impl Pace {
    /// Begins. The flag goes up when everything is to end: [`notice_interrupts`].
    #[must_use]
    pub fn begin(interrupted: Arc<AtomicBool>) -> Self {
        Self { start: Instant::now(), seconds_shown: 0, interrupted }
    }

    /// Time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Sleeps a little. Gives the second that has ended, if one has.
    ///
    /// # Errors
    /// Fails at Ctrl-C.
    pub fn step(&mut self) -> Result<Option<Passed>> {
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        thread::sleep(GLANCE);
        let at = self.now().as_secs();
        let count = at - self.seconds_shown;
        if count == 0 {
            return Ok(None);
        }
        let since = self.start + Duration::from_secs(self.seconds_shown);
        self.seconds_shown = at;
        let questions = Duration::from_secs(count).as_millis() / client::PERIOD.as_millis();
        Ok(Some(Passed { at, since, most: usize::try_from(questions).unwrap_or(usize::MAX) }))
    }

    /// Waits for Ctrl-C.
    pub fn wait_for_interrupt(&self) {
        while !self.interrupted.load(Ordering::Relaxed) {
            thread::sleep(GLANCE);
        }
    }
}

/// A flag that goes up at Ctrl-C or SIGTERM.
///
/// # Errors
/// Fails if the signals cannot be had.
pub fn notice_interrupts() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start tokio")?;
    let mut terminate = {
        let _inside = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .context("listen to SIGTERM")?
    };
    thread::Builder::new()
        .name("interrupts".into())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
            });
            flag.store(true, Ordering::Relaxed);
        })
        .context("start a thread")?;
    Ok(interrupted)
}
