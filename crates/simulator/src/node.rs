//! One node: what it runs, and its daemon's loop around that.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::address::InterfaceAddress;
use mainstay_core::heartbeat::{AddressDigest, BootId};
use mainstay_core::router::plan::InstancePlan;
use mainstay_core::router::{
    Action, Actions, Advert, Datagram, Input, Link, Packet, Resume, Router, RouterPlan, ScriptOutcome, State,
};
use mainstay_core::time::Instant;
use mainstay_core::vrrp::ah::Envelope;

use crate::fault::Change;
use crate::frame::{Beat, Frame, Mac, Vrrp};
use crate::kernel::{INDEX, Kernel};
use crate::moment::{Clock, Moment};
use crate::peer::PlainPeer;
use crate::scenario::{Kind, SCRIPT};

/// Frames a paused machine's network card keeps; later ones are lost.
pub const RING: usize = 64;

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Whose software it runs.
    pub kind: Kind,
    /// Its own address.
    pub own: IpAddr,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its monotonic clock.
    pub clock: Clock,
    /// The process, if it runs.
    pub brain: Option<Brain>,
    /// Counts processes, so that what belongs to a dead one is dropped.
    pub life: u32,
    /// Reasons for the process not to run.
    pub down: u8,
    /// Reasons for the process to stand still.
    pub frozen: u8,
    /// Reasons for the whole machine to stand still.
    pub paused: u8,
    /// Since when it does, if it does.
    pub paused_since: Moment,
    /// Reasons for the machine to be off.
    pub off: u8,
    /// What waits for the loop, in order.
    pub inbox: VecDeque<Fact>,
    /// Whether the loop is about to wake up.
    pub waking: bool,
    /// What waits for the effects thread, in order.
    pub effects: VecDeque<Action>,
    /// Whether the effects thread is at work.
    pub effects_busy: bool,
    /// Counts settings of the timer.
    pub timer: u64,
    /// When the process wants to be woken, by its own clock, as of its last step.
    pub deadline: Option<Instant>,
    /// When the timer fires, if it is set; the deadline may have moved on since, and then it is set again.
    pub fires_at: Option<Moment>,
    /// Whether its sockets are open.
    pub listens: bool,
    /// Which of them is read first.
    pub first_socket: u8,
    /// Frames that arrived while the machine was paused.
    pub ring: Vec<Frame>,
    /// What the supervisor remembers of the process.
    pub memory: Option<Resume>,
    /// What differs in its configuration file now.
    pub changes: Vec<Change>,
    /// The configuration the process has.
    pub plan: RouterPlan,
    /// The digests of its routers' addresses.
    pub digests: Vec<AddressDigest>,
    /// Reasons for the script to fail.
    pub script_fails: u8,
    /// How late its loop may be.
    pub loop_delay: Duration,
    /// How slow its kernel may be.
    pub kernel_delay: Duration,
    /// Events of the kernel that have not arrived.
    pub netlink_in_flight: u32,
    /// Its kernel was found to have what its routers' states ask for, and neither has changed since.
    pub in_order: bool,
    /// Whether events were lost and nothing was listed since.
    pub events_lost: bool,
    /// The gates that stand are not those that were asked for last.
    pub gates_refused: bool,
    /// One bit a router: its last advert opened a gate that was not yet, or not at all, what had been asked for.
    pub opened_old_gate: u32,
    /// What its process was about to send when it was stopped.
    pub unsent: VecDeque<(Outgoing, Instant)>,
    /// Adverts that were ordered, and leave late or not at all.
    pub leaving: u32,
    /// When the next gate closes, as far as an event stands for it.
    pub gate_closes_at: Option<Moment>,
    /// Reasons for having no address of its own.
    pub addressless: u8,
}

/// Something a process sends itself, on its loop's own thread.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// An advert.
    Advert(Advert),
    /// A heartbeat, behind the adverts ordered with it.
    Heartbeat(Datagram),
}

