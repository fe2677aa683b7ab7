//! Heartbeats between the nodes: how they leave, arrive and wait to be read, and what the judge makes of each.

use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::router::plan::Version;
use mainstay_core::router::{Datagram, State};
use mainstay_core::time::Instant;

use crate::daemon::name;
use crate::fault::NodeId;
use crate::frame::{Beat, Body, Frame, Station, To, mac_of};
use crate::hearsay::{Belief, SILENCE, Word, Words, read};
use crate::judge::{Hearing, Lapse, Standing};
use crate::kernel::{INDEX, SECOND_INDEX};
use crate::node::{Fact, Node, ROUTERS, States};
use crate::scenario::Kind;
use crate::world::{Event, World};

/// Sockets of a node: for adverts, for heartbeats beside them, for heartbeats on the second link.
const SOCKETS: u8 = 3;
/// Ages in heartbeats count in steps of 10 ms, and are rounded down.
const STEP: Duration = Duration::from_millis(20);
/// What a heartbeat says was true when it left: so long ago on a LAN on which nothing is late.
const ON_THE_WAY: Duration = Duration::from_millis(5);

impl World {
    /// A heartbeat leaves.
    pub(crate) fn send_heartbeat(&mut self, id: NodeId, datagram: Datagram) {
        let to = self.destination(datagram.destination);
        let beat = Beat {
            sender: id,
            link: datagram.link.unwrap_or(INDEX),
            source: datagram.source,
            destination: datagram.destination,
            payload: datagram.payload,
            damaged: false,
        };
        let second = beat.link == SECOND_INDEX;
        let frame = Frame { source: mac_of(id), to, body: Body::Heartbeat(beat) };
        if !second {
            return self.send(id, &frame);
        }
        let _ = self.second.carry(self.now, id, &frame, &mut self.random, |to, after, frame| {
            self.queue.push(self.now + after, Event::Arrive(to, frame));
        });
    }

    /// A heartbeat reaches a node's kernel.
    pub(crate) fn beat_arrives(&mut self, station: Station, to: To, beat: Beat) {
        let node = &self.nodes[station];
        let beats = &node.plan.heartbeats;
        let (listens, is_own) = if beat.link == SECOND_INDEX {
            (!beats.paths.is_empty(), node.kernel.second == Some(beat.destination))
        } else {
            (beats.peer_view, node.kernel.has(beat.destination))
        };
        let to_us = to == To::Group || is_own;
        if node.listens && listens && to_us && node.kind == Kind::Mainstay {
            self.tell(station, Fact::Heartbeat(beat));
        }
    }

    /// A node's process takes in a heartbeat.
    pub(crate) fn feed_heartbeat(&mut self, id: NodeId, fact: &Fact, beat: &Beat) {
        self.trace.tell(self.now, || {
            let words = told(&beat.payload);
            format!("{}     hears of {} on link {}: {words}", name(id), name(beat.sender), beat.link.0)
        });
        let before = self.states_of(id);
        let hearings = self.overhear(id, beat, &before);
        let local = self.nodes[id].clock.read(self.now);
        let mut lapses = [Lapse::default(); ROUTERS];
        for (router, (lapse, (state, _))) in lapses.iter_mut().zip(before.iter()).enumerate() {
            *lapse = self.lapse(id, router, *state);
        }
        let mut actions = std::mem::take(&mut self.orders);
        let node = &mut self.nodes[id];
        if let Some(brain) = &mut node.brain {
            brain.step(local, Node::input(&node.kernel, fact), &mut actions);
            let after = brain.states();
            self.judge.overheard(self.now, id, &hearings, &lapses, (&before, &after));
        }
        self.perform(id, actions);
        self.note_pace(id, local, &before, &hearings, false);
    }

    /// What a heartbeat says to a node as an advert would, for the judge, which reads the bytes on its own.
    fn overhear(&mut self, id: NodeId, beat: &Beat, before: &States) -> Vec<Hearing> {
        let same_key = self.scenario.nodes[id].beats == self.scenario.nodes[beat.sender].beats;
        let Some(words) = read(&beat.payload).filter(|_| same_key && !beat.damaged) else {
            return Vec::new();
        };
        let local = self.nodes[id].clock.read(self.now);
        let belief = self.hearsay.believe(local, id, beat.sender, &words);
        let mut hearings = Vec::new();
        if belief != Belief::No {
            for word in &words.of_routers {
                hearings.extend(self.overhear_word(id, beat, (&words, belief), word, before));
            }
        }
        hearings
    }

