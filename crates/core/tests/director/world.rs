//! A director in a modelled world: servers that answer or not, a kernel's table, a reader of the FIFO.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::address::Family;
use mainstay_core::director::plan::{Judgement, SorryServerPlan};
use mainstay_core::director::probe::Source;
use mainstay_core::director::{
    Action, CheckerId, CheckerKind, CheckerPlan, Director, DirectorPlan, Excuse, Failure, Input, Outcome,
    Probe, ProbeKind, RealServerPlan, Report, Resume, Stage, VirtualServerKey, VirtualServerPlan,
};
use mainstay_core::ipvs::{
    Change, DestinationKey, Forwarding, Protocol, Scheduler, SchedulerFlags, ServiceKey, Table,
};
use mainstay_core::router::ScriptOutcome;
use mainstay_core::time::Instant;

pub const SECOND: Duration = Duration::from_secs(1);

/// How a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Good,
    Bad,
    Nothing,
}

pub struct World {
    pub now: Instant,
    pub director: Director,
    /// The kernel's table; `None` is a kernel without IPVS.
    pub kernel: Option<Table>,
    /// Services the kernel refuses everything about.
    pub refused: BTreeSet<ServiceKey>,
    /// Those that do not answer well.
    pub answers: BTreeMap<IpAddr, Answer>,
    /// What scripts end with.
    pub exit: u8,
    /// When each server was asked.
    pub asked: Vec<(Instant, IpAddr)>,
    /// FIFO lines.
    pub lines: Vec<String>,
    /// Events as the log shows them.
    pub log: Vec<String>,
    /// Orders about the table as a whole and the synchronisation daemons.
    pub orders: Vec<String>,
    pub changes: Vec<Change>,
    pub memory: Resume,
    pub finished: bool,
    pending: VecDeque<Input>,
}

impl World {
    /// A world at its beginning: the kernel has been listed.
    pub fn new(plan: DirectorPlan) -> Self {
        Self::with(plan, Some(Table::default()), None)
    }

    pub fn with(plan: DirectorPlan, kernel: Option<Table>, resume: Option<Resume>) -> Self {
        let mut world = Self::unstarted(plan, kernel, resume);
        world.begin();
        world
    }

    /// A world in which nothing has happened.
    pub fn unstarted(plan: DirectorPlan, kernel: Option<Table>, resume: Option<Resume>) -> Self {
        let now = Instant::from_nanos(1_000_000_000_000);
        Self {
            now,
            director: Director::new(now, plan, resume.clone()),
            kernel,
            refused: BTreeSet::new(),
            answers: BTreeMap::new(),
            exit: 0,
            asked: Vec::new(),
            lines: Vec::new(),
            log: Vec::new(),
            orders: Vec::new(),
            changes: Vec::new(),
            memory: resume.unwrap_or_default(),
            finished: false,
            pending: VecDeque::new(),
        }
    }

    pub fn begin(&mut self) {
        let mut actions = Vec::new();
        self.director.begin(&mut actions);
        self.perform(actions);
        self.settle();
    }

    pub fn tell(&mut self, input: Input) {
        self.pending.push_back(input);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(input) = self.pending.pop_front() {
            let mut actions = Vec::new();
            self.director.step(self.now, input, &mut actions);
            self.perform(actions);
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Probe { checker, probe } => {
                    self.asked.push((self.now, probe.target.ip()));
                    let outcome = self.outcome(probe.target.ip());
                    self.pending.push_back(Input::Answered { checker, outcome });
                }
                Action::RunScript { checker, .. } => {
                    let outcome = ScriptOutcome::Exited(self.exit);
                    self.pending.push_back(Input::ScriptFinished { checker, outcome });
                }
                Action::ListTable => self.pending.push_back(match &self.kernel {
                    Some(table) => Input::TableListed(table.clone()),
                    None => Input::TableUnavailable { words: "no ip_vs".into() },
                }),
                Action::FlushTable => {
                    self.orders.push("flush".into());
                    self.kernel.as_mut().expect("a table").services.clear();
                }
                Action::Change(change) => self.change(change),
                Action::RestoreTimeouts => self.orders.push("timeouts as they were".to_owned()),
                Action::SetTimeouts(timeouts) => self.orders.push(format!("tcp timeout {}", timeouts.tcp_s)),
                Action::StartSync(daemon) => self.orders.push(format!("start {}", daemon.role)),
                Action::StopSync(role) => self.orders.push(format!("stop {role}")),
                Action::Notify(notification) => self.lines.push(notification.to_string()),
                Action::Remember(memory) => self.memory.remember(memory),
                Action::Tell(event) => self.log.push(format!("{}: {}", event.subject, event.reason)),
                Action::Finished => self.finished = true,
            }
        }
    }

    fn change(&mut self, change: Change) {
        if self.refused.contains(change.service()) {
            self.pending.push_back(Input::ChangeRefused { change: Box::new(change), errno: 2 });
            return;
        }
        let table = self.kernel.as_mut().expect("no changes without a table");
        assert!(table.apply(&change), "the kernel refuses: {change}");
        self.changes.push(change);
    }

    fn outcome(&self, server: IpAddr) -> Outcome {
        match self.answers.get(&server).copied().unwrap_or(Answer::Good) {
            Answer::Good => Outcome::Passed { took: Duration::from_millis(1) },
            Answer::Bad => Outcome::Failed(Failure {
                stage: Stage::Connect,
                errno: Some(111),
                words: "connection refused".into(),
            }),
            Answer::Nothing => Outcome::Inconclusive(Excuse::Late(SECOND)),
        }
    }

    /// From now on a server answers so.
    pub fn server(&mut self, address: &str, answer: Answer) {
        self.answers.insert(address.parse().expect("an address"), answer);
    }

    /// Lets time pass; everything that is due happens when it is due.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.director.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.tell(Input::Tick);
        }
        self.now = end;
    }

    pub fn reload(&mut self, plan: DirectorPlan) {
        self.tell(Input::Reloaded(Box::new(plan)));
    }

    pub fn report(&self) -> Report {
        self.director.report()
    }

    /// The kernel's table as `ipvsadm` lists it: `10.0.0.1:80 1` for each destination of the first service.
    pub fn listed(&self) -> Vec<String> {
        let table = self.kernel.as_ref().expect("a table");
        let entries = table.services.values().flat_map(|entry| entry.destinations.values());
        entries
            .map(|destination| {
                format!("{}:{} {}", destination.key.address, destination.key.port, destination.weight)
            })
            .collect()
    }

    /// FIFO lines since the last look.
    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// A checker of a server that asks now, with its question held back.
    pub fn held_question(&mut self) -> CheckerId {
        loop {
            let deadline = self.director.next_deadline().expect("something is due");
            self.now = self.now.max(deadline);
            let mut actions = Vec::new();
            self.director.step(self.now, Input::Tick, &mut actions);
            let asked = actions.iter().find_map(|action| match action {
                Action::Probe { checker, .. } => Some(*checker),
                _ => None,
            });
            if let Some(checker) = asked {
                return checker;
            }
            self.perform(actions);
        }
    }
}

