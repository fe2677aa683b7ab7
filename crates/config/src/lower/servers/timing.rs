//! The words about when a checker asks: of the virtual server, the real server and the checker itself, the nearest one
//! counts.

use std::time::Duration;

use mainstay_core::director::plan::Judgement;

use super::super::report::Report;
use super::super::values::{LONGEST_TIMER, number, required, seconds, switch};
use crate::tree::Statement;

/// `delay_loop` unless said.
const DELAY_LOOP: Duration = Duration::from_secs(60);
/// `connect_timeout` unless said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What was said at one level.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    retry: Option<u32>,
    delay_before_retry: Option<Duration>,
    warmup: Option<Duration>,
    connect_timeout: Option<Duration>,
    delay_loop: Option<Duration>,
    alpha: Option<bool>,
    log_all_failures: Option<bool>,
    rise: Option<u32>,
    jitter: Option<u8>,
}

/// What holds for a kind of checker when nothing is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Customs {
    /// Retries before it is down.
    pub(super) retry: u32,
    /// Time between retries; `None` is `delay_loop`.
    pub(super) delay_before_retry: Option<Duration>,
}

impl Timing {
    /// Takes in one statement; says whether it was one about timing.
    pub(super) fn word(&mut self, report: &mut Report, statement: &Statement) -> bool {
        match statement.keyword() {
            "retry" | "nb_get_retry" => {
                if let Some(word) = required(report, statement, "a number") {
                    self.retry = number(report, word, 0..=i64::from(u32::MAX)).or(self.retry);
                }
            }
            "delay_before_retry" => keep(&mut self.delay_before_retry, time(report, statement, 0)),
            "warmup" => keep(&mut self.warmup, time(report, statement, 0)),
            "connect_timeout" => keep(&mut self.connect_timeout, time(report, statement, 1)),
            "delay_loop" => keep(&mut self.delay_loop, time(report, statement, 1)),
            "alpha" => self.alpha = switch(report, statement).or(self.alpha),
            "log_all_failures" => self.log_all_failures = switch(report, statement),
            "rise" => {
                if let Some(word) = required(report, statement, "a number") {
                    self.rise = number(report, word, 1..=i64::from(u32::MAX)).or(self.rise);
                }
            }
            "jitter" => {
                if let Some(word) = required(report, statement, "a number") {
                    self.jitter = number(report, word, 0..=50).or(self.jitter);
                }
            }
            _ => return false,
        }
        true
    }

    /// What holds here, with what was said further out.
    pub(super) fn within(self, outer: Self) -> Self {
        Self {
            retry: self.retry.or(outer.retry),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
            warmup: self.warmup.or(outer.warmup),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            delay_loop: self.delay_loop.or(outer.delay_loop),
            alpha: self.alpha.or(outer.alpha),
            log_all_failures: self.log_all_failures.or(outer.log_all_failures),
            rise: self.rise.or(outer.rise),
            jitter: self.jitter.or(outer.jitter),
        }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
    }

    pub(super) fn delay_loop(&self) -> Duration {
        self.delay_loop.unwrap_or(DELAY_LOOP)
    }

    pub(super) fn alpha(&self) -> bool {
        self.alpha.unwrap_or(false)
    }

    /// The judgement, with the customs of the kind of checker.
    pub(super) fn judgement(&self, customs: Customs, log_all_failures: bool) -> Judgement {
        let delay_loop = self.delay_loop();
        let gap = self.delay_before_retry.or(customs.delay_before_retry);
        Judgement {
            delay_loop,
            warmup: self.warmup.unwrap_or(delay_loop),
            retry: self.retry.unwrap_or(customs.retry),
            delay_before_retry: gap.unwrap_or(delay_loop),
            rise: self.rise.unwrap_or(1),
            jitter: self.jitter.unwrap_or(0),
            alpha: self.alpha(),
            log_all_failures: self.log_all_failures.unwrap_or(log_all_failures),
        }
    }
}

fn keep(place: &mut Option<Duration>, found: Option<Duration>) {
    if found.is_some() {
        *place = found;
    }
}

/// Seconds, of at least so many microseconds.
fn time(report: &mut Report, statement: &Statement, least_us: u64) -> Option<Duration> {
    let word = required(report, statement, "seconds")?;
    seconds(report, word, Duration::from_micros(least_us)..=LONGEST_TIMER)
}
