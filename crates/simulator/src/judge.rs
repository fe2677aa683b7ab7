//! Watches the rules while a world runs (reference/ha.md section 3.5; S1 needs an arbiter, which there is not yet).
//!
//! - **S2** Where the VIP lease counts, one holder, whatever happens to processes: a freeze, a crash with the addresses
//!   left, a loop that is late, adverts that are refused excuse nothing. What does excuse two holders, exactly:
//!   adverts that do not arrive (a cut, a loss, a delay, a link without carrier) or are not accepted; a machine that
//!   was paused with its clock, until the rest of its lease is over; orders to a kernel that take their time; a
//!   contest whose loser cannot hear of it (it was preempted, both took over at once, an owner came back, or somebody
//!   with a shorter interval of its own who has not heard of it yet), until its lease is over; a
//!   node without a lease that counts, or whose lease has counted for less than its length.
//! - **S3** Two holders only while something excuses it: a cut, a lost advert, a freeze, a crash that left addresses,
//!   peers that reject each other. It ends within one advert interval after the excuse has ended. Its time is
//!   counted by cause.
//!   Between nodes whose heartbeats pass, by whatever way, cuts and losses and a kernel that sends no adverts excuse
//!   nothing, once the way has been open for two intervals. Where it is open in one direction only, the one that is not
//!   heard gives way: that excuses two holders for an interval and three quarters after they began (the interval being at
//!   least the time between two heartbeats).
//! - **S4** Nothing is said of a mastership that is over ([`crate::epoch`]).
//! - **S5** With nothing on its way, a node's kernel has the addresses of the routers it is master of, and no others;
//!   some may be lacking while the kernel refuses them.
//! - **S6** What an advert says, or a heartbeat as an advert would, decides alone: a master yields to a higher (priority,
//!   address), stays for a lower one, unless that one cannot have heard it; what is damaged, old or of another key changes
//!   nothing ([`crate::hearsay`]).
//! - **L2** While a fit node is there, nobody holds an address for at most a master-down interval, a skew time, or 10 ms
//!   ([`crate::vacancy`]).
//! - **L4** Six seconds after an undisturbed take-over every host's traffic reaches the holder.
//! - **order** Advert, addresses, announcement, notification; no notification twice in a row.
//! - **pace** A master advertises within its interval, a backup takes over when the master-down interval is over, and
//!   not before, a successor hurries only if it knows of no third; no step sends one advert three times; a master answers
//!   one of lower standing, and a flood of them eight times an interval ([`crate::pace`]).
//! - **storm** A node gives a bounded number of orders in a second.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::heartbeat::PATIENT_INTERVAL;
use mainstay_core::router::{Action, Advert, NotifyObject, NotifyState, State};
use mainstay_core::time::Instant;

use crate::daemon::name;
use crate::fault::{Cause, Fault, NodeId, PausedClock, Timed};
use crate::moment::Moment;
use crate::network::Passage;
use crate::node::States;
use crate::pace::Pace;
use crate::scenario::{Kind, Scenario, Second};

/// One gives and the other takes: both may answer for so long.
const HAND_OVER: Duration = Duration::from_millis(50);
/// The same where both have a lease that counts.
const LEASED_HAND_OVER: Duration = Duration::from_millis(50);
/// After an undisturbed take-over all hosts know so long later: the second burst comes after five seconds.
const ANNOUNCED: Duration = Duration::from_millis(6500);
/// A host that missed the announcements finds out by itself so much later.
const REDISCOVERED: Duration = Duration::from_secs(45);
/// Two that take over within so short a time have not heard of each other.
const AT_ONCE: Duration = Duration::from_millis(2);
/// From one heartbeat that says everything to the next, beside adverts.
const A_HEARTBEAT: Duration = Duration::from_millis(1350);
/// A kernel rounds a lease down twice to jiffies of 4 ms; the router does not.
const ROUNDING: Duration = Duration::from_millis(8);
/// Orders a node may give in one second: three routers in one group, announcing in a contest every 100 ms.
const STORM: u32 = 5000;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Moment,
    /// Which rule.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

