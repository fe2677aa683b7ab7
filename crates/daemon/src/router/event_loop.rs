//! The loop: wait, read everything, step, perform.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use mainstay_core::address::Route;
use mainstay_core::router::{Action, Actions, Advert, Event, Input, Reason, Router, RouterPlan};
use mainstay_core::time::{Duration, Instant};
use mainstay_system::clock;
use mainstay_system::netlink::{Heard, Monitor};
use mainstay_system::vrrp::{Inbox, Sender};
use mainstay_system::wait::{Interest, Poll, Ready, Timer, Waker};

use super::effects::Effects;
use super::helper::{Helper, Task};
use super::outbox::Outbox;
use super::outcome::{Outcome, Reporter, complaint};
use super::pace::Pace;
use super::sockets::Sockets;
use super::{Start, Supervisor, scheduling};
use crate::frames::{FromRouter, Peer, ToRouter};

/// Numbers of the loop's own descriptors in the epoll set.
const SUPERVISOR: u64 = 0;
const MONITOR: u64 = 1;
const TIMER: u64 = 2;
const LANES: u64 = 3;

/// VRRP messages read in one turn, so that a flood cannot keep our own adverts from being sent.
const MESSAGES: usize = 4096;

/// Time spent reading VRRP messages in one turn, for the same reason.
const READING: Duration = Duration::from_millis(5);

/// If so much time passed since we looked what is waiting, we look again before any deadline is believed: we may have
/// been stopped in between.
const STALE: Duration = Duration::from_millis(5);

/// How often we look again at most.
const LOOKS: usize = 16;

/// How long a finished router waits for the supervisor to take its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Everything the loop owns.
pub struct EventLoop {
    router: Router,
    actions: Actions,
    poll: Poll,
    timer: Timer,
    pace: Pace,
    outbox: Outbox,
    resume_sent: Option<Instant>,
    monitor: Monitor,
    /// A list of the kernel's tables was asked for and has not come yet.
    listing: bool,
    waker: Arc<Waker>,
    outcomes: Receiver<Outcome>,
    effects: Effects,
    helper: Helper,
    sockets: Sockets,
    inbox: Inbox,
    /// Sockets that are ready, by number.
    waiting: Vec<u64>,
    /// Which of them is read first, so that a flooded one cannot starve the others.
    first: usize,
    sender: Sender,
    adverts: Vec<Advert>,
    /// What is to be told when all sockets are open.
    pending: Vec<FromRouter>,
    /// We wait for room in the channel to the supervisor.
    writing: bool,
    ended: bool,
}

impl EventLoop {
    /// Gets everything ready; the kernel is being listed when this returns.
    ///
    /// # Errors
    /// When something is refused without which there is no routing.
    pub fn new(supervisor: Supervisor, start: Start) -> anyhow::Result<Self> {
        let Start { plan, process, resume } = start;
        let mut outbox = Outbox::new(supervisor);
        for error in scheduling::apply(&process) {
            let operation = format!("{} {}", error.operation, error.object);
            outbox.send_or_lose(&FromRouter::Event(complaint(operation, error.errno())));
        }
        let (poll, timer, waker) = (Poll::new()?, Timer::new()?, Arc::new(Waker::new()?));
        let (reporter, outcomes) = Reporter::new(Arc::clone(&waker));
        // Listening before listing: what changes in between is heard twice rather than never.
        let monitor = Monitor::open(&route_protocols(&plan))?;
        let effects = Effects::start(reporter.clone())?;
        let helper = Helper::start(reporter)?;
        poll.add(&*outbox.supervisor(), SUPERVISOR, Interest::Read)?;
        poll.add(&monitor, MONITOR, Interest::Read)?;
        poll.add(&timer, TIMER, Interest::Read)?;
        poll.add(&*waker, LANES, Interest::Read)?;
        helper.ask(Task::List);
        let sockets = Sockets::new(&plan, &process);
        let router = Router::new(clock::now(), clock::since_boot(), *plan, resume.as_ref());
        Ok(Self {
            router,
            actions: Vec::new(),
            poll,
            timer,
            pace: Pace::default(),
            outbox,
            resume_sent: None,
            monitor,
            listing: true,
            waker,
            outcomes,
            effects,
            helper,
            sockets,
            inbox: Inbox::default(),
            waiting: Vec::new(),
            first: 0,
            sender: Sender::default(),
            adverts: Vec::new(),
            pending: vec![FromRouter::Ready],
            writing: false,
            ended: false,
        })
    }

