//! Virtual servers: what one node decides about real servers and the kernel's load balancer.
//!
//! ```text
//! director.step(now, input, &mut actions)   inputs are facts, actions are orders, in one ordered stream
//! director.next_deadline()                  a query over the state; nothing is ever cancelled
//! director.report()                         a plain snapshot
//! ```
//!
//! A checker decides, a [`Probe`] asks, an [`Outcome`] answers.
//!
//! The files: the vocabulary ([`plan`], [`probe`], [`outcome`], [`input`], [`action`], [`reason`], [`report`]); one
//! checker ([`judge`], [`phase`], `checker`); what follows from a verdict (`server`, `standing`); the kernel's table
//! (`kernel`, `drains`); `start`, `reload`, `stop`; and what is counted for metrics (`tally`).

pub mod action;
mod checker;
mod drains;
pub mod input;
pub mod judge;
mod kernel;
pub mod outcome;
pub mod phase;
pub mod plan;
pub mod probe;
pub mod reason;
mod reload;
pub mod report;
mod server;
mod snapshot;
mod standing;
mod start;
mod stop;
mod tally;

pub use action::{Action, Actions, Event, ServerNotification, ServerObject, Subject};
pub use input::{CheckerId, Input};
pub use judge::{Judge, Verdict};
pub use outcome::{Excuse, Failure, Outcome, Stage};
pub use plan::{CheckerKind, CheckerPlan, DirectorPlan, RealServerPlan, VirtualServerKey, VirtualServerPlan};
pub use probe::{Probe, ProbeKind};
pub use reason::Reason;
pub use report::{Memory, Report, Resume};

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use self::checker::{Checkers, Influence};
use self::kernel::Kernel;
use self::plan::{DirectorSettings, ScriptCheck};
use self::server::VirtualServer;
use self::tally::Tally;
use crate::ipvs::ServiceKey;
use crate::router::ScriptOutcome;
use crate::time::Instant;

/// One node's virtual servers.
#[derive(Debug, Clone)]
pub struct Director {
    settings: DirectorSettings,
    servers: Vec<VirtualServer>,
    /// Services that several virtual servers have, with the places of these in plan order.
    sharers: BTreeMap<ServiceKey, Vec<u32>>,
    checkers: Checkers,
    kernel: Kernel,
    /// Tracked files with the checkers that follow them.
    files: BTreeMap<Arc<str>, Vec<u32>>,
    /// BFD sessions with the checkers that follow them.
    sessions: BTreeMap<Arc<str>, Vec<u32>>,
    /// What files held when they were last read.
    values: BTreeMap<Arc<str>, i64>,
    /// Addresses on this machine, as far as we were told.
    addresses: BTreeSet<IpAddr>,
    /// The instance the synchronisation daemons follow is master.
    sync_master: bool,
    phase: Phase,
    /// What a crashed predecessor left, until the table was listed.
    predecessor: Option<Resume>,
    tally: Tally,
}

/// Where the director is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The kernel's table was not listed.
    New,
    /// At work.
    Running,
    /// Handed over; nothing has an effect any more.
    Finished,
}

impl Director {
    /// A director for this plan. Its first order is to list the kernel's table ([`Director::begin`]); checks begin
    /// with the answer.
    ///
    /// `resume` is what a crashed predecessor remembered.
    #[must_use]
    pub fn new(now: Instant, plan: DirectorPlan, resume: Option<Resume>) -> Self {
        let mut director = Self {
            settings: DirectorSettings::default(),
            servers: Vec::new(),
            sharers: BTreeMap::new(),
            checkers: Checkers::default(),
            kernel: Kernel::default(),
            files: BTreeMap::new(),
            sessions: BTreeMap::new(),
            values: BTreeMap::new(),
            addresses: BTreeSet::new(),
            sync_master: false,
            phase: Phase::New,
            predecessor: resume,
            tally: Tally::default(),
        };
        director.adopt_plan(now, plan, &mut Vec::new());
        director
    }

    /// The first orders.
    pub fn begin(&self, actions: &mut Actions) {
        actions.push(Action::ListTable);
    }

    /// Takes in one fact and appends the orders that follow from it.
    pub fn step(&mut self, now: Instant, input: Input, actions: &mut Actions) {
        match (self.phase, input) {
            (Phase::New, Input::TableListed(table)) => self.start(now, Ok(table), actions),
            (Phase::New, Input::TableUnavailable { words }) => self.start(now, Err(words), actions),
            (Phase::New, Input::Reloaded(plan)) => self.adopt_plan(now, *plan, actions),
            (Phase::New, Input::ShutdownRequested) => self.stop_unstarted(actions),
            (Phase::New | Phase::Running, Input::FileRead { file, value }) => {
                self.file_read(now, &file, value, actions);
            }
            (Phase::New | Phase::Running, Input::AddressHeld { address, held }) => {
                self.address_held(now, address, held, actions);
            }
            (Phase::New | Phase::Running, Input::InstanceBecame { instance, master }) => {
                self.instance_became(&instance, master, actions);
            }
            (Phase::New | Phase::Running, Input::SessionBecame { session, up }) => {
                self.session_became(now, &session, up, actions);
            }
            (
                Phase::New,
                Input::Tick
                | Input::Answered { .. }
                | Input::ScriptFinished { .. }
                | Input::ChangeRefused { .. },
            )
            | (Phase::Finished, _) => {}
            (Phase::Running, Input::Tick) => self.tick(now, actions),
            (Phase::Running, Input::Answered { checker, outcome }) => {
                self.answered(now, checker, &outcome, actions);
            }
            (Phase::Running, Input::ScriptFinished { checker, outcome }) => {
                self.script_finished(now, checker, &outcome, actions);
            }
            (Phase::Running, Input::TableListed(table)) => self.table_listed(now, table, actions),
            (Phase::Running, Input::TableUnavailable { words }) => {
                self.table_unavailable(now, words, actions);
            }
            (Phase::Running, Input::ChangeRefused { change, errno }) => {
                self.change_refused(now, change, errno, actions);
            }
            (Phase::Running, Input::Reloaded(plan)) => self.reload(now, *plan, actions),
            (Phase::Running, Input::ShutdownRequested) => self.stop(actions),
        }
    }

