//! Waiting for something to become true, with a limit, instead of sleeping and hoping.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(5);

/// Waits until the condition holds and returns how long that took.
///
/// # Errors
/// Fails with `what` if it does not hold within `limit`.
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Result<Duration> {
    let start = Instant::now();
    loop {
        if holds() {
            return Ok(start.elapsed());
        }
        if start.elapsed() >= limit {
            bail!("waited {:.3} s in vain: {what}", limit.as_secs_f64());
        }
        thread::sleep(STEP);
    }
}

/// Watches that the condition holds all the time for `period`.
///
/// # Errors
/// Fails with `what` and the moment at which it ceased to hold.
pub fn holds_for(what: &str, period: Duration, mut holds: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < period {
        if !holds() {
            bail!("ceased to hold after {:.3} s: {what}", start.elapsed().as_secs_f64());
        }
        thread::sleep(STEP);
    }
    Ok(())
}
