//! The checkers of a director: each asks one question, for every real server that wants to know.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, BinaryHeap};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::input::CheckerId;
use super::judge::{Judge, Next, Verdict};
use super::outcome::Outcome;
use super::phase;
use super::plan::{CheckerKind, CheckerPlan, Judgement};
use super::probe::{Probe, ProbeKind};
use crate::time::{Duration, Instant};

/// Virtual server and real server, by their places in the plan.
pub(super) type Place = (u32, u32);

/// One checker.
#[derive(Debug, Clone)]
pub(super) struct Checker {
    pub(super) plan: CheckerPlan,
    /// Digest of its question.
    pub(super) digest: u64,
    /// The real servers that want to know.
    pub(super) listeners: Vec<Place>,
    pub(super) judge: Judge,
    /// What it says about the weight.
    pub(super) influence: Influence,
    /// When it asks next; `None` while it waits for an answer, is suspended, or never asks.
    due: Option<Instant>,
    /// When it asked last.
    asked: Instant,
    /// A question is on its way.
    pub(super) asking: bool,
    /// At least one of its listeners is to be checked.
    active: bool,
    /// Answers so far.
    pub(super) answers: u32,
    /// Answers in a row that said nothing.
    pub(super) unclear: u32,
    /// How long the last good answer took, in microseconds; 0 is not known.
    pub(super) took_us: u32,
    /// Why the last answer was not good.
    pub(super) trouble: Option<Box<str>>,
    generation: u32,
}

/// What a checker says about the weight of its real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Influence {
    /// Nothing.
    #[default]
    None,
    /// Adds to it (`FILE_CHECK`).
    Add(i64),
    /// Replaces it (`misc_dynamic`).
    Replace(u32),
}

impl Checker {
    fn new(plan: CheckerPlan, digest: u64, judge: Judge) -> Self {
        Self {
            plan,
            digest,
            listeners: Vec::new(),
            judge,
            influence: Influence::None,
            due: None,
            asked: Instant::ZERO,
            asking: false,
            active: false,
            answers: 0,
            unclear: 0,
            took_us: 0,
            trouble: None,
            generation: 0,
        }
    }

    /// Whether a real server with it counts as down.
    pub(super) fn is_against(&self) -> bool {
        match self.judge.verdict() {
            Verdict::Up => false,
            Verdict::Unknown => self.plan.judgement.alpha,
            Verdict::Down => true,
        }
    }

    /// Time between two questions: HTTP waits for at least `delay_before_retry` while down, as in keepalived.
    fn period(&self) -> Duration {
        let judgement = &self.plan.judgement;
        match (self.judge.verdict(), self.is_http()) {
            (Verdict::Down, true) => judgement.delay_loop.max(judgement.delay_before_retry),
            (Verdict::Down, false) | (Verdict::Unknown | Verdict::Up, _) => judgement.delay_loop,
        }
    }

    fn is_http(&self) -> bool {
        match &self.plan.kind {
            CheckerKind::Exchange(probe) => matches!(probe.kind, ProbeKind::Http(_)),
            CheckerKind::Urls { .. } => true,
            CheckerKind::Script(_) | CheckerKind::File { .. } | CheckerKind::Bfd { .. } => false,
        }
    }

    /// The probe to be asked now, if it is one that asks servers.
    pub(super) fn probe(&self) -> Option<&Arc<Probe>> {
        match &self.plan.kind {
            CheckerKind::Exchange(probe) => Some(probe),
            CheckerKind::Urls { urls, .. } => urls.get(self.judge.url()),
            CheckerKind::Script(_) | CheckerKind::File { .. } | CheckerKind::Bfd { .. } => None,
        }
    }

    fn asks(&self) -> bool {
        match &self.plan.kind {
            CheckerKind::Exchange(_) | CheckerKind::Urls { .. } | CheckerKind::Script(_) => true,
            CheckerKind::File { .. } | CheckerKind::Bfd { .. } => false,
        }
    }