/// The watcher.
#[derive(Debug)]
pub struct Judge {
    /// Rules broken.
    pub violations: Vec<Violation>,
    /// How long two or more held one address, by cause.
    pub dual: BTreeMap<Cause, Duration>,
    addresses: Vec<Watched>,
    /// Whether any address has two holders.
    contested: bool,
    /// Whether any address has no holder.
    vacant: bool,
    excuses: Vec<Excuse>,
    /// When the last trouble of any kind ends.
    trouble_until: Moment,
    /// Until when orders to a kernel may be late.
    slow_kernels_until: Moment,
    /// Until when something disturbs the nodes themselves, or all of the network, rather than a way between them.
    disturbed_until: Moment,
    /// How well each node can hear each other one, by (from, to), and since when.
    passages: Vec<(Passage, Moment)>,
    /// Some of the ways lead to one peer each.
    unicast: bool,
    /// The same for which nodes believe each other's heartbeats.
    on_terms: Vec<bool>,
    /// The longest advert interval.
    longest: Duration,
    /// When the last thing that was late for its delay, or for a slow loop, has arrived.
    late_until: Moment,
    last_look: Moment,
    /// Time after the end of a fault until everybody has heard everybody.
    grace: Duration,
    /// Time a lost advert may matter.
    memory_of_loss: Duration,
    /// How long both may answer while one gives and the other takes.
    hand_over: Duration,
    /// The same where both have a lease.
    leased_hand_over: Duration,
    /// When each node took in the last advert of each other one, router by router; none of priority 0.
    heard: Vec<Option<Moment>>,
    /// When each node last took in anything of each other one, router by router, by advert or heartbeat.
    met: Vec<Option<(Moment, Instant)>>,
    /// How long each node's lease is, if it has one.
    leases: Vec<Duration>,
    /// When each node's machine goes on after its last pause.
    wakes: Vec<Moment>,
    /// When each node took part anew.
    came: Vec<Moment>,
    /// One bit a node: it owns addresses (priority 255).
    owners: u32,
    routers: usize,
    /// The routers of a node are one group.
    grouped: bool,
    /// One bit a node: its process is gone and left its addresses.
    abandoned: u32,
    /// One bit a node: it is a Mainstay, and has to answer for everything it does.
    ours: u32,
    /// Timers as they must be.
    pub pace: Pace,
    orders: Vec<(u64, u32)>,
    told: BTreeMap<(NodeId, NotifyObject), NotifyState>,
}

#[derive(Debug)]
struct Watched {
    address: IpAddr,
    router: usize,
    /// Which of the router's addresses.
    number: usize,
    /// One bit a node.
    holders: u32,
    /// Those of them whose gate closes with their lease.
    leased: u32,
    since: Moment,
    /// The last moment at which two holders were excused.
    excused_at: Moment,
    /// Since when each node holds it.
    holds_since: Vec<Moment>,
    /// From when on each node's lease counts against it.
    leased_from: Vec<Moment>,
    /// Until when a leased holder may be one of two, because it could not hear of the other.
    contested_until: Moment,
}

/// What excuses two holders.
#[derive(Debug)]
struct Excuse {
    cause: Cause,
    /// The node it befell, if a lease of that node makes it no excuse.
    by: Option<NodeId>,
    until: Moment,
}

/// How a node has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its kernel does not answer for it.
    No,
    /// It does, until somebody tells it otherwise.
    Plain,
    /// It does, until the lease is over.
    Leased,
}

/// An advert a Mainstay node is about to take in, read independently of it.
#[derive(Debug, Clone, Copy)]
pub struct Hearing {
    /// Which of its routers it is for.
    pub router: usize,
    /// Whether it should pass every check.
    pub acceptable: bool,
    /// Priority in it.
    pub priority: u8,
    /// Its IP source.
    pub source: IpAddr,
    /// Interval in it (v3).
    pub interval: Duration,
    /// The node's own address.
    pub own: IpAddr,
    /// State and effective priority before.
    pub before: (State, u8),
    /// Whether its lease is over.
    pub lapse: Lapse,
    /// What heartbeats make of it.
    pub standing: Standing,
}

/// How a node stands to one it hears, as far as heartbeats have to do with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// The other one has not heard us for so long that we may give way to it, although we are the better one.
    pub may_give_way: bool,
    /// The other one may have said that it does not hear us, and then we do not preempt it.
    pub may_be_deaf: bool,
    /// What it says may or may not be believed.
    pub unsure: bool,
}

/// Whether a lease is over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lapse {
    /// As the router counts it.
    pub is_over: bool,
    /// For how long, as its kernel does.
    pub in_kernel: Option<Duration>,
}

