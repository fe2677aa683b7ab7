//! A second VRRP machine, tiny and table-driven, written from the table of RFC 9568 section 6.4 with its errata
//! (reference/ha.md section 1.2) and from nothing else. It shares no code with `mainstay-core`: its time is a count of
//! microseconds, its addresses are numbers, its packets are three fields. What the two disagree about is a mistake in
//! one of them, or a difference that is written down here.

/// A state of RFC 9568.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `Initialize`.
    Initialize,
    /// `Backup`.
    Backup,
    /// `Active`.
    Active,
}

/// What happens to a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It starts.
    Startup,
    /// It ends.
    Shutdown,
    /// `Active_Down_Timer` fires.
    ActiveDownTimer,
    /// `Adver_Timer` fires.
    AdverTimer,
    /// An advertisement.
    Advert(Advert),
}

/// A received advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert {
    /// Priority.
    pub priority: u8,
    /// `Max Advertise Interval`, in microseconds.
    pub interval_us: u64,
    /// Source address as a number, for the tie-break.
    pub source: u32,
}

/// One router with its parameters and variables (section 6.1).
#[derive(Debug, Clone)]
pub struct Oracle {
    /// `Priority`; 255 is the owner.
    pub priority: u8,
    /// `Advertisement_Interval`, in microseconds.
    pub interval_us: u64,
    /// `Preempt_Mode`.
    pub preempt: bool,
    /// Primary address, as a number.
    pub address: u32,
    /// VRRPv2: the skew does not depend on the interval, and adverts with another interval are discarded.
    pub version2: bool,
    state: State,
    learned_us: u64,
    timer_us: Option<u64>,
    /// Priorities of the adverts sent, with their times.
    pub sent: Vec<(u64, u8)>,
}

/// What is done in one line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Do {
    SendOwn,
    SendZero,
    Learn,
    ForgetLearned,
    AdverTimer,
    DownTimer,
    SkewTimer,
    StopTimer,
}

/// A condition on an advert.
type When = fn(&Oracle, Advert) -> bool;

/// One line of the table: in this state, on this kind of event, under this condition: do, and enter.
struct Line(State, Kind, When, &'static [Do], State);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Startup,
    Shutdown,
    DownTimer,
    AdverTimer,
    Advert,
}

const ANY: When = |_, _| true;
const OWNER: When = |own, _| own.priority == 255;
const RESIGNS: When = |_, advert| advert.priority == 0;
const TO_WAIT_FOR: When = |own, advert| {
    // Preempt_Mode never keeps the owner from its addresses.
    advert.priority >= own.priority || (!own.preempt && own.priority != 255)
};
const OUTRANKS: When = |own, advert| {
    advert.priority > own.priority || (advert.priority == own.priority && advert.source > own.address)
};

use Do::{AdverTimer, DownTimer, ForgetLearned, Learn, SendOwn, SendZero, SkewTimer, StopTimer};
use State::{Active, Backup, Initialize};

/// The table; the first line that fits counts.
const TABLE: &[Line] = &[
    Line(Initialize, Kind::Startup, OWNER, &[SendOwn, AdverTimer], Active),
    Line(Initialize, Kind::Startup, ANY, &[ForgetLearned, DownTimer], Backup),
    Line(Backup, Kind::Shutdown, ANY, &[StopTimer], Initialize),
    Line(Backup, Kind::DownTimer, ANY, &[SendOwn, AdverTimer], Active),
    Line(Backup, Kind::Advert, RESIGNS, &[SkewTimer], Backup),
    Line(Backup, Kind::Advert, TO_WAIT_FOR, &[Learn, DownTimer], Backup),
    Line(Backup, Kind::Advert, ANY, &[], Backup),
    Line(Active, Kind::Shutdown, ANY, &[StopTimer, SendZero], Initialize),
    Line(Active, Kind::AdverTimer, ANY, &[SendOwn, AdverTimer], Active),
    Line(Active, Kind::Advert, RESIGNS, &[SendOwn, AdverTimer], Active),
    Line(Active, Kind::Advert, OUTRANKS, &[Learn, DownTimer], Backup),
    // The RFC sends and does not say that Adver_Timer starts again; Mainstay starts it again, so that a peer which
    // is answered does not get the next advert right afterwards. Peers cannot tell: no gap is longer than an interval.
    Line(Active, Kind::Advert, ANY, &[SendOwn, AdverTimer], Active),
];

impl Oracle {
    /// A router in `Initialize`.
    #[must_use]
    pub const fn new(priority: u8, interval_us: u64, preempt: bool, address: u32, version2: bool) -> Self {
        Self {
            priority,
            interval_us,
            preempt,
            address,
            version2,
            state: Initialize,
            learned_us: interval_us,
            timer_us: None,
            sent: Vec::new(),
        }
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Lets time pass up to and including this moment.
    pub fn advance(&mut self, now_us: u64) {
        while let Some(at) = self.timer_us.filter(|at| *at <= now_us) {
            let event = if self.state == Backup { Event::ActiveDownTimer } else { Event::AdverTimer };
            self.step(at, event);
        }
    }

    /// Takes in one event.
    pub fn step(&mut self, now_us: u64, event: Event) {
        let no_advert = Advert { priority: 0, interval_us: 0, source: 0 };
        let (kind, advert) = match event {
            Event::Startup => (Kind::Startup, no_advert),
            Event::Shutdown => (Kind::Shutdown, no_advert),
            Event::ActiveDownTimer => (Kind::DownTimer, no_advert),
            Event::AdverTimer => (Kind::AdverTimer, no_advert),
            Event::Advert(advert) if self.version2 && advert.interval_us != self.interval_us => return,
            Event::Advert(advert) => (Kind::Advert, advert),
        };
        let fits = |line: &&Line| line.0 == self.state && line.1 == kind && (line.2)(self, advert);
        let Some(Line(_, _, _, todo, next)) = TABLE.iter().find(fits) else { return };
        for act in *todo {
            self.act(now_us, *act, advert);
        }
        // Whoever becomes Active advertises, and would wait as a backup, by its own interval again.
        if *next == Active && self.state != Active {
            self.learned_us = self.interval_us;
        }
        self.state = *next;
    }

    fn act(&mut self, now_us: u64, act: Do, advert: Advert) {
        match act {
            SendOwn => self.sent.push((now_us, self.priority)),
            SendZero => self.sent.push((now_us, 0)),
            Learn if self.version2 => {}
            Learn => self.learned_us = advert.interval_us,
            ForgetLearned => self.learned_us = self.interval_us,
            AdverTimer => self.timer_us = Some(now_us + self.interval_us),
            DownTimer => self.timer_us = Some(now_us + 3 * self.learned_us + self.skew_us()),
            SkewTimer => self.timer_us = Some(now_us + self.skew_us()),
            StopTimer => self.timer_us = None,
        }
    }

    fn skew_us(&self) -> u64 {
        let of = if self.version2 { 1_000_000 } else { self.learned_us };
        (256 - u64::from(self.priority)) * of / 256
    }
}