pub fn socket(text: &str) -> SocketAddr {
    text.parse().expect("address and port")
}

pub fn service(text: &str) -> ServiceKey {
    let target = socket(text);
    ServiceKey::Address { protocol: Protocol::Tcp, address: target.ip(), port: target.port() }
}

/// A judgement with a period of 10 s, one retry after 1 s.
pub fn judgement() -> Judgement {
    Judgement {
        delay_loop: 10 * SECOND,
        warmup: 10 * SECOND,
        retry: 1,
        delay_before_retry: SECOND,
        rise: 1,
        jitter: 0,
        alpha: false,
        log_all_failures: false,
    }
}

pub fn tcp(target: &str, judgement: &Judgement) -> CheckerPlan {
    let probe = Probe {
        target: socket(target),
        source: Source::default(),
        fwmark: 0,
        timeout: 5 * SECOND,
        kind: ProbeKind::Tcp,
    };
    CheckerPlan { kind: CheckerKind::Exchange(Arc::new(probe)), judgement: Arc::new(judgement.clone()) }
}

/// A real server with a TCP check.
pub fn real(target: &str) -> RealServerPlan {
    let address = socket(target);
    RealServerPlan {
        key: DestinationKey { address: address.ip(), port: address.port() },
        weight: 1,
        forwarding: Forwarding::Masquerade,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: false,
        label: None,
        unprovable: false,
        checkers: vec![tcp(target, &judgement())],
    }
}

pub fn sorry(target: &str) -> SorryServerPlan {
    let address = socket(target);
    SorryServerPlan {
        key: DestinationKey { address: address.ip(), port: address.port() },
        forwarding: Forwarding::Masquerade,
        inhibit: false,
    }
}

/// A virtual server with real servers 10.0.0.1, 10.0.0.2 and so on.
pub fn virtual_server(target: &str, reals: u8) -> VirtualServerPlan {
    let key = service(target);
    VirtualServerPlan {
        key: VirtualServerKey::Service(key),
        services: vec![key],
        protocol: Protocol::Tcp,
        family: Some(Family::V4),
        scheduler: Scheduler::WeightedLeastConnection,
        flags: SchedulerFlags::NONE,
        one_packet: false,
        persistence: None,
        real_servers: (1..=reals).map(|number| real(&format!("10.0.0.{number}:80"))).collect(),
        sorry_server: None,
        quorum: 1,
        hysteresis: 0,
        alpha: false,
        omega: false,
        suspend_without: None,
        label: None,
        panic_threshold: 0,
        drain: Duration::ZERO,
    }
}

pub fn plan(virtual_servers: Vec<VirtualServerPlan>) -> DirectorPlan {
    DirectorPlan { virtual_servers, ..DirectorPlan::default() }
}

/// A plan of one virtual server, changed.
pub fn one(reals: u8, change: impl FnOnce(&mut VirtualServerPlan)) -> DirectorPlan {
    let mut server = virtual_server("192.0.2.1:80", reals);
    change(&mut server);
    plan(vec![server])
}

/// Every checker of a virtual server judges so.
pub fn judged(server: &mut VirtualServerPlan, change: impl Fn(&mut Judgement)) {
    for checker in server.real_servers.iter_mut().flat_map(|real| &mut real.checkers) {
        let mut changed = (*checker.judgement).clone();
        change(&mut changed);
        checker.judgement = Arc::new(changed);
    }
}
