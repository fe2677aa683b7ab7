//! One session: the state machine of RFC 5880 section 6.8.
//!
//! ```text
//!                             +--+
//!                             |  | UP, ADMIN DOWN, TIMER
//!                             |  V
//!                     DOWN  +------+  INIT
//!              +------------|      |------------+
//!              |            | DOWN |            |
//!              |  +-------->|      |<--------+  |
//!              |  |         +------+         |  |
//!              |  |  ADMIN DOWN,    ADMIN DOWN, |
//!              |  |  TIMER          DOWN,    |  |
//!              V  |                 TIMER    |  V
//!            +------+                      +------+
//!       +----|      |       INIT, UP       |      |----+
//!   DOWN|    | INIT |--------------------->|  UP  |    |INIT, UP
//!       +--->|      |                      |      |<---+
//!            +------+                      +------+
//! ```
//!
//! (RFC 5880 section 6.2. The words at the arrows are the states that the neighbour's packets tell; TIMER is the
//! detection time.)

use core::num::{NonZeroU8, NonZeroU32};

use super::action::{Action, Actions, SessionId, Transmission, Verdict};
use super::packet::{self, ControlPacket};
use super::plan::SessionPlan;
use super::random::Random;
use super::reason::{Cause, Change};
use super::report::{RemoteReport, SessionCounters, SessionReport};
use super::timers::{Timing, detection_time, draw_jitter, jittered, transmit_interval};
use super::{Diagnostic, State};
use crate::router::{Event, Reason, Subject};
use crate::time::{Duration, Instant};

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    /// What the configuration asks.
    pub plan: SessionPlan,
    /// Our discriminator.
    pub id: SessionId,
    /// From which port we send.
    pub source_port: u16,
    /// Counters.
    pub counters: SessionCounters,
    state: State,
    since: Instant,
    diagnostic: Diagnostic,
    remote: Option<Remote>,
    timing: Timing,
    pace: Pace,
    presumption: Presumption,
    /// When one that was taken down ends.
    ends: Option<Instant>,
}

/// What the neighbour said. Forgotten when nothing of it is heard for the detection time.
#[derive(Debug, Clone, Copy)]
struct Remote {
    discriminator: NonZeroU32,
    state: State,
    diagnostic: Diagnostic,
    demand: bool,
    multiplier: NonZeroU8,
    desired_min_tx: Duration,
    required_min_rx: Duration,
    /// When it was last heard.
    heard: Instant,
    /// The end of the detection time.
    expires: Instant,
}

/// When we sent, and how much of the interval is to pass until we send again.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// Nothing was sent yet; the first packet leaves at this moment.
    From(Instant),
    /// Sent.
    Sent {
        at: Instant,
        /// Millionths of the interval.
        jitter: u32,
    },
}

/// What those who follow a session believe of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presumption {
    /// What they were told last: up, or not.
    None(bool),
    /// Something from before this session began, until this moment: it had no time yet to come up.
    Until(Instant),
}

/// Where effects go, and what they need.
pub struct Stage<'a> {
    /// Now.
    pub now: Instant,
    /// Chance.
    pub random: &'a mut Random,
    /// Orders.
    pub actions: &'a mut Actions,
}

impl Session {
    /// A session that is down, and known to be. Our discriminator is to differ from those of all other sessions.
    pub fn new(now: Instant, plan: SessionPlan, id: SessionId, source_port: u16) -> Self {
        Self {
            timing: Timing::new(plan.idle_intervals()),
            plan,
            id,
            source_port,
            counters: SessionCounters::default(),
            state: State::Down,
            since: now,
            diagnostic: Diagnostic::None,
            remote: None,
            pace: Pace::From(now),
            presumption: Presumption::None(false),
            ends: None,
        }
    }

    /// Leaves those who follow it in their belief until it is up, or has had time enough to be: as long as it would
    /// take to detect the neighbour's absence while nothing is up.
    pub fn presume(&mut self, now: Instant) {
        let patience = self.plan.idle_intervals().desired_min_tx * u32::from(self.plan.multiplier.get());
        self.presumption = Presumption::Until(now + patience);
    }

    /// Its state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether one that was taken down has said so for long enough.
    pub fn has_ended(&self, now: Instant) -> bool {
        self.ends.is_some_and(|end| end <= now)
    }