/// Something the loop will read.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A packet on a VRRP socket.
    Packet(Vrrp),
    /// A datagram on a heartbeat socket.
    Heartbeat(Beat),
    /// Netlink: the link changed.
    Link(Link),
    /// Netlink: an address arrived.
    Added(IpAddr),
    /// Netlink: an address left.
    Removed(IpAddr),
    /// Netlink events were lost: everything is listed at the moment this is read.
    List,
    /// The kernel refused an address.
    Refused(Arc<InterfaceAddress>),
    /// An order to remove an address was carried out.
    Released(Arc<InterfaceAddress>),
    /// The kernel refused to send an advert, or it came too late to be sent.
    AdvertRefused(Arc<str>),
    /// The kernel refused to make the gates.
    GatesRefused,
    /// Somebody claims a virtual address: the address and its hardware address.
    Claim(IpAddr, Mac),
    /// A script ended.
    Script(bool),
    /// A configuration was accepted.
    Reload(Box<RouterPlan>),
    /// The daemon is to end.
    Shutdown,
}

/// What decides on a node.
#[derive(Debug)]
pub enum Brain {
    /// The real thing.
    Mainstay(Box<Router>),
    /// A model of another implementation.
    Plain(Box<PlainPeer>),
}

/// Virtual routers of a node, at most.
pub const ROUTERS: usize = 8;

/// State and effective priority of each router of a node. They are looked at before and after every step: this is
/// small, and costs no allocation.
#[derive(Debug, Clone, Copy)]
pub struct States {
    count: usize,
    of: [(State, u8); ROUTERS],
}

impl Default for States {
    fn default() -> Self {
        Self { count: 0, of: [(State::Init, 0); ROUTERS] }
    }
}

impl std::ops::Deref for States {
    type Target = [(State, u8)];

    fn deref(&self) -> &Self::Target {
        &self.of[..self.count]
    }
}

impl FromIterator<(State, u8)> for States {
    fn from_iter<I: IntoIterator<Item = (State, u8)>>(states: I) -> Self {
        let mut all = Self::default();
        for (place, state) in all.of.iter_mut().zip(states) {
            *place = state;
            all.count += 1;
        }
        all
    }
}

impl PartialEq for States {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Brain {
    /// A process that just started; no other life has this `boot`. `since_boot` does not matter to the plans used here.
    #[must_use]
    pub fn start(
        kind: Kind,
        (now, boot): (Instant, BootId),
        plan: RouterPlan,
        own: IpAddr,
        mac: Mac,
        memory: Option<&Resume>,
        open: Option<BTreeSet<IpAddr>>,
    ) -> Self {
        match kind {
            Kind::Mainstay => {
                let since_boot = now.saturating_since(Instant::ZERO);
                let open = memory.and(open);
                let router = Router::new(now, since_boot, plan, memory);
                Self::Mainstay(Box::new(router.with_boot_id(boot).with_open_gates(open)))
            }
            Kind::Keepalived227 | Kind::Keepalived243 | Kind::Frr => {
                Self::Plain(Box::new(PlainPeer::new(kind, plan, own, mac)))
            }
        }
    }

    /// Takes in one fact.
    pub fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions) {
        match self {
            Self::Mainstay(router) => router.step(now, input, actions),
            Self::Plain(peer) => peer.step(now, input, actions),
        }
    }

    /// When a tick is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Mainstay(router) => router.next_deadline(),
            Self::Plain(peer) => peer.next_deadline(),
        }
    }

    /// State and effective priority of each router, in plan order.
    #[must_use]
    pub fn states(&self) -> States {
        match self {
            Self::Mainstay(router) => router.states().map(|(_, state, priority)| (state, priority)).collect(),
            Self::Plain(peer) => peer.states().map(|(_, state, priority)| (state, priority)).collect(),
        }
    }

    /// State and effective priority of one router.
    #[must_use]
    pub fn state(&self, router: usize) -> Option<(State, u8)> {
        match self {
            Self::Mainstay(node) => node.states().nth(router).map(|(_, state, priority)| (state, priority)),
            Self::Plain(peer) => peer.states().nth(router).map(|(_, state, priority)| (state, priority)),
        }
    }

    /// What a successor needs to know; the others remember nothing.
    #[must_use]
    pub fn resume(&self) -> Option<Resume> {
        match self {
            Self::Mainstay(router) => Some(router.resume()),
            Self::Plain(_) => None,
        }
    }
}

