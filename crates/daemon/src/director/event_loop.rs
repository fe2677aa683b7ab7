//! The loop: waits, feeds, performs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mainstay_config::Model;
use mainstay_control::{Question, Reply};
use mainstay_core::director::{Action, Actions, CheckerId, Director, Input, Memory};
use mainstay_core::ipvs::Table;
use mainstay_system::clock;
use mainstay_system::memory::release_free;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::addresses::{self, Addresses};
use super::alarm::Alarm;
use super::asking::Asking;
use super::history::History;
use super::link::{Link, Peer};
use super::metrics::{Exporter, Parts, Scrape};
use super::table::{Order, TableLane};
use super::window::{Asked, Window};
use super::{settings, standing, telling};
use crate::frames::{FromDirector, ToDirector};
use crate::measures::Measures;
use crate::snmp::{Agent, Wish};

/// Facts taken in before deadlines are looked at again.
const AT_ONCE: usize = 1024;

/// On the way to saying that everything is as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readiness {
    /// The kernel's table was not compared.
    Listing,
    /// What the comparison came to is being done.
    Settling,
    /// The supervisor knows.
    Told,
}

/// So many orders at one time are a beginning or a reload, after which much of the memory is free.
const MANY_ORDERS: usize = 512;

/// The process at work.
pub struct EventLoop {
    director: Director,
    link: Link,
    asking: Asking,
    table: TableLane,
    alarm: Alarm,
    addresses: Option<Addresses>,
    facts: UnboundedReceiver<Input>,
    teller: UnboundedSender<Input>,
    /// Runs of scripts the supervisor was asked for, by their number.
    runs: BTreeMap<u64, CheckerId>,
    last_run: u64,
    /// There never was a virtual server: the kernel's table is not looked at.
    idle: bool,
    readiness: Readiness,
    finished: bool,
    history: History,
    /// The control socket; `None` if it cannot be had.
    window: Option<Window>,
    /// Who waits for the router's part of the status, by the number of the question.
    asked: BTreeMap<u64, oneshot::Sender<Reply>>,
    last_question: u64,
    exporter: Exporter,
    /// Who waits for what the supervisor and the router have counted, by the number of the question.
    measuring: BTreeMap<u64, oneshot::Sender<Measures>>,
    /// The SNMP sub-agent, once anything was to be told.
    agent: Option<Agent>,
    /// Its questions, by their number.
    wishes: BTreeMap<u64, Wish>,
}

impl EventLoop {
    /// Takes in the plan.
    ///
    /// # Errors
    /// When `start` is no beginning, or there is no thread for the table.
    pub fn new(link: Link, start: ToDirector) -> io::Result<Self> {
        let ToDirector::Start { plan, process, resume, ipvs, socket, shown } = start else {
            return Err(io::Error::other("this is no beginning"));
        };
        settings::apply(&process);
        let (teller, facts) = unbounded_channel();
        // With nothing to balance a kernel without ip_vs is no news, and the module is not loaded.
        let idle = plan.virtual_servers.is_empty() && resume.is_none();
        let table = TableLane::start(ipvs, teller.clone())?;
        let asking = Asking::start(plan.tls.clone(), teller.clone());
        let wanted = addresses::wanted(&plan);
        let director = Director::new(clock::now(), *plan, resume.map(|resume| *resume));
        let mut this = Self {
            director,
            link,
            asking,
            table,
            alarm: Alarm::new()?,
            addresses: None,
            facts,
            teller,
            runs: BTreeMap::new(),
            last_run: 0,
            idle,
            readiness: Readiness::Listing,
            finished: false,
            history: History::default(),
            window: open_window(socket),
            asked: BTreeMap::new(),
            last_question: 0,
            exporter: Exporter::closed(),
            measuring: BTreeMap::new(),
            agent: shown.map(|shown| Agent::start(Arc::from(shown))),
            wishes: BTreeMap::new(),
        };
        this.exporter.follow(process.metrics.as_ref());
        this.history.follow(process.event_file.as_deref());
        this.watch(wanted);
        Ok(this)
    }