    /// Turns until everything is handed over.
    ///
    /// # Errors
    /// When something broke without which there is no routing.
    pub fn run(mut self) -> anyhow::Result<()> {
        let mut ready = Vec::new();
        while !self.ended {
            self.arm()?;
            if let Some(nap) = self.pace.nap(clock::now(), self.timer.armed()) {
                std::thread::sleep(nap);
            }
            self.poll.wait(&mut ready, true)?;
            self.turn(&mut ready)?;
        }
        self.say_last_words(&mut ready)
    }

    fn turn(&mut self, ready: &mut Vec<Ready>) -> anyhow::Result<()> {
        for look in 0..LOOKS {
            let looked = clock::now();
            let expired = self.read(ready)?;
            // More may have arrived while we read, or while we did not run at all: a deadline is believed only if
            // nothing that could have moved it is waiting unread.
            let stale = clock::now().saturating_since(looked) > STALE;
            if !(stale || (look == 0 && expired && self.is_late(looked))) {
                break;
            }
            self.poll.wait(ready, false)?;
        }
        let now = clock::now();
        let due = self.router.next_deadline().is_some_and(|deadline| deadline <= now);
        self.pace.turned(now, due);
        if due {
            self.router.step(now, Input::Tick, &mut self.actions);
        }
        self.sockets.retry(now, &self.helper);
        self.perform()?;
        if self.outbox.resume_is_due(now) {
            self.resume_sent = Some(now);
            self.outbox.send_resume(self.router.resume());
        }
        anyhow::ensure!(self.effects.is_alive(), "the effects lane died");
        Ok(())
    }

    /// Whether the timer went off long before `now`.
    fn is_late(&self, now: Instant) -> bool {
        self.timer.armed().is_some_and(|armed| now.saturating_since(armed) > STALE)
    }

    /// Reads from everything that is ready. Returns whether the timer had gone off.
    fn read(&mut self, ready: &[Ready]) -> anyhow::Result<bool> {
        let (mut supervisor, mut lanes, mut timer) = (false, false, false);
        self.waiting.clear();
        for event in ready {
            match event.token {
                SUPERVISOR => {
                    if event.writable {
                        self.outbox.flush();
                    }
                    supervisor |= event.readable;
                }
                // Kernel events come first: they say what the packets may be about.
                MONITOR => self.hear()?,
                TIMER => timer = true,
                LANES => lanes = true,
                token => self.waiting.push(token),
            }
        }
        self.receive();
        if supervisor {
            self.listen()?;
        }
        if lanes {
            self.collect()?;
        }
        Ok(timer)
    }

    /// Hears what changed in the kernel.
    fn hear(&mut self) -> anyhow::Result<()> {
        let mut inputs = Vec::new();
        let heard = self.monitor.read(&mut inputs)?;
        let now = clock::now();
        for input in inputs {
            self.router.step(now, input, &mut self.actions);
        }
        if heard == Heard::Lost && !self.listing {
            self.listing = true;
            self.helper.ask(Task::List);
        }
        Ok(())
    }

    /// Reads the sockets in [`Self::waiting`], a burst from each in turn.
    fn receive(&mut self) {
        let began = clock::now();
        let late = self.is_late(began);
        // After a stall everything that came in the meantime is read, as far as a buffer can hold.
        let (messages, reading) = if late { (16 * MESSAGES, 10 * READING) } else { (MESSAGES, READING) };
        let mut count = 0;
        self.first = self.first.wrapping_add(1);
        if !self.waiting.is_empty() {
            let first = self.first % self.waiting.len();
            self.waiting.rotate_left(first);
        }
        while !self.waiting.is_empty() {
            let Self { waiting, sockets, inbox, router, actions, .. } = self;
            waiting.retain(|token| {
                let Some(socket) = sockets.by_token(*token) else { return false };
                // An error is that of the link (down, gone), of which the monitor tells; reading has cleared it.
                let Ok(packets) = inbox.receive(socket) else { return false };
                let now = clock::now();
                for packet in packets {
                    router.step(now, Input::PacketReceived(packet), actions);
                    count += 1;
                }
                inbox.is_full()
            });
            if count >= messages || clock::now().saturating_since(began) >= reading {
                break;
            }
        }
    }