impl Judge {
    /// A judge for this scenario.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let most = scenario.addresses + 1;
        let addresses = (0..scenario.routers)
            .flat_map(|router| (0..most).map(move |number| (router, number)))
            .map(|(router, number)| Watched {
                address: scenario.virtual_address(router, number),
                router,
                number,
                holders: 0,
                leased: 0,
                since: Moment(0),
                excused_at: Moment(0),
                holds_since: vec![Moment(0); scenario.nodes.len()],
                leased_from: vec![Moment(0); scenario.nodes.len()],
                contested_until: Moment(0),
            })
            .collect();
        let longest = scenario.longest_interval();
        // FRR does not answer a lower master: that one learns of it with the next advert.
        let silent = scenario.nodes.iter().any(|node| node.kind == Kind::Frr);
        let mainstay = |(node, spec): (usize, &crate::scenario::NodeSpec)| {
            u32::from(spec.kind == Kind::Mainstay) << node
        };
        Self {
            abandoned: 0,
            ours: scenario.nodes.iter().enumerate().map(mainstay).sum(),
            leased_hand_over: LEASED_HAND_OVER,
            hand_over: if silent { HAND_OVER + longest } else { HAND_OVER },
            violations: Vec::new(),
            dual: BTreeMap::new(),
            addresses,
            contested: false,
            vacant: true,
            excuses: Vec::new(),
            heard: vec![None; scenario.nodes.len() * scenario.nodes.len() * scenario.routers],
            met: vec![None; scenario.nodes.len() * scenario.nodes.len() * scenario.routers],
            grouped: scenario.grouped,
            leases: scenario
                .nodes
                .iter()
                .map(|node| node.interval.unwrap_or(scenario.interval) * 5 / 2)
                .collect(),
            routers: scenario.routers,
            wakes: vec![Moment(0); scenario.nodes.len()],
            came: vec![Moment(0); scenario.nodes.len()],
            owners: (0..scenario.nodes.len())
                .filter(|node| scenario.nodes[*node].priorities.contains(&255))
                .fold(0, |bits, node| bits | 1 << node),
            trouble_until: Moment(0),
            late_until: Moment(0),
            disturbed_until: Moment(0),
            slow_kernels_until: Moment(0),
            unicast: scenario.unicast || scenario.second == Second::Unicast,
            passages: vec![(Passage::Closed, Moment(0)); scenario.nodes.len() * scenario.nodes.len()],
            on_terms: (0..scenario.nodes.len())
                .flat_map(|one| (0..scenario.nodes.len()).map(move |other| (one, other)))
                .map(|(one, other)| scenario.are_on_terms(one, other))
                .collect(),
            longest,
            last_look: Moment(0),
            grace: longest + Duration::from_millis(100),
            memory_of_loss: longest * 6 + Duration::from_millis(1100),
            pace: Pace::new(scenario.nodes.len(), scenario.routers),
            orders: vec![(0, 0); scenario.nodes.len()],
            told: BTreeMap::new(),
        }
    }

    /// A rule was broken.
    pub fn violate(&mut self, at: Moment, rule: &'static str, what: String) {
        self.violations.push(Violation { at, rule, what });
    }

    /// A fault begins; `cause` is what it excuses.
    pub fn fault_begins(&mut self, now: Moment, timed: &Timed, cause: Option<Cause>) {
        let late = match timed.fault {
            Fault::SlowLoop(_, by) | Fault::Delay(by) => by,
            Fault::SlowKernel(_, by) => by * 40,
            _ => Duration::ZERO,
        };
        let until = now + timed.lasts + self.grace + late;
        self.trouble_until = self.trouble_until.max(until);
        if !is_about_ways(&timed.fault) {
            self.disturbed_until = self.disturbed_until.max(until);
        }
        if matches!(timed.fault, Fault::SlowKernel(..)) {
            self.slow_kernels_until = self.slow_kernels_until.max(until);
        }
        if matches!(timed.fault, Fault::Delay(_) | Fault::SlowLoop(..)) {
            self.late_until = self.late_until.max(now + timed.lasts + late);
        }
        if let Fault::Freeze(node)
        | Fault::Crash(node, _)
        | Fault::SlowLoop(node, _)
        | Fault::SendRefusal(node) = timed.fault
        {
            // One of two that hold already will not hear of the other any more. One that is late renews its lease now and
            // then all the same, as long as that lasts.
            let renews =
                if matches!(timed.fault, Fault::SlowLoop(..)) { timed.lasts } else { Duration::ZERO };
            let (bit, until) = (1 << node, now + renews + self.leases[node]);
            let dual = |watched: &&mut Watched| watched.holders & bit != 0 && watched.holders != bit;
            self.addresses.iter_mut().filter(dual).for_each(|watched| {
                watched.contested_until = watched.contested_until.max(until);
            });
        }
        if let Fault::Pause(node, _) = timed.fault {
            self.wakes[node] = self.wakes[node].max(now + timed.lasts);
        }
        let Some(cause) = cause else { return };
        match timed.fault {
            Fault::Freeze(node)
            | Fault::Crash(node, _)
            | Fault::SlowLoop(node, _)
            | Fault::SendRefusal(node)
            | Fault::Pause(node, PausedClock::Running | PausedClock::Leaping) => {
                self.excuse(cause, Some(node), until);
            }
            Fault::Pause(node, PausedClock::Stopped) => {
                self.excuse(cause, Some(node), until);
                self.excuse(cause, None, now + timed.lasts + self.leases[node]);
            }
            _ => self.excuse(cause, None, until),
        }
    }

    /// A lost advert may have consequences for a while.
    pub fn excuse_for_a_while(&mut self, now: Moment, cause: Cause) {
        let until = now + self.memory_of_loss;
        self.trouble_until = self.trouble_until.max(until);
        self.excuse(cause, None, until);
    }

    fn excuse(&mut self, cause: Cause, by: Option<NodeId>, until: Moment) {
        match self.excuses.iter_mut().find(|known| known.cause == cause && known.by == by) {
            Some(known) => known.until = until.max(known.until),
            None => self.excuses.push(Excuse { cause, by, until }),
        }
    }

    /// A node takes part from now on: it knows nobody.
    pub fn node_comes(&mut self, now: Moment, node: NodeId) {
        self.came[node] = now;
    }

    /// A node's process starts: what it tells has nothing to do with what its predecessor told.
    pub fn process_started(&mut self, now: Moment, node: NodeId) {
        self.told.retain(|(of, _), _| *of != node);
        self.pace.forget(node);
        if self.abandoned & 1 << node != 0 {
            self.abandoned &= !(1 << node);
            self.excuse(Cause::Crash, Some(node), now + self.grace);
            // It goes on holding, and whoever took over may be unable to hear of it.
            let (bit, until) = (1 << node, now + self.leases.iter().max().copied().unwrap_or_default());
            let dual = |watched: &&mut Watched| watched.holders & bit != 0 && watched.holders != bit;
            self.addresses.iter_mut().filter(dual).for_each(|watched| {
                watched.contested_until = watched.contested_until.max(until);
            });
        }
    }

    /// A node's process is gone, and its kernel goes on answering for its addresses.
    pub fn process_abandoned(&mut self, node: NodeId) {
        self.abandoned |= 1 << node;
    }

    /// What a node's kernel answers for may have changed. `slow` says that it has just become master of a router, and
    /// that its loop is so late that it may have done so before it could hear of another one.
    pub fn note_holder(
        &mut self,
        now: Moment,
        node: NodeId,
        hold: impl Fn(IpAddr) -> Hold,
        slow: impl Fn(usize) -> bool,
    ) {
        let bit = 1 << node;
        for at in 0..self.addresses.len() {
            let watched = &self.addresses[at];
            let hold = hold(watched.address);
            let with = |bits: u32, set: bool| if set { bits | bit } else { bits & !bit };
            let holders = with(watched.holders, hold != Hold::No);
            let leased = with(watched.leased, hold == Hold::Leased);
            let began = holders & bit & !watched.holders != 0;
            let contested_until = if began { self.contest(now, node, watched, &slow) } else { None };
            let watched = &mut self.addresses[at];
            if began {
                watched.holds_since[node] = now;
            }
            if leased & bit & !watched.leased != 0 {
                // One that held without a lease does not hold by it before that is over once.
                watched.leased_from[node] = if began { now } else { now + self.leases[node] };
            }
            watched.leased = leased;
            watched.contested_until = watched.contested_until.max(contested_until.unwrap_or_default());
            if holders != watched.holders {
                // Who held alone stays the same if another one joined in and left.
                watched.holders = holders;
                watched.since = now;
            }
        }
        self.contested = self.addresses.iter().any(|watched| watched.holders.count_ones() > 1);
        self.vacant = self.addresses.iter().any(|watched| watched.holders == 0 && watched.number == 0);
    }

    /// Whether there is a router whose first address nobody holds.
    #[must_use]
    pub const fn has_vacancy(&self) -> bool {
        self.vacant
    }

    /// The routers whose first address nobody holds, and since when.
    #[must_use]
    pub fn vacant_since(&self) -> Vec<(usize, Moment)> {
        let vacant = self.addresses.iter().filter(|watched| watched.holders == 0 && watched.number == 0);
        vacant.map(|watched| (watched.router, watched.since)).collect()
    }

    /// A node begins to hold an address that another one has, which does not know of it yet: it preempts one that it has
    /// heard within the lease, both took over at the same moment, its machine was paused until now, or it decided before it
    /// could hear. Whoever of them
    /// cannot hear now goes on until its lease is over.
    fn contest(
        &self,
        now: Moment,
        node: NodeId,
        watched: &Watched,
        slow: &impl Fn(usize) -> bool,
    ) -> Option<Moment> {
        let others = (0..self.leases.len()).filter(|other| watched.holders & !(1 << node) & 1 << other != 0);
        let unheard = others.filter(|other| {
            let heard = self.heard[self.place_of(node, *other, watched.router)];
            let preempts = heard.is_some_and(|heard| now.since(heard) <= self.leases[*other]);
            // Its first wait is by its own interval, from when it came; an owner does not wait at all.
            // One that was paused meanwhile finds such a one holding when it goes on.
            let came_anew =
                self.came_anew(node, *other, watched.router) || self.came_anew(*other, node, watched.router);
            let at_once = now.since(watched.holds_since[*other]) <= AT_ONCE;
            let wakes = now.since(self.wakes[node]) <= AT_ONCE;
            preempts || at_once || came_anew || wakes || slow(watched.router)
        });
        unheard.map(|other| now + self.leases[other].max(self.leases[node])).max()
    }

    /// Another holder with a lease that this node has heard so lately that it does not take it for silent.
    #[must_use]
    pub fn preempts(&self, now: Moment, node: NodeId, address: IpAddr) -> Option<NodeId> {
        let watched = self.addresses.iter().find(|watched| watched.address == address)?;
        let is_known = |other: &NodeId| {
            let place = self.place_of(node, *other, watched.router);
            // A damaged advert counts as heard where that is an excuse; it puts off nothing.
            let (heard, met) = (self.heard[place], self.met[place].map(|(met, _)| met));
            heard.min(met).is_some_and(|heard| {
                heard > self.came[node].max(self.wakes[node])
                    && now.since(heard) <= self.leases[node].min(self.leases[*other])
            })
        };
        let others = (0..self.leases.len()).filter(|other| watched.leased & !(1 << node) & 1 << other != 0);
        others.into_iter().find(is_known)
    }

    /// Whether a node may take over before it has heard of another one.
    fn came_anew(&self, node: NodeId, other: NodeId, router: usize) -> bool {
        let heard = self.heard[self.place_of(node, other, router)];
        heard.is_none_or(|heard| heard < self.came[node])
            && (self.leases[node] < self.leases[other] || self.owners & 1 << node != 0)
    }

    const fn place_of(&self, listener: NodeId, sender: NodeId, router: usize) -> usize {
        (listener * self.leases.len() + sender) * self.routers + router
    }

    /// Time has passed since something last happened, and everything has been as it is: what happens now comes after this look.
    #[inline]
    pub fn look(&mut self, now: Moment) {
        let last_look = std::mem::replace(&mut self.last_look, now);
        if self.contested {
            self.look_at_contested(now, now.since(last_look));
        }
    }

    fn look_at_contested(&mut self, now: Moment, passed: Duration) {
        for at in 0..self.addresses.len() {
            let watched = &self.addresses[at];
            if watched.holders.count_ones() < 2 {
                continue;
            }
            let cause = self.excuse_for(now, watched);
            *self.dual.entry(cause.unwrap_or(Cause::HandOver)).or_default() += passed;
            if cause.is_some() {
                self.addresses[at].excused_at = now;
                continue;
            }
            let leased = watched.holders & !watched.leased == 0;
            let tolerated = if leased { self.leased_hand_over } else { self.hand_over };
            let unexcused = now.since(watched.since.max(watched.excused_at));
            // An excuse may have ended since the last look.
            let ended = Moment(now.0.saturating_sub(tolerated.as_nanos() as u64));
            if unexcused > tolerated && self.excuse_for(ended, watched).is_none() {
                let who: Vec<char> =
                    (0..32).filter(|bit| watched.holders & 1 << bit != 0).map(name).collect();
                let what = format!("{who:?} hold {} for {unexcused:?} without excuse", watched.address);
                let rule = if leased { "S2" } else { "S3" };
                self.violations.push(Violation { at: now, rule, what });
                return;
            }
        }
    }

    /// What excuses the holders of this address, if anything does.
    fn excuse_for(&self, now: Moment, watched: &Watched) -> Option<Cause> {
        let leased = |node: NodeId| watched.leased & 1 << node != 0 && watched.leased_from[node] <= now;
        let holds = |node: NodeId| watched.holders & 1 << node != 0;
        let running = || self.excuses.iter().filter(|excuse| excuse.until >= now);
        let understand = self.understand_each_other(now, watched);
        let of_a_way = |cause: Cause| matches!(cause, Cause::Cut | Cause::Loss | Cause::SendRefusal);
        let counts = |excuse: &&Excuse| {
            excuse.by.is_none_or(|node| holds(node) && !leased(node))
                && !(understand && of_a_way(excuse.cause))
        };
        let abandoned = (0..self.leases.len())
            .any(|node| holds(node) && self.abandoned & 1 << node != 0 && !leased(node));
        let excuse = running().find(counts).map(|excuse| excuse.cause);
        let is_hit =
            || running().any(|excuse| excuse.by.is_some_and(holds)) || watched.holders & self.abandoned != 0;
        excuse
            .or(abandoned.then_some(Cause::Crash))
            .or_else(|| (watched.contested_until >= now && is_hit()).then_some(Cause::Contest))
    }

    /// How well heartbeats and adverts pass from one node to another has changed, or not.
    pub fn note_passage(&mut self, now: Moment, (from, to): (NodeId, NodeId), passage: Passage) {
        let known = &mut self.passages[from * self.leases.len() + to];
        if known.0 != passage {
            *known = (passage, now);
        }
    }

    /// Whether all holders of an address have had the time to hear of each other by heartbeat, or one to learn that the
    /// other cannot hear it: then the state of the network excuses them no longer.
    fn understand_each_other(&self, now: Moment, watched: &Watched) -> bool {
        let holders = || (0..self.leases.len()).filter(|node| watched.holders & 1 << node != 0);
        let settled = now > self.disturbed_until;
        settled
            && holders()
                .all(|one| holders().all(|other| one == other || self.understand(now, watched, one, other)))
    }

    fn understand(&self, now: Moment, watched: &Watched, one: NodeId, other: NodeId) -> bool {
        let nodes = self.leases.len();
        let (to, to_since) = self.passages[one * nodes + other];
        let (back, back_since) = self.passages[other * nodes + one];
        let since = to_since.max(back_since).max(self.came[one]).max(self.came[other]);
        let on_terms = self.on_terms[one * nodes + other];
        on_terms
            && match (to, back) {
                // A backup may be about to take over when the way opens; then each hears the other's next advert.
                (Passage::Free, Passage::Free) => {
                    now.since(since) > self.longest * 2 + Duration::from_millis(100)
                }
                // One that holds and is heard, but does not hear: it says so with its next advert, or the next heartbeat of
                // a master that is not new, and that is told at least three quarters of an interval after it was answered.
                (Passage::Free, Passage::Closed) | (Passage::Closed, Passage::Free) => {
                    let (deaf, closed_since) =
                        if back == Passage::Closed { (one, back_since) } else { (other, to_since) };
                    // A unicast peer that it has not heard in this life may be no Mainstay: it is told less often.
                    let is_stranger = self.unicast && self.came[deaf] > closed_since;
                    let heartbeat = if is_stranger { PATIENT_INTERVAL } else { A_HEARTBEAT };
                    // What a frozen one finds in its queue makes the contest begin anew.
                    now.since(since.max(watched.since).max(self.disturbed_until))
                        > self.longest.max(heartbeat) + self.longest * 3 / 4
                }
                _ => false,
            }
    }

    /// An advert reached a node's process.
    pub fn reached(&mut self, now: Moment, node: NodeId, sender: NodeId, router: usize, priority: u8) {
        let place = self.place_of(node, sender, router);
        if let Some(heard) = self.heard.get_mut(place)
            && priority > 0
        {
            *heard = Some(now);
        }
    }

    /// A node's process took in something believable of another one about a router, when its clock showed `local`.
    pub fn met(&mut self, (now, local): (Moment, Instant), node: NodeId, sender: NodeId, router: usize) {
        let place = self.place_of(node, sender, router);
        if let Some(met) = self.met.get_mut(place) {
            *met = Some((now, local));
        }
    }

    /// Whether orders to some kernel may be late.
    #[must_use]
    pub fn kernels_are_slow(&self, now: Moment) -> bool {
        now <= self.slow_kernels_until
    }

    /// Whether nothing is late on its way or in a loop.
    #[must_use]
    pub fn all_is_on_time(&self, now: Moment) -> bool {
        now > self.late_until
    }

    /// When a node last took in something of another one about a router, by its own clock.
    #[must_use]
    pub fn last_met(&self, node: NodeId, sender: NodeId, router: usize) -> Option<Instant> {
        let met = self.met.get(self.place_of(node, sender, router)).copied().flatten();
        met.map(|(_, local)| local)
    }

    /// A node took in an advert.
    pub fn heard(&mut self, now: Moment, node: NodeId, hearing: &Hearing, after: Option<(State, u8)>) {
        let Some((after, _)) = after else { return };
        let (before, own_priority) = hearing.before;
        let verdict = verdict(hearing);
        if !is_expected(before, after, verdict, hearing.lapse) {
            let what = format!(
                "{}: {before} of priority {own_priority} heard priority {} of {} and is {after}: it {verdict:?}",
                name(node),
                hearing.priority,
                hearing.source
            );
            self.violate(now, "S6", what);
        }
    }

    /// A node took in a heartbeat. What it says of a router as an advert would is in `hearings`; of others it says nothing
    /// that changes their state.
    pub fn overheard(
        &mut self,
        now: Moment,
        node: NodeId,
        hearings: &[Hearing],
        lapses: &[Lapse],
        (before, after): (&States, &States),
    ) {
        let verdict_of = |router: usize| {
            let of = hearings.iter().filter(|hearing| self.grouped || hearing.router == router);
            of.map(verdict).max().unwrap_or(Verdict::Stays)
        };
        for (router, (((was, _), (is, _)), lapse)) in before.iter().zip(after.iter()).zip(lapses).enumerate()
        {
            let verdict = verdict_of(router);
            if !is_expected(*was, *is, verdict, *lapse) {
                let what = format!(
                    "{}: router {} was {was}, heard a heartbeat that says {:?} and is {is}: it {verdict:?}",
                    name(node),
                    router + 1,
                    hearings.iter().map(|hearing| (hearing.priority, hearing.source)).collect::<Vec<_>>(),
                );
                return self.violate(now, "S6", what);
            }
        }
    }

    /// A node gave orders in one step. `was_master` says whether a router was master before, `virtual_of` whether an
    /// address is a router's.
    pub fn ordered(
        &mut self,
        now: Moment,
        node: NodeId,
        actions: &[Action],
        was_master: impl Fn(&str) -> bool,
        virtual_of: impl Fn(&IpAddr, &str) -> bool,
    ) {
        let second = now.0 / 1_000_000_000;
        let orders = &mut self.orders[node];
        *orders = (second, if orders.0 == second { orders.1 } else { 0 } + actions.len() as u32);
        if orders.1 > STORM {
            let what = format!("{} gave {} orders in one second", name(node), orders.1);
            self.violate(now, "storm", what);
        }
        let adverts = |of: &Advert| {
            let same = |action: &&Action| {
                matches!(action, Action::SendAdvert(advert)
                if advert.instance == of.instance && advert.destination == of.destination)
            };
            actions.iter().filter(same).count()
        };
        let repeated = actions.len() > 2
            && actions
                .iter()
                .any(|action| matches!(action, Action::SendAdvert(advert) if adverts(advert) > 2));
        if repeated {
            self.violate(now, "pace", format!("{} sends one advert again and again in one step", name(node)));
        }
        for (at, action) in actions.iter().enumerate() {
            let Action::Notify(told) = action else { continue };
            let before = self.told.get(&(node, told.object.clone())).copied();
            if let NotifyObject::Instance(router) = &told.object
                && let Some(what) = out_of_order(
                    &actions[..at],
                    &actions[at..],
                    router,
                    told.state,
                    was_master(router),
                    &virtual_of,
                )
            {
                self.violate(now, "order", format!("{}: {router} {}: {what}", name(node), told.state.word()));
            }
            let twice =
                before == Some(told.state) && matches!(told.state, NotifyState::Master | NotifyState::Backup);
            let not_master = told.state == NotifyState::MasterRxLowerPriority
                && before.is_some_and(|b| b != NotifyState::Master);
            if twice || not_master {
                let what = format!("{}: {:?} {:?} after {before:?}", name(node), told.object, told.state);
                self.violate(now, "order", what);
            }
            match told.state {
                NotifyState::Master
                | NotifyState::Backup
                | NotifyState::Fault
                | NotifyState::Stop
                | NotifyState::Deleted => {
                    let _ = self.told.insert((node, told.object.clone()), told.state);
                }
                NotifyState::MasterRxLowerPriority
                | NotifyState::MasterPriority
                | NotifyState::BackupPriority => {}
            }
        }
    }

    /// A host's last probe to an address reached this node, or nobody.
    pub fn probed(&mut self, now: Moment, host: usize, address: IpAddr, reached: Option<NodeId>) {
        let Some(watched) = self.addresses.iter().find(|watched| watched.address == address) else { return };
        if watched.holders.count_ones() != 1 {
            return;
        }
        let holder = watched.holders.trailing_zeros() as NodeId;
        let undisturbed = self.trouble_until < watched.since && self.ours & watched.holders != 0;
        let patience = if undisturbed { ANNOUNCED } else { REDISCOVERED };
        let waited = now.since(watched.since.max(self.trouble_until));
        if reached != Some(holder) && waited > patience {
            let what = format!(
                "host {host}: traffic to {address} reaches {:?}, and {} holds it for {waited:?}",
                reached.map(name),
                name(holder)
            );
            self.violate(now, "L4", what);
        }
    }

    /// Nodes that hold an address.
    #[must_use]
    pub fn holders(&self, address: IpAddr) -> u32 {
        self.addresses.iter().find(|watched| watched.address == address).map_or(0, |watched| watched.holders)
    }
}