    /// Judges an answer; true if the verdict changed.
    pub(super) fn judge(&mut self, outcome: &Outcome) -> (bool, Next) {
        let (urls, fast) = match &self.plan.kind {
            CheckerKind::Urls { urls, fast_recovery } => {
                (u16::try_from(urls.len()).unwrap_or(u16::MAX), *fast_recovery)
            }
            CheckerKind::Exchange(_)
            | CheckerKind::Script(_)
            | CheckerKind::File { .. }
            | CheckerKind::Bfd { .. } => (1, false),
        };
        self.answers = self.answers.saturating_add(1);
        let unclear = self.unclear;
        self.unclear = 0;
        match outcome {
            Outcome::Passed { took } => {
                self.took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
                self.trouble = None;
            }
            Outcome::Failed(failure) => self.trouble = Some(failure.words.clone()),
            Outcome::Inconclusive(_) => self.unclear = unclear.saturating_add(1),
        }
        let ruling = self.judge.answered(&self.plan.judgement, urls, fast, outcome);
        (ruling.changed, ruling.next)
    }

    /// Takes in what the file it follows holds; true if it says something else now.
    pub(super) fn see(&mut self, value: i64) -> bool {
        let CheckerKind::File { weight, reverse, .. } = self.plan.kind else { return false };
        let before = self.influence;
        let verdict = if weight == 0 {
            if (value == 0) == reverse { Verdict::Down } else { Verdict::Up }
        } else {
            let product = value.saturating_mul(i64::from(weight));
            self.influence = Influence::Add(if reverse { product.saturating_neg() } else { product });
            Verdict::Up
        };
        self.trouble = (verdict == Verdict::Down).then(|| alloc::format!("holds {value}").into());
        self.judge.believe(verdict) | (self.influence != before)
    }

    pub(super) fn question(&self) -> String {
        alloc::format!("{}", self.plan.kind)
    }
}

