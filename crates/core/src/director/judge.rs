//! The judgement of one checker: what its answers come to.
//!
//! keepalived's rules (reference/keepalived.md section 2.6), and `rise`. While up, `retry` failures in a row are
//! forgiven, each asked again after `delay_before_retry`. A checker that never passed is down with its first failure.
//! While down, `rise` successes in a row bring it up. Of several urls one is asked at a time: while up each in turn;
//! otherwise a success is a round of all of them, which begins with the one that failed.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::plan::Judgement;
use crate::time::Duration;

/// The shortest time after which a question is put again that said nothing.
const SOONEST_REPEAT: Duration = Duration::from_secs(1);

/// What is known of a server, as far as one checker can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing yet. Counts as up, with `alpha` as down.
    #[default]
    Unknown,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// When to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// When the checker's turn comes.
    InTurn,
    /// After so long.
    After(Duration),
}

/// What came of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// The verdict is another one now.
    pub changed: bool,
    /// When to ask again.
    pub next: Next,
}

/// The judge of one checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judge {
    verdict: Verdict,
    /// The verdict is that of another question, which this one replaces: the first answer decides.
    presumed: bool,
    /// Failures in a row while up, successes in a row while not.
    streak: u32,
    /// Which url is to be asked.
    url: u16,
    /// Urls of the round that have passed.
    passed: u16,
}

impl Judge {
    /// A judge that takes over a verdict: of a predecessor of this process, or from before a reload.
    #[must_use]
    pub fn with(verdict: Verdict) -> Self {
        Self { verdict, ..Self::default() }
    }

    /// A judge of a new question to a server that an old question found down: it stays down until the first answer.
    #[must_use]
    pub fn presuming_down() -> Self {
        Self { verdict: Verdict::Down, presumed: true, ..Self::default() }
    }

    /// The verdict.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Which url is to be asked.
    #[must_use]
    pub const fn url(&self) -> usize {
        self.url as usize
    }

    /// How many more failures in a row are forgiven.
    #[must_use]
    pub const fn forgiven(&self, judgement: &Judgement) -> u32 {
        match self.verdict {
            Verdict::Up => judgement.retry.saturating_sub(self.streak),
            Verdict::Unknown | Verdict::Down => 0,
        }
    }

    /// Takes in an answer. `urls` is how many take turns; `fast_recovery` asks those of a round without a delay.
    pub fn answered(
        &mut self,
        judgement: &Judgement,
        urls: u16,
        fast_recovery: bool,
        outcome: &Outcome,
    ) -> Ruling {
        match outcome {
            Outcome::Passed { .. } => self.passed(judgement, urls, fast_recovery),
            Outcome::Failed(_) => self.failed(judgement),
            Outcome::Inconclusive(_) => {
                let soon = judgement.delay_before_retry.max(SOONEST_REPEAT).min(judgement.delay_loop);
                Ruling { changed: false, next: Next::After(soon) }
            }
        }
    }

    fn passed(&mut self, judgement: &Judgement, urls: u16, fast_recovery: bool) -> Ruling {
        self.url = if self.url + 1 < urls { self.url + 1 } else { 0 };
        let needed = match self.verdict {
            Verdict::Up => {
                self.streak = 0;
                return Ruling { changed: false, next: Next::InTurn };
            }
            Verdict::Down if self.presumed => 1,
            Verdict::Unknown if !judgement.alpha => 1,
            Verdict::Unknown | Verdict::Down => judgement.rise,
        };
        self.passed += 1;
        if self.passed < urls {
            let next = if fast_recovery { Next::After(Duration::ZERO) } else { Next::InTurn };
            return Ruling { changed: false, next };
        }
        self.passed = 0;
        self.streak += 1;
        let changed = self.streak >= needed;
        if changed {
            self.enter(Verdict::Up);
        }
        Ruling { changed, next: Next::InTurn }
    }

    fn failed(&mut self, judgement: &Judgement) -> Ruling {
        self.passed = 0;
        match self.verdict {
            Verdict::Up if self.streak < judgement.retry => {
                self.streak += 1;
                Ruling { changed: false, next: Next::After(judgement.delay_before_retry) }
            }
            Verdict::Up | Verdict::Unknown => {
                self.enter(Verdict::Down);
                Ruling { changed: true, next: Next::InTurn }
            }
            Verdict::Down => {
                self.enter(Verdict::Down);
                Ruling { changed: false, next: Next::InTurn }
            }
        }
    }

    /// Believes a verdict that needs no retries: of a file, or a BFD session. True if it is another one.
    pub fn believe(&mut self, verdict: Verdict) -> bool {
        let changed = self.verdict != verdict;
        self.enter(verdict);
        changed
    }

    const fn enter(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        self.presumed = false;
        self.streak = 0;
    }
}
