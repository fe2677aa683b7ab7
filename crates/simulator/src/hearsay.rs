//! What each node must make of the heartbeats that reach it: read from their bytes on our own, and believed by a book
//! of our own, made from what ARCHITECTURE.md says of belief and not from the code.
//!
//! A heartbeat is news if it is undamaged, has the receiver's key, is of no earlier life of its sender than another one
//! heard, and has a higher number than the last one of its leg, or was overtaken by that one less than 0.1 s ago. What it says of a virtual router is news if no later word
//! of its sender about that router was heard, on any path.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::time::Instant;

use crate::fault::NodeId;

/// Bytes before the entries.
const HEADER: usize = 36;
/// Bytes of the tag behind them.
const TAG: usize = 16;
/// Silence after which somebody is not heard any more.
pub const SILENCE: Duration = Duration::from_millis(3500);
/// How much later one may come than another that was sent after it.
const OVERTAKING: Duration = Duration::from_millis(100);

/// A heartbeat that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The sender's life; a later one is greater.
    pub life: u64,
    /// Which way out of its sender it took.
    pub leg: u32,
    /// Its number on that leg.
    pub number: u64,
    /// The moment at which it was said, on all legs the same.
    pub turn: u64,
    /// Its sender ends.
    pub leaving: bool,
    /// What it says of each virtual router.
    pub of_routers: Vec<Word>,
}

/// What a heartbeat says of one virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Virtual router id.
    pub vrid: u8,
    /// Whether the sender is its master.
    pub is_master: bool,
    /// Effective priority; 0 when it has given up.
    pub priority: u8,
    /// Advert interval.
    pub interval: Duration,
    /// Digest of the list of addresses.
    pub addresses: u64,
    /// The sender, as its adverts have it.
    pub source: IpAddr,
    /// Whom it has heard, on any path, and how long ago.
    pub hears: Vec<(IpAddr, Duration)>,
}

/// Whether somebody must believe something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// It must.
    Yes,
    /// It must not.
    No,
    /// What it knows from before cannot be told here.
    Unsure,
}

/// The last word of one node about one of its virtual routers, as another node heard it.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// When it was heard, by the listener's clock.
    pub at: Instant,
    /// When the word before it was.
    pub before: Option<Instant>,
    life: u64,
    turn: u64,
    /// When, at the latest, its sender had heard the listener.
    pub us: Option<Instant>,
    /// Its sender hears a third one.
    pub others: bool,
    /// It was the last word of a life.
    pub leaving: bool,
    /// The listener may have forgotten it.
    doubtful: bool,
}

/// What was heard of one leg: the greatest number, when that was, and the latest ones before it.
#[derive(Debug, Clone, Default)]
struct Numbers {
    last: u64,
    at: Option<Instant>,
    others: VecDeque<u64>,
}

/// The book of what all nodes heard.
#[derive(Debug)]
pub struct Hearsay {
    nodes: usize,
    routers: usize,
    /// Listener by listener: the numbers of each leg of each life.
    numbers: Vec<BTreeMap<(u64, u32), Numbers>>,
    /// The latest life of each node, by (listener, sender).
    lives: Vec<u64>,
    /// By (listener, sender, router).
    told: Vec<Option<Told>>,
    /// The master each router heard last, and its priority, by (listener, router).
    last: Vec<Option<(IpAddr, u8)>>,
}

impl Hearsay {
    /// Nobody has heard anything.
    #[must_use]
    pub fn new(nodes: usize, routers: usize) -> Self {
        Self {
            nodes,
            routers,
            numbers: vec![BTreeMap::new(); nodes],
            lives: vec![0; nodes * nodes],
            told: vec![None; nodes * nodes * routers],
            last: vec![None; nodes * routers],
        }
    }

    const fn place(&self, listener: NodeId, sender: NodeId, router: usize) -> usize {
        (listener * self.nodes + sender) * self.routers + router
    }

