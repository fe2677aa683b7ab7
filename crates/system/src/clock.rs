//! The clocks: one to measure with, one that knows how long the machine has been up, one that knows the time of day.

use std::time::Duration;

use mainstay_core::time::Instant;
use nix::time::{ClockId, clock_gettime};

/// Now, on `CLOCK_MONOTONIC`: never set, never steps back, stands still while the machine is suspended.
///
/// # Panics
/// Never on Linux: the clock always exists.
#[must_use]
pub fn now() -> Instant {
    Instant::from_nanos(u64::try_from(read(ClockId::CLOCK_MONOTONIC).as_nanos()).unwrap_or(u64::MAX))
}

/// Time since the machine was booted, suspended time included (`CLOCK_BOOTTIME`).
///
/// # Panics
/// Never on Linux: the clock always exists.
#[must_use]
pub fn since_boot() -> Duration {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Time since 1970 (`CLOCK_REALTIME`): somebody may set it, to any time.
///
/// # Panics
/// Never on Linux: the clock always exists.
#[must_use]
pub fn since_1970() -> Duration {
    read(ClockId::CLOCK_REALTIME)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("these clocks exist on every Linux since 2.6.39").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_moves_forward_with_sleep() {
        let before = now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(now().saturating_since(before) >= Duration::from_millis(2));
    }

    #[test]
    fn uptime_is_what_proc_says() {
        let text = std::fs::read_to_string("/proc/uptime").expect("/proc is mounted");
        let told: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("seconds");
        assert!((since_boot().as_secs_f64() - told).abs() < 1.0);
    }
}