    /// Takes in what the supervisor says.
    fn listen(&mut self) -> anyhow::Result<()> {
        let peer = self.outbox.receive()?;
        while let Some(frame) = self.outbox.supervisor().next()? {
            self.take_in(frame);
        }
        if peer == Peer::Gone {
            // Nobody would restart us, run our scripts or stop us: hand over while we can.
            tracing::error!("the supervisor is gone: handing over");
            self.poll.remove(&*self.outbox.supervisor())?;
            self.outbox.close();
            self.step(Input::ShutdownRequested);
        }
        Ok(())
    }

    fn take_in(&mut self, frame: ToRouter) {
        match frame {
            ToRouter::Start { .. } => tracing::error!("the supervisor said twice what to be; ignored"),
            ToRouter::Reload(plan) => {
                if let Err(error) = self.follow(&plan) {
                    let operation = format!("{} {}", error.operation, error.object);
                    self.tell(&complaint(operation, error.errno()));
                }
                self.step(Input::Reloaded(plan));
                self.pending.push(FromRouter::ReloadApplied);
            }
            ToRouter::Shutdown => self.step(Input::ShutdownRequested),
            ToRouter::ScriptFinished { script, outcome } => {
                self.step(Input::ScriptFinished { script, outcome })
            }
            ToRouter::FileRead { file, value } => self.step(Input::FileRead { file, value }),
            ToRouter::ProcessesCounted { process, count } => {
                self.step(Input::ProcessesCounted { process, count });
            }
            ToRouter::ReportRequested(number) => {
                let report = Box::new(self.router.report());
                self.outbox.send(FromRouter::Report(number, report));
            }
        }
    }

    /// Filters for another plan.
    fn follow(&mut self, plan: &RouterPlan) -> mainstay_system::Result<()> {
        self.monitor.follow_routes_of(&route_protocols(plan))?;
        self.sockets.follow(plan)
    }