/// Whether a fault befalls a way between nodes, of which there may be others.
const fn is_about_ways(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Deaf(..)
            | Fault::CutOff(_)
            | Fault::MulticastDeaf(..)
            | Fault::AdvertDeaf(..)
            | Fault::SecondDeaf(..)
            | Fault::SecondCutOff(_)
            | Fault::SecondLoss(_)
            | Fault::Loss(_)
            | Fault::Damage(_)
            | Fault::SendRefusal(_)
    )
}

/// What a master must do about what it heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Stays,
    MayYield,
    Yields,
}

fn verdict(hearing: &Hearing) -> Verdict {
    let (_, own_priority) = hearing.before;
    let ours = hearing.source == hearing.own;
    let outranks =
        hearing.priority > own_priority || (hearing.priority == own_priority && hearing.source > hearing.own);
    if !hearing.acceptable || hearing.priority == 0 || ours {
        Verdict::Stays
    } else if hearing.standing.unsure {
        Verdict::MayYield
    } else if outranks {
        Verdict::Yields
    } else if hearing.standing.may_give_way {
        Verdict::MayYield
    } else {
        Verdict::Stays
    }
}

fn is_expected(before: State, after: State, verdict: Verdict, lapse: Lapse) -> bool {
    let lapsed = lapse.in_kernel.is_some_and(|lapsed| lapsed > ROUNDING);
    match before {
        // Held up for longer than its lease, it is a backup before it judges anything.
        State::Master if lapsed || (lapse.is_over && after == State::Backup) => after == State::Backup,
        State::Master => match verdict {
            Verdict::Stays => after == State::Master,
            Verdict::MayYield => matches!(after, State::Master | State::Backup),
            Verdict::Yields => after == State::Backup,
        },
        State::Init | State::Backup | State::Fault => after == before,
    }
}