    /// A process starts; `remembers` says whether it has what its predecessor knew.
    pub fn starts(&mut self, node: NodeId, remembers: bool) {
        self.numbers[node].clear();
        self.lives[node * self.nodes..][..self.nodes].fill(0);
        self.last[node * self.routers..][..self.routers].fill(None);
        if remembers {
            self.doubt(node);
        } else {
            let begin = self.place(node, 0, 0);
            self.told[begin..][..self.nodes * self.routers].fill(None);
        }
    }

    /// A process has another configuration, and may have forgotten some.
    pub fn doubt(&mut self, node: NodeId) {
        let begin = self.place(node, 0, 0);
        self.told[begin..][..self.nodes * self.routers]
            .iter_mut()
            .flatten()
            .for_each(|told| told.doubtful = true);
    }

    /// A node may have taken the last word of another one about a router for one about somebody else's.
    pub fn doubt_word(&mut self, listener: NodeId, sender: NodeId, router: usize) {
        let place = self.place(listener, sender, router);
        if let Some(told) = self.told.get_mut(place).and_then(Option::as_mut) {
            told.doubtful = true;
        }
    }

    /// Whether a whole heartbeat with the right key is news.
    pub fn believe(&mut self, now: Instant, listener: NodeId, sender: NodeId, words: &Words) -> Belief {
        let life = &mut self.lives[listener * self.nodes + sender];
        if words.life < *life {
            return Belief::Unsure;
        }
        *life = words.life;
        let numbers = self.numbers[listener].entry((words.life, words.leg)).or_default();
        if words.number > numbers.last {
            numbers.others.push_back(numbers.last);
            numbers.last = words.number;
            numbers.at = Some(now);
        } else if words.number < numbers.last
            && numbers.last - words.number <= 64
            && !numbers.others.contains(&words.number)
            && numbers.at.is_some_and(|at| now < at + OVERTAKING)
        {
            numbers.others.push_back(words.number);
        } else {
            return Belief::No;
        }
        if numbers.others.len() > 64 {
            let _ = numbers.others.pop_front();
        }
        Belief::Yes
    }

    /// Whether a word in a believed heartbeat is news about a router; it is noted if it is.
    pub fn hear(
        &mut self,
        now: Instant,
        (listener, sender, router): (NodeId, NodeId, usize),
        own: IpAddr,
        words: &Words,
        word: &Word,
    ) -> Belief {
        let place = self.place(listener, sender, router);
        let Some(told) = self.told.get_mut(place) else { return Belief::Unsure };
        if let Some(known) = told
            && (known.life, known.turn) > (words.life, words.turn)
        {
            return if known.doubtful { Belief::Unsure } else { Belief::No };
        }
        let us = word.hears.iter().filter(|(source, _)| *source == own).map(|(_, age)| now - *age).max();
        let others = word.hears.iter().any(|(source, age)| *source != own && *age < SILENCE);
        let (life, turn, leaving) = (words.life, words.turn, words.leaving);
        // The same may be heard on several paths.
        let same = told.filter(|known| (known.life, known.turn) == (life, turn));
        let before = same.map_or_else(|| told.map(|known| known.at), |known| known.before);
        *told = Some(Told { at: now, before, life, turn, us, others, leaving, doubtful: false });
        Belief::Yes
    }

    /// The last word of a node about a router.
    #[must_use]
    pub fn told(&self, listener: NodeId, sender: NodeId, router: usize) -> Option<&Told> {
        self.told.get(self.place(listener, sender, router))?.as_ref()
    }

    /// A router took in an advert, or the same by heartbeat.
    pub fn note_master(&mut self, listener: NodeId, router: usize, source: IpAddr, priority: u8) {
        if let Some(last) = self.last.get_mut(listener * self.routers + router) {
            *last = Some((source, priority));
        }
    }

    /// Whether the master a router heard last is this one, and has not given up.
    #[must_use]
    pub fn follows(&self, listener: NodeId, router: usize, source: IpAddr) -> bool {
        let last = self.last.get(listener * self.routers + router).copied().flatten();
        last.is_some_and(|(of, priority)| of == source && priority > 0)
    }
}