    /// Runs until everything was handed over.
    ///
    /// # Errors
    /// When the stream to the supervisor is garbage.
    pub async fn run(mut self) -> io::Result<()> {
        let mut actions = Vec::new();
        self.director.begin(&mut actions);
        self.perform(actions);
        // More may have come with the first word.
        self.hear()?;
        let (mut facts, mut watched) = (Vec::new(), Vec::new());
        while !self.finished {
            let deadline = self.director.next_deadline();
            let addresses = self.addresses.as_mut();
            tokio::select! {
                biased;
                peer = self.link.exchange() => {
                    let peer = peer?;
                    self.hear()?;
                    if peer == Peer::Gone {
                        self.feed(Input::ShutdownRequested);
                    }
                }
                fact = self.facts.recv() => facts.extend(fact),
                still = changed(addresses, &mut watched) => {
                    facts.append(&mut watched);
                    if let Err(error) = still {
                        tracing::error!("addresses are not watched any more: {error:#}");
                        self.addresses = None;
                    }
                }
                () = self.table.settled(), if self.readiness == Readiness::Settling => {
                    self.readiness = Readiness::Told;
                    self.link.send(&FromDirector::Ready);
                }
                asked = question(&mut self.window) => self.asked(asked),
                scrape = self.exporter.next() => self.scraped(scrape),
                wish = wish(&mut self.agent) => self.wished(wish),
                rung = self.alarm.at(deadline) => rung?,
            }
            // What has arrived counts before any deadline.
            while let Ok(fact) = self.facts.try_recv() {
                facts.push(fact);
                if facts.len() >= AT_ONCE {
                    break;
                }
            }
            self.feed_all(&mut facts);
            if self.director.next_deadline().is_some_and(|deadline| deadline <= clock::now()) {
                self.feed(Input::Tick);
            }
            if self.readiness == Readiness::Listing && self.director.has_begun() {
                self.readiness = Readiness::Settling;
                self.table.order(vec![Order::Settle]);
            }
        }
        self.table.finish().await;
        if let Some(agent) = self.agent.take() {
            // What it wants to know it will not be told any more.
            self.wishes.clear();
            agent.finish().await;
        }
        self.link.send(&FromDirector::Finished);
        self.link.flush().await
    }

    /// Takes in every frame that has arrived.
    fn hear(&mut self) -> io::Result<()> {
        while let Some(frame) = self.link.next()? {
            self.said(frame);
        }
        Ok(())
    }

    fn said(&mut self, frame: ToDirector) {
        match frame {
            ToDirector::Start { .. } => tracing::error!("the supervisor says to start once more"),
            ToDirector::Reload { plan, process, shown } => {
                self.exporter.follow(process.metrics.as_ref());
                self.history.follow(process.event_file.as_deref());
                self.show(shown);
                self.idle &= plan.virtual_servers.is_empty();
                self.asking.follow(&plan.tls);
                self.watch(addresses::wanted(&plan));
                self.feed(Input::Reloaded(plan));
                release_free();
                self.link.send(&FromDirector::ReloadApplied);
            }
            ToDirector::Shutdown => self.feed(Input::ShutdownRequested),
            ToDirector::ScriptFinished { run, outcome } => {
                if let Some(checker) = self.runs.remove(&run) {
                    self.feed(Input::ScriptFinished { checker, outcome });
                }
            }
            ToDirector::FileRead { file, value } => self.feed(Input::FileRead { file, value }),
            ToDirector::SessionBecame { session, up } => self.feed(Input::SessionBecame { session, up }),
            ToDirector::InstanceBecame { instance, master } => {
                self.feed(Input::InstanceBecame { instance, master });
            }
            ToDirector::ReportWanted => {
                self.link.send(&FromDirector::Report(Box::new(self.director.report())));
            }
            ToDirector::RouterStatus { number, node, vrrp } => {
                if let Some(answer) = self.asked.remove(&number) {
                    let status = standing::status(node, vrrp.map(|vrrp| *vrrp), &self.director.report());
                    // Nobody waits any more: no matter.
                    let _ = answer.send(Reply::Status(Box::new(status)));
                }
            }
            ToDirector::Measures(number, measures) => {
                if let Some(answer) = self.measuring.remove(&number) {
                    let _ = answer.send(*measures);
                }
            }
            ToDirector::Happened(happening) => self.history.keep(happening),
            ToDirector::RouterSide(number, side) => {
                if let Some(wish) = self.wishes.remove(&number) {
                    // The agent waits no more: no matter.
                    let _ = wish.send(*side);
                }
            }
            ToDirector::Changed(change) => {
                if let Some(agent) = &mut self.agent {
                    agent.changed(change);
                }
            }
        }
    }

    /// The SNMP sub-agent wants to know how everything is.
    fn wished(&mut self, wish: Wish) {
        self.wishes.retain(|_, wish| !wish.is_closed());
        self.last_question += 1;
        self.wishes.insert(self.last_question, wish);
        self.link.send(&FromDirector::RouterSideWanted(self.last_question));
    }

    /// From now on this is told by SNMP; `None` is nothing.
    fn show(&mut self, shown: Option<Box<Model>>) {
        match (&self.agent, shown) {
            (Some(agent), shown) => agent.follow(Arc::from(shown.unwrap_or_default())),
            (None, Some(shown)) => self.agent = Some(Agent::start(Arc::from(shown))),
            (None, None) => {}
        }
    }

    /// Somebody at the control socket wants to know something.
    fn asked(&mut self, asked: Asked) {
        match asked.question {
            Question::Status => {
                self.asked.retain(|_, answer| !answer.is_closed());
                self.last_question += 1;
                self.asked.insert(self.last_question, asked.answer);
                self.link.send(&FromDirector::StatusWanted(self.last_question));
            }
            Question::Events { about, last } => {
                let last = usize::try_from(last).unwrap_or(usize::MAX);
                let events = self.history.newest(about.as_deref(), last);
                let _ = asked.answer.send(Reply::Events(events));
            }
        }
    }