    fn overhear_word(
        &mut self,
        id: NodeId,
        beat: &Beat,
        (words, belief): (&Words, Belief),
        word: &Word,
        before: &States,
    ) -> Option<Hearing> {
        let (node, sender) = (&self.nodes[id], beat.sender);
        let router = node.plan.instances.iter().position(|plan| plan.vrid.get() == word.vrid)?;
        let plan = &node.plan.instances[router];
        let (own, local) = (node.own, node.clock.read(self.now));
        let same_interval = plan.version == Version::V3 || word.interval == plan.advert_interval;
        let state = *before.get(router)?;
        // A stranger's virtual router on the second link is none of ours, unless it is known otherwise.
        let foreign = beat.link == SECOND_INDEX && node.digests[router].0 != word.addresses;
        let news = self.hearsay.hear(local, (id, sender, router), own, words, word);
        if news == Belief::No {
            return None;
        }
        // In FAULT it may lack the address by which it would know its own virtual router.
        if foreign || state.0 == State::Fault {
            self.hearsay.doubt_word(id, sender, router);
        }
        let unsure = foreign || news == Belief::Unsure || belief == Belief::Unsure;
        let lapse = self.lapse(id, router, state.0);
        let is_backup = state.0 == State::Backup || (state.0 == State::Master && lapse.is_over);
        let resigns = word.priority == 0 && is_backup && self.hearsay.follows(id, router, word.source);
        let speaks = word.priority > 0 && word.is_master && same_interval;
        let standing = Standing { unsure, ..self.standing(id, sender, router, word.interval) };
        if !unsure {
            self.judge.met((self.now, local), id, sender, router);
        }
        let listens = matches!(state.0, State::Backup | State::Master);
        if !(resigns || speaks) || !listens {
            return None;
        }
        self.judge.reached(self.now, id, sender, router, word.priority);
        self.hearsay.note_master(id, router, word.source, word.priority);
        Some(Hearing {
            router,
            acceptable: true,
            priority: word.priority,
            source: word.source,
            interval: word.interval,
            own,
            before: state,
            lapse,
            standing,
        })
    }

    /// Whether a node has just heard of a third one by heartbeat, besides the one that resigned. Of plain VRRP backups
    /// nobody knows; whether one that was heard before has left is not known here either.
    pub(crate) fn knows_others(&self, id: NodeId, router: usize, resigned: IpAddr, local: Instant) -> bool {
        let others = (0..self.nodes.len()).filter(|other| *other != id && self.nodes[*other].own != resigned);
        let told = others.filter_map(|other| self.hearsay.told(id, other, router));
        let mut living = told.filter(|told| !told.leaving && local < told.at + SILENCE);
        living.next().is_some()
    }

    /// How a node stands to one it hears, by what that one says by heartbeat of hearing it.
    pub(crate) fn standing(&self, id: NodeId, sender: NodeId, router: usize, interval: Duration) -> Standing {
        let Some(told) = self.hearsay.told(id, sender, router).filter(|told| !told.leaving) else {
            return Standing::default();
        };
        let local = self.nodes[id].clock.read(self.now);
        // What really reached the other one, by its own clock, which may have leapt since.
        let its_time = self.nodes[sender].clock.read(self.now);
        let met = self.judge.last_met(sender, id, router).map(|met| its_time.saturating_since(met));
        let unheard = met.is_none_or(|ago| ago + STEP >= interval * 3 / 4 || ago <= ON_THE_WAY);
        let since = self.judge.pace.backup_since(id, router);
        let deaf = told.us.is_none_or(|us| {
            told.at.saturating_since(us) + STEP >= SILENCE || since.is_some_and(|since| us < since + STEP)
        });
        Standing {
            may_give_way: unheard || !self.judge.all_is_on_time(self.now),
            may_be_deaf: deaf && local < told.at + SILENCE + STEP,
            unsure: false,
        }
    }
}

impl Node {
    /// Puts what waits for the loop in the order in which it is read: events of the kernel, then socket by socket, which take
    /// turns at being first, then claims, then what the supervisor says, then what the lanes say.
    ///
    /// Without heartbeats there is one socket, and things are read as they came: seeds older than heartbeats stay what
    /// they were.
    pub fn sort_inbox(&mut self) {
        if self.inbox.len() < 2 || !self.inbox.iter().any(|fact| matches!(fact, Fact::Heartbeat(_))) {
            return;
        }
        self.first_socket = (self.first_socket + 1) % SOCKETS;
        let first = self.first_socket;
        let place = |socket: u8| (socket + first) % SOCKETS;
        self.inbox.make_contiguous().sort_by_key(|fact| match fact {
            // Told by the system call that sends, before anything is read.
            Fact::AdvertRefused(_) => (0, 0),
            Fact::Link(_) | Fact::Added(_) | Fact::Removed(_) => (1, 0),
            Fact::Packet(_) => (2, place(0)),
            Fact::Heartbeat(beat) => (2, place(if beat.link == INDEX { 1 } else { 2 })),
            Fact::Claim(..) => (3, 0),
            Fact::Script(_) | Fact::Reload(_) | Fact::Shutdown => (4, 0),
            Fact::List | Fact::Refused(_) | Fact::Released(_) | Fact::GatesRefused => (5, 0),
        });
    }

    /// Whether a socket has no room for this; what is no packet waits in no socket.
    #[must_use]
    pub fn socket_is_full(&self, fact: &Fact, room: usize) -> bool {
        let same: fn(&Fact) -> bool = match fact {
            Fact::Packet(_) => |other| matches!(other, Fact::Packet(_)),
            Fact::Heartbeat(_) => |other| matches!(other, Fact::Heartbeat(_)),
            _ => return false,
        };
        self.inbox.len() >= room && self.inbox.iter().filter(|other| same(other)).count() >= room
    }
}

/// A heartbeat for people.
pub fn told(payload: &[u8]) -> String {
    let Some(words) = read(payload) else { return "?".into() };
    let of_router = |word: &Word| {
        let state = if word.is_master { "MASTER" } else { "no master" };
        let hears: Vec<String> =
            word.hears.iter().map(|(source, age)| format!("{source} {} ms ago", age.as_millis())).collect();
        format!("{} {state} {} hears {}", word.vrid, word.priority, hears.join(", "))
    };
    let of_routers: Vec<String> = words.of_routers.iter().map(of_router).collect();
    let leaving = if words.leaving { ", leaving" } else { "" };
    format!("number {} turn {}{leaving}: {}", words.number, words.turn, of_routers.join("; "))
}
