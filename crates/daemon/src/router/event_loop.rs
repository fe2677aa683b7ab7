//! The loop: wait, read everything (`intake`), step, perform.

use std::borrow::Cow;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::SystemTime;

use mainstay_core::heartbeat::BootId;
use mainstay_core::recording::Head;
use mainstay_core::router::{Action, Actions, Advert, Datagram, Input, Listening, Reason};
use mainstay_core::time::{Duration, Instant};
use mainstay_system::announce::{Announcer, Question};
use mainstay_system::clock;
use mainstay_system::netlink::Monitor;
use mainstay_system::vrrp::{DatagramSender, Inbox, Sender};
use mainstay_system::wait::{Interest, Poll, Ready, Timer, Waker};

use super::bfd::{Bfd, News};
use super::claims::Claims;
use super::effects::Effects;
use super::helper::{Helper, Task};
use super::intake::route_protocols;
use super::outbox::Outbox;
use super::outcome::{Outcome, Reporter, complaint};
use super::pace::Pace;
use super::sockets::Sockets;
use super::tape::TapedRouter;
use super::time_of_day::TimeOfDay;
use super::{Start, Supervisor, gates, scheduling};
use crate::frames::{FromRouter, Peer};

/// Numbers of the loop's own descriptors in the epoll set.
pub(super) const SUPERVISOR: u64 = 0;
pub(super) const MONITOR: u64 = 1;
pub(super) const TIMER: u64 = 2;
pub(super) const LANES: u64 = 3;

/// A timer that went off so long ago shows that the loop did not run when it should have.
const LATE: Duration = Duration::from_millis(5);

/// If so much time passed since we looked what is waiting, we look again before any deadline is believed: reading
/// alone never takes so long, so we did not run for a while. Half of the shortest time after which a silent master is
/// replaced.
const STALE: Duration = Duration::from_millis(15);

/// "Timer expired": the errno of an advert that we do not send ourselves because its lease is over.
const ETIME: i32 = 62;

/// How often we look at most.
const LOOKS: usize = 8;