    /// When [`Self::tick`] is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let presumption = match self.presumption {
            Presumption::None(_) => None,
            Presumption::Until(end) => Some(end),
        };
        let expires = self.remote.map(|remote| remote.expires);
        [self.next_send(), expires, presumption, self.ends].into_iter().flatten().min()
    }

    /// Takes in a packet that was found to be for this session (RFC 5880 section 6.8.6, from "Set bfd.RemoteDiscr").
    pub fn hear(&mut self, packet: &ControlPacket, stage: &mut Stage<'_>) {
        self.counters.received += 1;
        if self.state == State::AdminDown {
            // The RFC takes over the variables first; of a session that only says farewell they have no reader.
            return;
        }
        if packet.is_final {
            self.timing.answered();
        }
        let detection =
            detection_time(packet.multiplier, self.timing.in_force().required_min_rx, packet.desired_min_tx);
        self.remote = Some(Remote {
            discriminator: packet.my_discriminator,
            state: packet.state,
            diagnostic: packet.diagnostic,
            demand: packet.demand,
            multiplier: packet.multiplier,
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            heard: stage.now,
            expires: stage.now + detection,
        });
        let before = self.state;
        let cause = Cause::Neighbour(packet.state);
        match (self.state, packet.state) {
            (State::Down, State::Down) => self.become_init(cause, stage),
            (State::Down, State::Init) => self.become_up(cause, stage),
            (State::Init, State::Init | State::Up) => self.become_up(cause, stage),
            (State::Init, State::AdminDown) | (State::Up, State::AdminDown | State::Down) => {
                self.become_down(Diagnostic::NeighborSignaledDown, cause, stage);
            }
            // It does not know yet that we are Down, and will hear it; or it does not want to.
            (State::Down, State::Up | State::AdminDown) => {}
            // It has not heard our Init yet.
            (State::Init, State::Down) => {}
            (State::Up, State::Init | State::Up) => {}
            // Returned above.
            (State::AdminDown, State::AdminDown | State::Down | State::Init | State::Up) => {}
        }
        if packet.poll {
            // At once, whatever else keeps us from sending.
            self.send(true, stage);
        } else if self.state != before {
            self.send_news(stage);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, stage: &mut Stage<'_>) {
        if self.has_ended(stage.now) {
            return;
        }
        if let Some(remote) = self.remote
            && remote.expires <= stage.now
        {
            self.lose(remote, stage);
        }
        if let Presumption::Until(end) = self.presumption
            && end <= stage.now
        {
            self.tell_verdict(false, stage);
        }
        if self.next_send().is_some_and(|at| at <= stage.now) {
            self.send(false, stage);
        }
    }

    /// Nothing was heard for the detection time (RFC 5880 sections 6.8.1, bfd.RemoteDiscr, and 6.8.4).
    ///
    /// What the neighbour said of itself is forgotten with its discriminator: if it had asked for no packets, nobody
    /// could begin anew.
    fn lose(&mut self, remote: Remote, stage: &mut Stage<'_>) {
        match self.state {
            State::Init | State::Up => {
                let silence = stage.now.saturating_since(remote.heard);
                self.become_down(Diagnostic::DetectionTimeExpired, Cause::Silence { silence }, stage);
                self.remote = None;
                self.send_news(stage);
            }
            State::Down | State::AdminDown => self.remote = None,
        }
    }

    /// Takes up another plan with the same two ends. A session that is up stays up: the neighbour is told of other
    /// intervals by a poll sequence.
    pub fn replan(&mut self, plan: SessionPlan, stage: &mut Stage<'_>) {
        let said = (self.timing.said(), self.plan.multiplier);
        let told_less = (self.plan.audience.vrrp, self.plan.audience.checkers);
        self.plan = plan;
        match self.state {
            State::Up => self.timing.change(self.plan.intervals),
            State::Down | State::Init => self.timing = Timing::new(self.plan.idle_intervals()),
            State::AdminDown => {}
        }
        if said != (self.timing.said(), self.plan.multiplier) {
            self.send_news(stage);
        }
        if told_less != (self.plan.audience.vrrp, self.plan.audience.checkers) {
            self.repeat_verdict(stage);
        }
    }

    /// Ends the session on purpose (RFC 5880 section 6.8.16). A neighbour that is heard is told so for as long as it now
    /// would take to detect our absence.
    pub fn take_down(&mut self, cause: Cause, stage: &mut Stage<'_>) {
        self.timing = Timing::new(self.plan.idle_intervals());
        self.diagnostic = Diagnostic::AdministrativelyDown;
        self.presumption = Presumption::None(false);
        self.change(State::AdminDown, cause, stage);
        if self.remote.is_some() {
            self.ends = Some(stage.now + self.transmit_interval() * u32::from(self.plan.multiplier.get()));
            self.send_news(stage);
        } else {
            self.ends = Some(stage.now);
        }
    }

    fn become_init(&mut self, cause: Cause, stage: &mut Stage<'_>) {
        self.change(State::Init, cause, stage);
    }

    fn become_up(&mut self, cause: Cause, stage: &mut Stage<'_>) {
        self.diagnostic = Diagnostic::None;
        self.counters.went_up += 1;
        self.timing.change(self.plan.intervals);
        self.change(State::Up, cause, stage);
        self.tell_verdict(true, stage);
    }

    fn become_down(&mut self, diagnostic: Diagnostic, cause: Cause, stage: &mut Stage<'_>) {
        self.diagnostic = diagnostic;
        // RFC 5880 section 6.8.3: not up, not often. Without a poll sequence: there is nobody to be surprised.
        self.timing = Timing::new(self.plan.idle_intervals());
        let was_up = self.state == State::Up;
        self.change(State::Down, cause, stage);
        if was_up {
            self.counters.went_down += 1;
            self.tell_verdict(false, stage);
        }
    }

    fn change(&mut self, to: State, cause: Cause, stage: &mut Stage<'_>) {
        let remote = self.remote.map_or(Diagnostic::None, |remote| remote.diagnostic);
        let change = Change { from: self.state, to, cause, local: self.diagnostic, remote };
        self.state = to;
        self.since = stage.now;
        let subject = Subject::Bfd((*self.plan.name).into());
        let event = Event { at: stage.now, subject, reason: Reason::SessionChanged(change) };
        stage.actions.push(Action::Tell(event));
    }

    fn tell_verdict(&mut self, up: bool, stage: &mut Stage<'_>) {
        if self.presumption != Presumption::None(up) {
            self.presumption = Presumption::None(up);
            self.repeat_verdict(stage);
        }
    }

    fn repeat_verdict(&self, stage: &mut Stage<'_>) {
        if let Presumption::None(up) = self.presumption {
            let audience = self.plan.audience;
            stage.actions.push(Action::TellVerdict(Verdict {
                session: self.plan.name.clone(),
                up,
                vrrp: audience.vrrp,
                checkers: audience.checkers,
            }));
        }
    }

    /// When the next periodic packet is due (RFC 5880 section 6.8.7).
    fn next_send(&self) -> Option<Instant> {
        let wanted = match self.remote {
            // Who is passive waits for the other end.
            None => !self.plan.passive,
            Some(remote) => {
                let demanded = remote.demand
                    && self.state == State::Up
                    && remote.state == State::Up
                    && !self.timing.polls();
                !remote.required_min_rx.is_zero() && !demanded
            }
        };
        if !wanted {
            return None;
        }
        Some(match self.pace {
            Pace::From(at) => at,
            Pace::Sent { at, jitter } => at + jittered(self.transmit_interval(), jitter),
        })
    }

    /// Says at once what is new, rather than at the next turn.
    fn send_news(&mut self, stage: &mut Stage<'_>) {
        if self.next_send().is_some() {
            self.send(false, stage);
        }
    }

    fn send(&mut self, is_final: bool, stage: &mut Stage<'_>) {
        if !is_final {
            let jitter = draw_jitter(self.plan.multiplier, stage.random);
            self.pace = Pace::Sent { at: stage.now, jitter };
        }
        self.counters.sent += 1;
        stage.actions.push(Action::Send(Transmission {
            session: self.id,
            source: self.plan.source,
            source_port: self.source_port,
            destination: self.plan.neighbour,
            port: self.plan.port(),
            ttl: self.plan.ttl,
            payload: packet::emit(&self.packet(is_final)),
        }));
    }

    /// What we say of ourselves.
    fn packet(&self, is_final: bool) -> ControlPacket {
        let said = self.timing.said();
        ControlPacket {
            state: self.state,
            diagnostic: self.diagnostic,
            // Never both in one packet (RFC 5880 section 6.5).
            poll: self.timing.polls() && !is_final,
            is_final,
            control_plane_independent: false,
            demand: false,
            multiplier: self.plan.multiplier,
            my_discriminator: self.id.0,
            your_discriminator: self.remote.map(|remote| remote.discriminator),
            desired_min_tx: said.desired_min_tx,
            required_min_rx: said.required_min_rx,
            // We send no echo packets back.
            required_min_echo_rx: Duration::ZERO,
        }
    }

    fn transmit_interval(&self) -> Duration {
        let remote_min_rx = self.remote.map_or(Duration::ZERO, |remote| remote.required_min_rx);
        transmit_interval(self.timing.in_force().desired_min_tx, remote_min_rx)
    }

    fn detection_time(&self, remote: &Remote) -> Duration {
        detection_time(remote.multiplier, self.timing.in_force().required_min_rx, remote.desired_min_tx)
    }

    /// A snapshot.
    pub fn report(&self) -> SessionReport {
        SessionReport {
            name: (*self.plan.name).into(),
            neighbour: self.plan.neighbour,
            state: self.state,
            since: self.since,
            diagnostic: self.diagnostic,
            discriminator: self.id.0.get(),
            polls: self.timing.polls(),
            transmit_interval: self.transmit_interval(),
            neighbour_says: self.remote.map(|remote| RemoteReport {
                state: remote.state,
                diagnostic: remote.diagnostic,
                discriminator: remote.discriminator.get(),
                multiplier: remote.multiplier.get(),
                demand: remote.demand,
                desired_min_tx: remote.desired_min_tx,
                required_min_rx: remote.required_min_rx,
                heard: remote.heard,
                detection_time: self.detection_time(&remote),
            }),
            counters: self.counters,
        }
    }
}
