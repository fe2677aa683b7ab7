//! One end with its clock; the neighbour is whatever a test says it hears.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use mainstay_core::address::LinkIndex;
use mainstay_core::bfd::packet::{self, ControlPacket};
use mainstay_core::bfd::{
    Action, Audience, BfdRejection, Change, Diagnostic, Input, Intervals, SessionId, SessionPlan,
    SessionReport, Sessions, State, Transmission, Verdict,
};
use mainstay_core::router::{Event, Packet, Reason};
use mainstay_core::time::Instant;

/// The neighbour's discriminator.
pub const THEIRS: u32 = 7;

pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub fn at(milliseconds: u64) -> Instant {
    Instant::ZERO + ms(milliseconds)
}

pub fn intervals(tx: u64, rx: u64) -> Intervals {
    Intervals { desired_min_tx: ms(tx), required_min_rx: ms(rx) }
}

/// 10 ms x 3 with 192.0.2.2.
pub fn plan() -> SessionPlan {
    SessionPlan {
        name: "gw".into(),
        neighbour: IpAddr::from([192, 0, 2, 2]),
        source: None,
        multihop: false,
        intervals: intervals(10, 10),
        idle_tx: ms(1_000),
        multiplier: NonZeroU8::new(3).expect("not zero"),
        passive: false,
        ttl: 255,
        least_ttl: 255,
        audience: Audience::default(),
    }
}

/// What the neighbour of [`plan`] says in this state: 10 ms x 3 as well, and without a discriminator of ours.
pub fn says(state: State) -> ControlPacket {
    ControlPacket {
        state,
        diagnostic: Diagnostic::None,
        poll: false,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).expect("not zero"),
        my_discriminator: NonZeroU32::new(THEIRS).expect("not zero"),
        your_discriminator: None,
        desired_min_tx: ms(10),
        required_min_rx: ms(10),
        required_min_echo_rx: Duration::ZERO,
    }
}

/// One end: what it was told, and all it ordered.
pub struct End {
    pub sessions: Sessions,
    pub now: Instant,
    /// Packets sent since they were last taken.
    pub sent: Vec<(Instant, Transmission)>,
    pub verdicts: Vec<Verdict>,
    pub changes: Vec<(Instant, Change)>,
    pub rejections: Vec<(IpAddr, BfdRejection, u64)>,
    pub sockets_changed: u32,
}

impl End {
    pub fn new(plan: SessionPlan) -> Self {
        Self::with(Sessions::new(Instant::ZERO, 5880, vec![plan], []))
    }

    pub fn with(sessions: Sessions) -> Self {
        Self {
            sessions,
            now: Instant::ZERO,
            sent: Vec::new(),
            verdicts: Vec::new(),
            changes: Vec::new(),
            rejections: Vec::new(),
            sockets_changed: 0,
        }
    }

    /// One that is in this state, with a neighbour that goes on from there.
    pub fn in_state(state: State) -> Self {
        let mut end = Self::new(plan());
        end.until(at(0));
        match state {
            State::Down => {}
            State::Init => end.hear(says(State::Down)),
            State::Up => end.hear(says(State::Init)),
            State::AdminDown => panic!("a session that was taken down has no report"),
        }
        end.sent.clear();
        end
    }

    pub fn step(&mut self, input: Input<'_>) {
        let mut actions = Vec::new();
        self.sessions.step(self.now, input, &mut actions);
        for action in actions {
            match action {
                Action::Send(transmission) => self.sent.push((self.now, transmission)),
                Action::TellVerdict(verdict) => self.verdicts.push(verdict),
                Action::Tell(Event { at, reason: Reason::SessionChanged(change), .. }) => {
                    self.changes.push((at, change));
                }
                Action::Tell(Event {
                    reason: Reason::ControlPacketsRejected { source, rejection, count },
                    ..
                }) => self.rejections.push((source, rejection, count)),
                Action::Tell(_) => {}
                Action::SocketsChanged => self.sockets_changed += 1,
            }
        }
    }

    /// Lets time pass: every deadline is served at its moment.
    pub fn until(&mut self, end: Instant) {
        while let Some(deadline) = self.sessions.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.step(Input::Tick);
        }
        self.now = end;
    }

    pub fn pass(&mut self, time: Duration) {
        self.until(self.now + time);
    }

    /// The neighbour's packet arrives, with our discriminator where that can be.
    pub fn hear(&mut self, mut packet: ControlPacket) {
        if !matches!(packet.state, State::Down | State::AdminDown) {
            packet.your_discriminator = NonZeroU32::new(self.report().discriminator);
        }
        self.hear_exactly(packet);
    }

    pub fn hear_exactly(&mut self, packet: ControlPacket) {
        self.hear_bytes(&packet::emit(&packet), 255, plan().neighbour, false);
    }

    pub fn hear_bytes(&mut self, payload: &[u8], ttl: u8, source: IpAddr, multihop: bool) {
        let destination = IpAddr::from([192, 0, 2, 1]);
        let packet =
            Packet { link: LinkIndex(2), source, destination, ttl, envelope: Default::default(), payload };
        self.step(Input::PacketReceived { packet, multihop });
    }

    /// The first session; there is one, unless a test says otherwise.
    pub fn report(&self) -> SessionReport {
        self.sessions.report().sessions.first().expect("a session").clone()
    }

    /// The neighbour's discriminator; zero if it is not heard.
    pub fn remote_discriminator(&self) -> u32 {
        self.report().neighbour_says.map_or(0, |remote| remote.discriminator)
    }

    pub fn detection_time(&self) -> Option<Duration> {
        self.report().neighbour_says.map(|remote| remote.detection_time)
    }

    pub fn state(&self) -> State {
        self.report().state
    }

    pub fn id(&self) -> SessionId {
        SessionId(NonZeroU32::new(self.report().discriminator).expect("a discriminator"))
    }

    /// Takes what was sent, read.
    pub fn take_sent(&mut self) -> Vec<(Instant, ControlPacket)> {
        let sent = std::mem::take(&mut self.sent).into_iter();
        sent.map(|(at, sent)| (at, packet::parse(&sent.payload).expect("what we send is good"))).collect()
    }

    pub fn take_packets(&mut self) -> Vec<ControlPacket> {
        self.take_sent().into_iter().map(|(_, packet)| packet).collect()
    }

    /// The verdicts told so far.
    pub fn verdicts(&self) -> Vec<bool> {
        self.verdicts.iter().map(|verdict| verdict.up).collect()
    }

    /// How often packets were discarded for this reason.
    pub fn rejected(&self, rejection: BfdRejection) -> u64 {
        let report = self.sessions.report();
        report.rejected.iter().find(|(reason, _)| *reason == rejection).map_or(0, |(_, count)| *count)
    }
}