/// How long a finished router waits for the supervisor to take its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Everything the loop owns.
pub struct EventLoop {
    pub(super) router: TapedRouter,
    time_of_day: TimeOfDay,
    pub(super) actions: Actions,
    pub(super) poll: Poll,
    pub(super) timer: Timer,
    pub(super) pace: Pace,
    pub(super) outbox: Outbox,
    pub(super) resume_sent: Option<Instant>,
    pub(super) monitor: Monitor,
    /// A list of the kernel's tables was asked for and has not come yet.
    pub(super) listing: bool,
    /// Events were lost while it was made: it may be older than they were.
    pub(super) list_is_old: bool,
    pub(super) waker: Arc<Waker>,
    pub(super) outcomes: Receiver<Outcome>,
    pub(super) effects: Effects,
    pub(super) helper: Helper,
    pub(super) sockets: Sockets,
    pub(super) inbox: Inbox,
    pub(super) bfd: Bfd,
    pub(super) claims: Claims,
    /// Those of them that are ready, by number.
    pub(super) claiming: Vec<u64>,
    /// Asks who has an address.
    asker: Announcer,
    questions: Vec<Question>,
    /// Sockets that are ready, by number.
    pub(super) waiting: Vec<u64>,
    /// Which of them is read first, so that a flooded one cannot starve the others.
    pub(super) first: usize,
    pub(super) sender: Sender,
    pub(super) adverts: Vec<Advert>,
    pub(super) heartbeat_sender: DatagramSender,
    pub(super) heartbeats: Vec<Datagram>,
    /// What is to be told when all sockets are open.
    pub(super) pending: Vec<FromRouter>,
    /// We wait for room in the channel to the supervisor.
    pub(super) writing: bool,
    pub(super) ended: bool,
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
        let bfd = Bfd::new(clock::now(), chance(), &plan, resume.as_ref());
        let head = Head {
            now: clock::now(),
            since_boot: clock::since_boot(),
            boot: boot_id(),
            open: resume.as_ref().and_then(|_| gates::found_open()),
            plan: Cow::Owned(*plan),
            resume: resume.map(Cow::Owned),
        };
        let router = TapedRouter::new(head, process.record.as_deref());
        Ok(Self {
            router,
            time_of_day: TimeOfDay::default(),
            actions: Vec::new(),
            poll,
            timer,
            pace: Pace::default(),
            outbox,
            resume_sent: None,
            monitor,
            listing: true,
            list_is_old: false,
            waker,
            outcomes,
            effects,
            helper,
            sockets,
            inbox: Inbox::default(),
            bfd,
            claims: Claims::default(),
            claiming: Vec::new(),
            asker: Announcer::open()?,
            questions: Vec::new(),
            waiting: Vec::new(),
            first: 0,
            sender: Sender::default(),
            adverts: Vec::new(),
            heartbeat_sender: DatagramSender::default(),
            heartbeats: Vec::new(),
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
        // What the supervisor said in one breath with its first word was read with it: nothing would wake us for it.
        self.read_clock();
        self.listen()?;
        self.perform()?;
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

    /// Before anything is read that has a stamp: it may have been long since we looked.
    fn read_clock(&mut self) {
        if let Some(since_1970) = self.time_of_day.news(clock::now(), clock::since_1970()) {
            self.step(Input::ClockRead { since_1970 });
        }
    }

    fn turn(&mut self, ready: &mut Vec<Ready>) -> anyhow::Result<()> {
        let mut late = self.is_late(clock::now());
        self.read_clock();
        for _ in 0..LOOKS {
            let looked = clock::now();
            self.read(ready, late)?;
            // More may have arrived while we read, or while we did not run at all: a deadline is believed only if
            // nothing that could have moved it is waiting unread.
            if !late && clock::now().saturating_since(looked) < STALE {
                break;
            }
            late = false;
            self.poll.wait(ready, false)?;
        }
        let now = clock::now();
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let (due, bfd_due) = (is_due(self.router.next_deadline()), is_due(self.bfd.deadline()));
        self.pace.turned(now, due || bfd_due);
        if due {
            self.router.step(now, Input::Tick, &mut self.actions);
        }
        self.sockets.retry(now, &self.helper);
        self.claims.retry(now, &self.helper);
        self.perform()?;
        // Behind the adverts: nothing may delay them.
        if bfd_due {
            self.bfd.tick(now);
        }
        self.perform_bfd()?;
        if self.outbox.resume_is_due(now) {
            self.resume_sent = Some(now);
            self.outbox.send_resume(self.router.resume());
        }
        anyhow::ensure!(self.effects.is_alive(), "the effects lane died");
        Ok(())
    }

    /// Performs what was ordered: adverts at once, the loop's own business, and the rest on the effects lane.
    fn perform(&mut self) -> anyhow::Result<()> {
        while !self.actions.is_empty() {
            let mut orders = Vec::new();
            let mut finished = false;
            let mut opening = Vec::new();
            let mut actions = std::mem::take(&mut self.actions);
            for action in actions.drain(..) {
                match action {
                    Action::SendAdvert(advert) => self.adverts.push(advert),
                    Action::SendHeartbeat(heartbeat) => self.heartbeats.push(heartbeat),
                    Action::ProbeAddress { link, mac, address } => {
                        self.questions.push(Question { link, mac, address });
                    }
                    Action::RunScript(script) => self.outbox.send(FromRouter::RunScript(script)),
                    Action::SocketsChanged => {
                        let wanted = self.router.wanted_sockets();
                        opening.extend(self.sockets.become_these(&wanted, &self.poll, &self.helper));
                        let watched = self.router.watched_claims();
                        if let Err(error) = self.claims.become_these(watched, &self.poll, &self.helper) {
                            self.complain(&error);
                        }
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
            for socket in opening {
                self.step(Input::SocketBecame { socket, listening: Listening::Opening });
            }
            self.advertise();
            self.say_heartbeats();
            self.ask();
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

    /// Sends control packets, and passes on what sessions have become.
    fn perform_bfd(&mut self) -> anyhow::Result<()> {
        let Self { bfd, poll, router, actions, outbox, .. } = self;
        bfd.perform(poll, |news| match news {
            News::Verdict(verdict) => {
                if verdict.checkers {
                    let session = (*verdict.session).to_owned();
                    outbox.send(FromRouter::SessionBecame { session, up: verdict.up });
                }
                let fact = Input::SessionBecame { session: verdict.session, up: verdict.up };
                router.step(clock::now(), fact, actions);
            }
            News::Event(event) => outbox.send_or_lose(&FromRouter::Event(event)),
            News::Unheard(operation, errno) => {
                outbox.send_or_lose(&FromRouter::Event(complaint(operation, errno)));
            }
        });
        self.perform()
    }

    /// Sends the adverts that were ordered. What the kernel refuses comes back as a fact.
    fn advertise(&mut self) {
        if self.adverts.is_empty() {
            return;
        }
        let Self { sender, adverts, router, actions, .. } = self;
        // We may have been stopped between the decision and this line.
        let now = clock::now();
        adverts.retain(|advert| {
            let in_time = advert.not_after.is_none_or(|end| now < end);
            if !in_time {
                let instance = Arc::clone(&advert.instance);
                router.step(now, Input::AdvertRefused { instance, errno: ETIME }, actions);
            }
            in_time
        });
        sender.send(adverts, |advert, errno| {
            let instance = Arc::clone(&advert.instance);
            router.step(clock::now(), Input::AdvertRefused { instance, errno }, actions);
        });
        adverts.clear();
    }

    /// Sends the heartbeats that were ordered, behind the adverts.
    fn say_heartbeats(&mut self) {
        if self.heartbeats.is_empty() {
            return;
        }
        let Self { heartbeat_sender, heartbeats, router, actions, .. } = self;
        heartbeat_sender.send(heartbeats, |heartbeat, errno| {
            let leg = heartbeat.leg;
            router.step(clock::now(), Input::HeartbeatRefused { leg, errno }, actions);
        });
        heartbeats.clear();
    }

    /// Asks who has the addresses that we are about to take.
    fn ask(&mut self) {
        if self.questions.is_empty() {
            return;
        }
        // One line for all: what keeps one question from leaving keeps them all.
        let mut refused = None;
        self.asker.ask(&self.questions, |question, error| {
            refused.get_or_insert((*question, error.raw_os_error().unwrap_or(0)));
        });
        self.questions.clear();
        if let Some((Question { link, address, .. }, errno)) = refused {
            self.tell(&complaint(format!("ask {link} who has {address}"), errno));
        }
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

    /// Whether the timer went off long before `now`.
    fn is_late(&self, now: Instant) -> bool {
        self.timer.armed().is_some_and(|armed| now.saturating_since(armed) > LATE)
    }

    /// Sets the timer and what is waited for.
    fn arm(&mut self) -> anyhow::Result<()> {
        let router = self.router.next_deadline().map(|deadline| self.pace.wake_at(deadline));
        let bfd = self.bfd.deadline().map(|deadline| self.pace.wake_at(deadline));
        let deadline = [router, bfd, self.outbox.deadline(), self.sockets.deadline(), self.claims.deadline()]
            .into_iter()
            .flatten()
            .min();
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

/// A name for this life of this process: the time of day orders lives of one node, chance tells nodes apart.
fn boot_id() -> BootId {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
    BootId::new(milliseconds, (chance() >> 32) as u32)
}

/// The keys of a fresh hasher are the standard library's only source of chance.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Whether a successor should know.
fn is_state_change(order: &Action) -> bool {
    match order {
        Action::Notify(_) => true,
        Action::Tell(event) => matches!(
            event.reason,
            Reason::StateChanged { .. }
                | Reason::TrackerChanged { .. }
                | Reason::LeaseArmed { .. }
                | Reason::LeaseWithoutPeer
                | Reason::LettingGo
                | Reason::LinkMade { .. }
                | Reason::Reloaded { .. }
        ),
        _ => false,
    }
}