impl Node {
    /// The process takes up a configuration.
    pub fn configure(&mut self, plan: RouterPlan) {
        let digest = |plan: &InstancePlan| {
            let addresses: Vec<IpAddr> = plan.addresses.iter().map(|address| address.address).collect();
            AddressDigest::of(&addresses)
        };
        self.digests = plan.instances.iter().map(digest).collect();
        self.plan = plan;
    }

    /// Whether its process can do anything at this moment.
    #[must_use]
    pub const fn runs(&self) -> bool {
        self.brain.is_some() && self.frozen == 0 && self.paused == 0 && self.off == 0
    }

    /// Whether its kernel answers for this address and takes in what is sent to it.
    #[must_use]
    pub fn holds(&self, now: Moment, address: IpAddr) -> bool {
        let is_on = self.kernel.carrier && self.paused == 0 && self.off == 0;
        is_on && self.kernel.has(address) && self.kernel.gates.let_through(self.clock.read(now), address)
    }

    /// Whether its process listens to claims of this address.
    #[must_use]
    pub fn watches(&self, address: IpAddr) -> bool {
        self.listens
            && self.plan.instances.iter().any(|plan| {
                (plan.claim_watch || plan.probe_before_take)
                    && plan.addresses.iter().any(|own| own.address == address)
            })
    }

    /// Which of its routers an advert is of, by the id in it: that is faster to compare than the names.
    #[must_use]
    pub fn router_of(&self, advert: &Advert) -> Option<usize> {
        let vrid = advert.payload.get(1)?;
        self.plan.instances.iter().position(|plan| plan.vrid.get() == *vrid)
    }

    /// Whether the order for other gates has not been carried out.
    #[must_use]
    pub fn gates_wait(&self) -> bool {
        self.effects.iter().any(|order| matches!(order, Action::SetGates(_)))
    }

    /// Whether nothing is on its way between its process and its kernel.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.runs()
            && self.inbox.is_empty()
            && self.effects.is_empty()
            && !self.effects_busy
            && self.unsent.is_empty()
            && self.netlink_in_flight == 0
            && !self.events_lost
    }

    /// The fact as the process is told it.
    #[must_use]
    pub fn input<'a>(kernel: &Kernel, fact: &'a Fact) -> Input<'a> {
        match fact {
            Fact::Packet(vrrp) => Input::PacketReceived(Packet {
                link: INDEX,
                source: vrrp.source,
                destination: vrrp.destination,
                ttl: vrrp.ttl,
                envelope: Envelope::Bare,
                payload: &vrrp.payload,
            }),
            Fact::Heartbeat(beat) => Input::HeartbeatReceived(Packet {
                link: beat.link,
                source: beat.source,
                destination: beat.destination,
                ttl: 255,
                envelope: Envelope::Bare,
                payload: &beat.payload,
            }),
            Fact::Link(link) => Input::LinkChanged(link.clone()),
            Fact::Added(address) => Input::AddressAdded(INDEX, *address),
            Fact::Removed(address) => Input::AddressRemoved(INDEX, *address),
            Fact::List => {
                let (links, addresses) = kernel.listing();
                Input::KernelListed { links, addresses }
            }
            Fact::Refused(address) => Input::AddressRefused { address: Arc::clone(address), errno: 1 },
            Fact::Released(address) => Input::AddressReleased(Arc::clone(address)),
            Fact::AdvertRefused(instance) => {
                Input::AdvertRefused { instance: Arc::clone(instance), errno: 105 }
            }
            Fact::GatesRefused => Input::GatesRefused { errno: 1 },
            Fact::Claim(address, mac) => Input::ClaimHeard { link: INDEX, address: *address, mac: *mac },
            Fact::Script(good) => Input::ScriptFinished {
                script: SCRIPT.into(),
                outcome: ScriptOutcome::Exited(u8::from(!good)),
            },
            Fact::Reload(plan) => Input::Reloaded(plan.clone()),
            Fact::Shutdown => Input::ShutdownRequested,
        }
    }
}