    /// Whether the kernel's table was listed, or found missing, and compared with what is wanted.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.phase != Phase::New
    }

    /// When [`Input::Tick`] is due next; `None` if only a fact can change anything.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.phase != Phase::Running {
            return None;
        }
        [self.checkers.deadline(), self.kernel.deadline()].into_iter().flatten().min()
    }

    fn tick(&mut self, now: Instant, actions: &mut Actions) {
        while let Some(index) = self.checkers.take_due(now) {
            self.ask(index, actions);
        }
        self.end_drains(now, actions);
        if self.kernel.take_comparison(now) {
            actions.push(Action::ListTable);
        }
    }

    fn ask(&self, index: u32, actions: &mut Actions) {
        let checker = self.checkers.id(index);
        let Some(asking) = self.checkers.get(index) else { return };
        if let CheckerKind::Script(script) = &asking.plan.kind {
            actions.push(Action::RunScript { checker, script: Arc::clone(script) });
        } else if let Some(probe) = asking.probe() {
            actions.push(Action::Probe { checker, probe: Arc::clone(probe) });
        }
    }

    fn answered(&mut self, now: Instant, id: CheckerId, outcome: &Outcome, actions: &mut Actions) {
        let Some(checker) = self.checkers.asked(id) else { return };
        checker.asking = false;
        self.tally.count(&checker.plan.kind, outcome);
        let (changed, next) = checker.judge(outcome);
        self.tell_answer(now, id.index, outcome, changed, actions);
        self.checkers.ask_again(now, id.index, next);
        if changed {
            self.verdict_changed(now, id.index, actions);
        }
    }

    fn script_finished(
        &mut self,
        now: Instant,
        id: CheckerId,
        outcome: &ScriptOutcome,
        actions: &mut Actions,
    ) {
        let Some(checker) = self.checkers.asked(id) else { return };
        let CheckerKind::Script(script) = &checker.plan.kind else { return };
        let (outcome, influence) = script_verdict(script, outcome);
        let before = checker.influence;
        if let Some(influence) = influence {
            checker.influence = influence;
        }
        let weighs = checker.influence != before;
        self.answered(now, id, &outcome, actions);
        if weighs {
            self.influence_changed(now, id.index, actions);
        }
    }

    fn file_read(&mut self, now: Instant, file: &str, value: Option<i64>, actions: &mut Actions) {
        let value = value.unwrap_or(0);
        if let Some(known) = self.values.get_mut(file) {
            *known = value;
        } else {
            self.values.insert(file.into(), value);
        }
        for index in self.files.get(file).cloned().unwrap_or_default() {
            if self.checkers.get_mut(index).is_some_and(|checker| checker.see(value)) {
                self.verdict_changed(now, index, actions);
            }
        }
    }

    fn session_became(&mut self, now: Instant, session: &str, up: bool, actions: &mut Actions) {
        let verdict = if up { Verdict::Up } else { Verdict::Down };
        for index in self.sessions.get(session).cloned().unwrap_or_default() {
            let Some(checker) = self.checkers.get_mut(index) else { continue };
            if checker.judge.believe(verdict) {
                self.verdict_changed(now, index, actions);
            }
        }
    }

    fn address_held(&mut self, now: Instant, address: IpAddr, held: bool, actions: &mut Actions) {
        let changed = if held { self.addresses.insert(address) } else { self.addresses.remove(&address) };
        if changed {
            self.suspend_or_resume(now, address, actions);
        }
    }
}

/// What the end of a `MISC_CHECK` means, and what it says about the weight (`None`: nothing new).
///
/// 0 is good. With `misc_dynamic`, 2 to 255 is good too, and is a weight of two less; 0 gives the configured weight
/// back. Everything else is a failure.
fn script_verdict(script: &ScriptCheck, outcome: &ScriptOutcome) -> (Outcome, Option<Influence>) {
    let passed = Outcome::Passed { took: crate::time::Duration::ZERO };
    let words: String = match outcome {
        ScriptOutcome::Exited(0) => return (passed, Some(Influence::None)),
        ScriptOutcome::Exited(code @ 2..) if script.dynamic => {
            return (passed, Some(Influence::Replace(u32::from(*code) - 2)));
        }
        ScriptOutcome::Exited(code) => alloc::format!("exit status {code}"),
        ScriptOutcome::Signalled(signal) => alloc::format!("ended by signal {signal}"),
        ScriptOutcome::TimedOut => "took too long".into(),
        ScriptOutcome::NotStarted(why) => alloc::format!("could not be started: {why}"),
    };
    (Outcome::Failed(Failure { stage: Stage::Script, errno: None, words: words.into() }), None)
}