    /// Takes in what the lanes say.
    fn collect(&mut self) -> anyhow::Result<()> {
        self.waker.quiet();
        while let Ok(outcome) = self.outcomes.try_recv() {
            match outcome {
                Outcome::Refused(input) => self.step(input),
                Outcome::Notify(notification) => self.outbox.send(FromRouter::Notify(notification)),
                Outcome::Tell(event) => self.tell(&event),
                Outcome::Flushed => {
                    self.outbox.send(FromRouter::Finished);
                    self.ended = true;
                }
                Outcome::Listed(tables) => {
                    self.listing = false;
                    // Events from before the list must not be taken for news after it.
                    self.hear()?;
                    match tables {
                        Ok(tables) => self.step(tables.into()),
                        Err(error) => {
                            self.tell(&complaint(
                                format!("{} {}", error.operation, error.object),
                                error.errno(),
                            ));
                            self.listing = true;
                            self.helper.ask(Task::List);
                        }
                    }
                }
                Outcome::Opened(wanted, result) => {
                    let opened = self.sockets.opened(clock::now(), wanted, result, &self.poll, &self.helper);
                    if let Err(error) = opened {
                        self.tell(&complaint(format!("{} {}", error.operation, error.object), error.errno()));
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, input: Input<'static>) {
        self.router.step(clock::now(), input, &mut self.actions);
    }

    fn tell(&mut self, event: &Event) {
        self.outbox.send_or_lose(&FromRouter::Event(event.clone()));
    }

    /// Performs what was ordered: adverts at once, the loop's own business, and the rest on the effects lane.
    fn perform(&mut self) -> anyhow::Result<()> {
        while !self.actions.is_empty() {
            let mut orders = Vec::new();
            let mut finished = false;
            let mut actions = std::mem::take(&mut self.actions);
            for action in actions.drain(..) {
                match action {
                    Action::SendAdvert(advert) => self.adverts.push(advert),
                    Action::RunScript(script) => self.outbox.send(FromRouter::RunScript(script)),
                    Action::SocketsChanged => {
                        let wanted = self.router.wanted_sockets();
                        self.sockets.become_these(&wanted, &self.poll, &self.helper);
                    }
                    Action::Finished => finished = true,
                    order => {
                        if is_state_change(&order) {
                            self.outbox.state_changed(self.resume_sent, clock::now());
                        }
                        orders.push(order);
                    }
                }
            }
            // The emptied vector keeps its room for the next turn.
            self.actions = actions;
            self.advertise();
            if !orders.is_empty() {
                self.effects.perform(orders);
            }
            if finished {
                self.effects.flush();
            }
        }
        self.tell_when_open();
        Ok(())
    }

    /// Sends the adverts that were ordered. What the kernel refuses comes back as a fact.
    fn advertise(&mut self) {
        if self.adverts.is_empty() {
            return;
        }
        let Self { sender, adverts, router, actions, .. } = self;
        sender.send(adverts, |advert, errno| {
            let instance = Arc::clone(&advert.instance);
            router.step(clock::now(), Input::AdvertRefused { instance, errno }, actions);
        });
        adverts.clear();
    }

    /// Says that a plan is in force once everything it wants to hear is heard.
    fn tell_when_open(&mut self) {
        if self.pending.is_empty() || self.listing || self.sockets.is_opening() {
            return;
        }
        for frame in std::mem::take(&mut self.pending) {
            self.outbox.send(frame);
        }
    }

    /// Sets the timer and what is waited for.
    fn arm(&mut self) -> anyhow::Result<()> {
        let router = self.router.next_deadline().map(|deadline| self.pace.wake_at(deadline));
        let deadline = [router, self.outbox.deadline(), self.sockets.deadline()].into_iter().flatten().min();
        let expired = self.timer.armed().is_some_and(|armed| armed <= clock::now());
        self.timer.arm(deadline, expired)?;
        let wants_write = self.outbox.wants_write();
        if wants_write != self.writing && !self.outbox.is_closed() {
            let interest = if wants_write { Interest::ReadWrite } else { Interest::Read };
            self.poll.change(&*self.outbox.supervisor(), SUPERVISOR, interest)?;
            self.writing = wants_write;
        }
        Ok(())
    }

    /// Waits a moment until the supervisor has taken what is still queued.
    fn say_last_words(mut self, ready: &mut Vec<Ready>) -> anyhow::Result<()> {
        let until = clock::now() + LAST_WORDS;
        self.outbox.flush();
        while self.outbox.wants_write() && clock::now() < until {
            self.poll.change(&*self.outbox.supervisor(), SUPERVISOR, Interest::ReadWrite)?;
            self.timer.arm(Some(until), true)?;
            self.poll.wait(ready, true)?;
            let heard = ready.iter().any(|event| event.token == SUPERVISOR && event.readable);
            if heard && self.outbox.receive()? == Peer::Gone {
                break;
            }
            self.outbox.flush();
        }
        Ok(())
    }
}

/// Whether a successor should know.
fn is_state_change(order: &Action) -> bool {
    match order {
        Action::Notify(_) => true,
        Action::Tell(event) => matches!(
            event.reason,
            Reason::StateChanged { .. } | Reason::TrackerChanged { .. } | Reason::Reloaded { .. }
        ),
        _ => false,
    }
}

/// Who installs the routes of a plan, for the monitor's filter.
fn route_protocols(plan: &RouterPlan) -> Vec<u8> {
    let routes = plan.instances.iter().flat_map(|instance| &instance.routes).chain(&plan.static_routes);
    let mut protocols: Vec<u8> = routes.map(|route: &Arc<Route>| route.protocol).collect();
    protocols.sort_unstable();
    protocols.dedup();
    protocols
}