/// All checkers, with an index of when each asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Checkers {
    slots: Vec<Option<Checker>>,
    free: Vec<u32>,
    /// Generation of each free slot.
    generations: Vec<u32>,
    /// Digests of questions, with who asks them. Several may ask the same and judge differently.
    by_question: BTreeSet<(u64, u32)>,
    /// The judgement of the plan's checker before: most share one, and a plan that came as bytes has one of each.
    judgement: Option<Arc<Judgement>>,
    /// Hints; one that is not the checker's `due` is worth nothing.
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Checkers {
    pub(super) fn get(&self, index: u32) -> Option<&Checker> {
        self.slots.get(index as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Checker> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    /// The checker that asked, unless it is gone.
    pub(super) fn asked(&mut self, id: CheckerId) -> Option<&mut Checker> {
        self.get_mut(id.index).filter(|checker| checker.generation == id.generation && checker.asking)
    }

    pub(super) fn id(&self, index: u32) -> CheckerId {
        let generation = self.get(index).map_or(0, |checker| checker.generation);
        CheckerId { index, generation }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Checker)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| slot.as_ref().map(|checker| (index, checker)))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Before a new plan: nobody listens any more.
    pub(super) fn forget_listeners(&mut self) {
        for checker in self.slots.iter_mut().flatten() {
            checker.listeners = Vec::new();
        }
    }

    /// The checker for a plan: the one that asks and judges just so, or one that asks so and is free to judge
    /// otherwise, or a new one with this judge.
    pub(super) fn adopt(&mut self, plan: &CheckerPlan, judge: impl FnOnce(u64) -> Judge) -> u32 {
        let digest = phase::digest(&plan.kind);
        let mut free_to_change = None;
        let mut known = None;
        for &(_, index) in self.by_question.range((digest, 0)..=(digest, u32::MAX)) {
            let Some(checker) = self.get(index) else { continue };
            if checker.plan.kind != plan.kind {
                continue;
            }
            if checker.plan.judgement == plan.judgement {
                return index;
            }
            known = Some(checker.judge.verdict());
            if checker.listeners.is_empty() {
                free_to_change = Some(index);
            }
        }
        let judgement = self.shared(&plan.judgement);
        if let Some(index) = free_to_change
            && let Some(checker) = self.get_mut(index)
        {
            checker.plan.judgement = judgement;
            checker.due = None;
            return index;
        }
        let judge = known.map_or_else(|| judge(digest), Judge::with);
        let plan = CheckerPlan { kind: plan.kind.clone(), judgement };
        self.insert(Checker::new(plan, digest, judge))
    }

    /// The same judgement, in the copy that the checker before has.
    fn shared(&mut self, judgement: &Arc<Judgement>) -> Arc<Judgement> {
        match &self.judgement {
            Some(before) if before == judgement => Arc::clone(before),
            Some(_) | None => Arc::clone(self.judgement.insert(Arc::clone(judgement))),
        }
    }

    fn insert(&mut self, mut checker: Checker) -> u32 {
        let digest = checker.digest;
        let index = match self.free.pop() {
            Some(index) => {
                checker.generation = self.generations[index as usize];
                self.slots[index as usize] = Some(checker);
                index
            }
            None => {
                // Memory ends long before four billion checkers.
                let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
                self.slots.push(Some(checker));
                self.generations.push(0);
                index
            }
        };
        self.by_question.insert((digest, index));
        index
    }

    /// After a new plan: those nobody listens to are dropped; their digests.
    pub(super) fn drop_unheard(&mut self) -> Vec<u64> {
        let mut gone = Vec::new();
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if slot.as_ref().is_none_or(|checker| !checker.listeners.is_empty()) {
                continue;
            }
            let Some(checker) = slot.take() else { continue };
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.generations[index as usize] = checker.generation.wrapping_add(1);
            self.free.push(index);
            let digest = checker.digest;
            self.by_question.remove(&(digest, index));
            if self.by_question.range((digest, 0)..=(digest, u32::MAX)).next().is_none() {
                gone.push(digest);
            }
        }
        gone
    }

    /// Whether a checker is to ask at all: at least one of its listeners is not suspended.
    pub(super) fn set_active(&mut self, now: Instant, index: u32, active: bool) {
        let Some(checker) = self.get_mut(index) else { return };
        checker.active = active;
        if !active {
            checker.due = None;
        } else if checker.due.is_none() && !checker.asking && checker.asks() {
            let Judgement { delay_loop, warmup, .. } = *checker.plan.judgement;
            let at = if checker.answers == 0 {
                phase::first(now, checker.digest, delay_loop, warmup)
            } else {
                phase::next(now, checker.digest, delay_loop)
            };
            self.set_due(index, at);
        }
    }

    /// After an answer: when to ask again.
    pub(super) fn ask_again(&mut self, now: Instant, index: u32, next: Next) {
        let Some(checker) = self.get(index) else { return };
        if !checker.active {
            return;
        }
        let at = match next {
            Next::After(wait) => now + wait,
            Next::InTurn => {
                let period = checker.period();
                let late =
                    phase::jitter(checker.digest, checker.answers, period, checker.plan.judgement.jitter);
                // The turn that came while it waited for the answer is not left out: it comes now.
                (phase::next(checker.asked, checker.digest, period) + late).max(now)
            }
        };
        self.set_due(index, at);
    }

    fn set_due(&mut self, index: u32, at: Instant) {
        if let Some(checker) = self.get_mut(index) {
            checker.due = Some(at);
            self.heap.push(Reverse((at, index)));
        }
    }

    /// The earliest moment at which a checker may be due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one checker that is due; it counts as asking from now on.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<u32> {
        while let Some(Reverse((at, index))) = self.heap.peek().copied() {
            if at > now {
                return None;
            }
            let _ = self.heap.pop();
            if let Some(checker) = self.get_mut(index)
                && checker.due == Some(at)
            {
                checker.due = None;
                checker.asked = now;
                checker.asking = true;
                return Some(index);
            }
        }
        None
    }
}