    /// Somebody reads the metrics. The page is written elsewhere; here is only asked for its parts.
    fn scraped(&mut self, scrape: Scrape) {
        self.measuring.retain(|_, answer| !answer.is_closed());
        self.last_question += 1;
        let (told, measures) = oneshot::channel();
        self.measuring.insert(self.last_question, told);
        self.link.send(&FromDirector::MeasuresWanted(self.last_question));
        let director = self.director.report();
        let table = (director.table && !self.idle).then(|| {
            let (told, table) = oneshot::channel();
            self.table.order(vec![Order::Measure(told)]);
            table
        });
        let _ = scrape.answer.send(Parts { director, measures, table });
    }

    /// Watches the addresses a plan asks for. What is there already is told at once.
    fn watch(&mut self, wanted: BTreeSet<IpAddr>) {
        let mut facts = Vec::new();
        match Addresses::watch(wanted, &mut facts) {
            Ok(watch) => self.addresses = watch,
            Err(error) => tracing::error!("addresses cannot be watched for ha_suspend: {error:#}"),
        }
        for fact in facts {
            // They come after whatever is being taken in now.
            let _ = self.teller.send(fact);
        }
    }

    fn feed_all(&mut self, facts: &mut Vec<Input>) {
        let mut actions = Vec::new();
        let now = clock::now();
        for fact in facts.drain(..) {
            self.director.step(now, fact, &mut actions);
        }
        self.perform(actions);
    }

    fn feed(&mut self, fact: Input) {
        let mut actions = Vec::new();
        self.director.step(clock::now(), fact, &mut actions);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Actions) {
        let many = actions.len() >= MANY_ORDERS;
        let mut orders = Vec::new();
        let mut memories: Vec<Memory> = Vec::new();
        let mut because = telling::Because::default();
        for action in actions {
            match action {
                Action::Probe { checker, probe } => self.asking.ask(checker, probe),
                Action::RunScript { checker, script } => {
                    self.last_run += 1;
                    self.runs.insert(self.last_run, checker);
                    self.link.send(&FromDirector::RunCheck {
                        run: self.last_run,
                        command: script.command.to_string(),
                        timeout: script.timeout,
                    });
                }
                Action::ListTable if self.idle => {
                    let _ = self.teller.send(Input::TableListed(Table::default()));
                }
                Action::ListTable => orders.push(Order::List),
                Action::FlushTable => orders.push(Order::Flush),
                Action::Change(change) => {
                    tracing::debug!("IPVS: {change}");
                    orders.push(Order::Change(change));
                }
                Action::SetTimeouts(timeouts) => orders.push(Order::SetTimeouts(timeouts)),
                Action::RestoreTimeouts => orders.push(Order::RestoreTimeouts),
                Action::StartSync(daemon) => orders.push(Order::StartSync(daemon)),
                Action::StopSync(role) => orders.push(Order::StopSync(role)),
                Action::Notify(notification) => {
                    // Whoever is told of it may count on a successor knowing it.
                    self.remember(&mut memories);
                    self.link.send(&FromDirector::Notify { notification, because: because.take() });
                }
                Action::Remember(memory) => memories.push(memory),
                Action::Tell(event) => {
                    let (level, line) = telling::log(&event);
                    self.history.note(event.subject.to_string(), level, line.clone());
                    because.told(&event.subject, line);
                }
                Action::Finished => self.finished = true,
            }
        }
        self.remember(&mut memories);
        self.table.order(orders);
        if many {
            release_free();
        }
    }

    fn remember(&mut self, memories: &mut Vec<Memory>) {
        if !memories.is_empty() {
            self.link.send(&FromDirector::Remember(std::mem::take(memories)));
        }
    }
}

/// What changed among the addresses; never if nobody watches.
async fn changed(addresses: Option<&mut Addresses>, facts: &mut Vec<Input>) -> anyhow::Result<()> {
    match addresses {
        Some(addresses) => addresses.changed(facts).await,
        None => std::future::pending().await,
    }
}

/// Without a control socket everything else works.
fn open_window(path: PathBuf) -> Option<Window> {
    let shown = path.display().to_string();
    match Window::open(path) {
        Ok(window) => Some(window),
        Err(error) => {
            tracing::warn!("control socket {shown}: {error}");
            None
        }
    }
}

/// What the SNMP sub-agent wants to know, if there is one.
async fn wish(agent: &mut Option<Agent>) -> Wish {
    match agent {
        Some(agent) => agent.wish().await,
        None => std::future::pending().await,
    }
}

/// The next question, if there is a window to ask at.
async fn question(window: &mut Option<Window>) -> Asked {
    match window {
        Some(window) => window.next().await,
        None => std::future::pending().await,
    }
}