/// Reads a heartbeat; `None` for anything that is none.
#[must_use]
pub fn read(datagram: &[u8]) -> Option<Words> {
    let end = datagram.len().checked_sub(TAG)?;
    let mut rest = datagram.get(HEADER..end)?;
    let number = |at: usize| number_at(datagram, at);
    let mut of_routers = Vec::new();
    for _ in 0..datagram[6] {
        let (word, behind) = read_word(rest)?;
        of_routers.push(word);
        rest = behind;
    }
    Some(Words {
        life: number(8)?,
        number: number(16)?,
        turn: number(24)?,
        leg: u32::try_from(number(28)? & 0xffff_ffff).ok()?,
        leaving: datagram[5] & 1 != 0,
        of_routers,
    })
}

/// The life and the turn of a heartbeat.
#[must_use]
pub fn read_turn(datagram: &[u8]) -> Option<(u64, u64)> {
    Some((number_at(datagram, 8)?, number_at(datagram, 24)?))
}

fn number_at(datagram: &[u8], at: usize) -> Option<u64> {
    let bytes: &[u8; 8] = datagram.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes))
}

fn read_word(bytes: &[u8]) -> Option<(Word, &[u8])> {
    let [kind, vrid, state, priority, high, low, hearings, _flags] = *bytes.first_chunk()?;
    let mut rest = bytes.get(8..)?;
    let digest: &[u8; 8] = rest.first_chunk()?;
    let addresses = u64::from_be_bytes(*digest);
    rest = rest.get(8..)?;
    let (source, mut rest) = read_address(kind >> 4, rest)?;
    let centiseconds = |high, low| Duration::from_millis(10 * u64::from(u16::from_be_bytes([high, low])));
    let mut hears = Vec::new();
    for _ in 0..hearings {
        let (heard, behind) = read_address(kind >> 4, rest)?;
        let [_path, _zero, high, low] = *behind.first_chunk()?;
        hears.push((heard, centiseconds(high, low)));
        rest = behind.get(4..)?;
    }
    let interval = centiseconds(high, low);
    let word = Word { vrid, is_master: state == 2, priority, interval, addresses, source, hears };
    Some((word, rest))
}

fn read_address(family: u8, bytes: &[u8]) -> Option<(IpAddr, &[u8])> {
    if family == 4 {
        let address: &[u8; 4] = bytes.first_chunk()?;
        Some((IpAddr::from(*address), bytes.get(4..)?))
    } else {
        let address: &[u8; 16] = bytes.first_chunk()?;
        Some((IpAddr::from(*address), bytes.get(16..)?))
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::address::Family;
    use mainstay_core::heartbeat::{AddressDigest, BootId, Entry, Hearing, Heartbeat, Key, packet};
    use mainstay_core::router::State;
    use mainstay_core::router::plan::Version;

    use super::*;

    #[test]
    fn a_heartbeat_is_read_as_it_was_written() {
        let (source, other) = (IpAddr::from([10, 0, 1, 250]), IpAddr::from([10, 0, 2, 240]));
        let entry = Entry {
            family: Family::V4,
            vrid: 7,
            version: Version::V3,
            state: State::Master,
            priority: 200,
            interval: Duration::from_millis(300),
            gated: true,
            addresses: AddressDigest(0x0102_0304_0506_0708),
            source,
            hearings: vec![Hearing { source: other, path: 1, age: Duration::from_millis(20) }],
        };
        let heartbeat = Heartbeat {
            boot: BootId(99),
            leg: 3,
            sequence: 12,
            turn: 40,
            leaving: true,
            entries: vec![entry.clone(), entry],
        };
        let words = read(&packet::emit(&heartbeat, &Key::default())).expect("a heartbeat");
        assert_eq!((words.life, words.leg, words.number, words.turn), (99, 3, 12, 40));
        assert!(words.leaving && words.of_routers.len() == 2);
        let word = &words.of_routers[1];
        assert_eq!((word.vrid, word.is_master, word.priority, word.source), (7, true, 200, source));
        assert_eq!((word.interval, word.addresses), (Duration::from_millis(300), 0x0102_0304_0506_0708));
        assert_eq!(word.hears, [(other, Duration::from_millis(20))]);
        assert_eq!(read(b"MSHB"), None);
    }
}