/// What is wrong with the order of effects around one notification, if anything is.
fn out_of_order(
    before: &[Action],
    after: &[Action],
    router: &str,
    state: NotifyState,
    was_master: bool,
    virtual_of: impl Fn(&IpAddr, &str) -> bool,
) -> Option<&'static str> {
    let adds = |action: &Action| matches!(action, Action::AddAddress(a) if virtual_of(&a.address, router));
    let removes =
        |action: &Action| matches!(action, Action::RemoveAddress(a) if virtual_of(&a.address, router));
    match state {
        NotifyState::Master => {
            let advert = before.iter().rposition(
                |action| matches!(action, Action::SendAdvert(advert) if &*advert.instance == router),
            );
            let first_add = before.iter().position(adds);
            // One that held back has advertised before.
            if advert.is_none() && !was_master {
                return Some("no advert before it");
            }
            if after.iter().any(adds) {
                return Some("addresses are added after it");
            }
            if !was_master && first_add.is_some_and(|add| advert.is_some_and(|advert| add < advert)) {
                return Some("addresses are added before the advert");
            }
            let announces = |action: &Action| matches!(action, Action::Announce { address, .. } if virtual_of(address, router));
            match before.iter().position(announces) {
                None => Some("no announcement before it"),
                Some(first) => {
                    before[first..].iter().any(adds).then_some("addresses are added after announcing")
                }
            }
        }
        NotifyState::Backup | NotifyState::Fault | NotifyState::Stop => {
            after.iter().any(removes).then_some("addresses are removed after it")
        }
        NotifyState::Deleted
        | NotifyState::MasterRxLowerPriority
        | NotifyState::MasterPriority
        | NotifyState::BackupPriority => None,
    }
}
