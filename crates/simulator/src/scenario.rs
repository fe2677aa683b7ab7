//! A scenario: the LAN, its nodes and what befalls them. Drawn from a seed or read from a story.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::address::{AddressFlags, Family, InterfaceAddress};
use mainstay_core::router::plan::{
    AnnouncePlan, Authentication, Destination, HeartbeatPlan, InstancePlan, LeasePlan, PathDestination,
    PathPlan, Preempt, RouterPlan, ScriptPlan, SyncGroupPlan, Tracker, TrackerTarget, UnicastPeer, Version,
    WantedState,
};

use crate::fault::{Change, NodeId, Timed};
use crate::kernel::{LINK, SECOND_LINK};
use crate::network::Weather;

/// Name of the tracking script of a node that has one.
pub const SCRIPT: &str = "check";

/// Everything that makes a run; equal scenarios run equally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Seed of what is drawn while it runs (delays, losses).
    pub seed: u64,
    /// Family of everything.
    pub family: Family,
    /// Version all nodes speak.
    pub version: Version,
    /// Unicast instead of multicast.
    pub unicast: bool,
    /// Advert interval of nodes that have none of their own.
    pub interval: Duration,
    /// Virtual routers on each node.
    pub routers: usize,
    /// Virtual addresses of each.
    pub addresses: usize,
    /// Whether all routers of a node are one sync group.
    pub grouped: bool,
    /// Hosts that send traffic to the virtual addresses.
    pub hosts: usize,
    /// The second link between Mainstay nodes that have heartbeats (`@mainstay heartbeat_path dev eth1`).
    pub second: Second,
    /// The network on a good day.
    pub weather: Weather,
    /// The nodes, `a`, `b`, ...
    pub nodes: Vec<NodeSpec>,
    /// What befalls them.
    pub faults: Vec<Timed>,
    /// How long it runs at least; it always runs until everything has settled.
    pub lasts: Duration,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Whose software it runs.
    pub kind: Kind,
    /// Base priority of each router; the last one counts for further ones.
    pub priorities: Vec<u8>,
    /// When it takes over from a lower one.
    pub preempt: Preempt,
    /// Its own advert interval.
    pub interval: Option<Duration>,
    /// Weight of its tracking script if it has one; zero is a fault when it fails.
    pub script: Option<i32>,
    /// The VIP lease.
    pub lease: Lease,
    /// Its heartbeats.
    pub beats: Beats,
}

impl Default for NodeSpec {
    fn default() -> Self {
        Self {
            kind: Kind::Mainstay,
            priorities: vec![100],
            preempt: Preempt::After(Duration::ZERO),
            interval: None,
            script: None,
            lease: Lease::Off,
            beats: Beats::Off,
        }
    }
}

/// The second link between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// There is none.
    None,
    /// Heartbeats go there to the group.
    Multicast,
    /// They go to each peer.
    Unicast,
}

/// The VIP lease of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// None: plain VRRP.
    Off,
    /// It counts while a living peer is known.
    WithPeer,
    /// It counts always.
    Always,
}

/// The heartbeats of a node (`@mainstay peer_view`, `@mainstay heartbeat_key`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beats {
    /// None: plain VRRP.
    Off,
    /// Without a key.
    Open,
    /// With the key all nodes share; nobody believes one without it, and nobody without it believes one that has it.
    Keyed,
}

/// Whose software.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The real `mainstay_core::router::Router`.
    Mainstay,
    /// A small model of keepalived 2.2.7.
    Keepalived227,
    /// A small model of keepalived 2.4.3.
    Keepalived243,
    /// A small model of FRR 8.4.4.
    Frr,
}

impl Scenario {
    /// A quiet LAN with these nodes.
    #[must_use]
    pub const fn quiet(seed: u64, nodes: Vec<NodeSpec>) -> Self {
        Self {
            seed,
            family: Family::V4,
            version: Version::V3,
            unicast: false,
            interval: Duration::from_secs(1),
            routers: 1,
            addresses: 1,
            grouped: false,
            hosts: 1,
            second: Second::None,
            weather: Weather::FAIR,
            nodes,
            faults: Vec::new(),
            lasts: Duration::ZERO,
        }
    }

    /// When the last fault has ended.
    #[must_use]
    pub fn healed(&self) -> Duration {
        self.faults.iter().map(Timed::ends).max().unwrap_or_default()
    }

    /// The longest advert interval anybody may have.
    #[must_use]
    pub fn longest_interval(&self) -> Duration {
        let of_nodes = self.nodes.iter().map(|node| node.interval.unwrap_or(self.interval));
        let of_reloads = self.faults.iter().filter_map(|timed| match timed.fault {
            crate::fault::Fault::Reload(_, Change::Interval(interval)) => Some(interval),
            _ => None,
        });
        of_nodes.chain(of_reloads).max().unwrap_or(self.interval)
    }

    /// Own address of a station: nodes first, then hosts. A later station has the higher address in network order
    /// and the lower one in the order of a little-endian machine.
    #[must_use]
    pub fn own_address(&self, station: usize) -> IpAddr {
        match self.family {
            Family::V4 => IpAddr::from([10, 0, 1 + station as u8, 250 - 10 * station as u8]),
            Family::V6 => {
                let (high, low) = (1 + station as u16, 0xfa - 10 * station as u16);
                Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, high, low).into()
            }
        }
    }

    /// Address of a node on the second link, if it has it. Always IPv4: it need not be of the family of the adverts.
    #[must_use]
    pub fn second_address(&self, node: NodeId) -> Option<IpAddr> {
        let has_it = self.second != Second::None && self.nodes[node].beats != Beats::Off;
        has_it.then(|| IpAddr::from([172, 16, 0, 10 + node as u8]))
    }

    /// Whether two nodes believe each other's heartbeats.
    #[must_use]
    pub fn are_on_terms(&self, one: NodeId, other: NodeId) -> bool {
        let (one, other) = (&self.nodes[one], &self.nodes[other]);
        let mainstay = one.kind == Kind::Mainstay && other.kind == Kind::Mainstay;
        mainstay && one.beats == other.beats && one.beats != Beats::Off
    }

    /// A virtual address of a router.
    #[must_use]
    pub fn virtual_address(&self, router: usize, number: usize) -> IpAddr {
        match self.family {
            Family::V4 => IpAddr::from([10, 0, 100 + router as u8, 1 + number as u8]),
            Family::V6 => {
                Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x64 + router as u16, 0, 1 + number as u16).into()
            }
        }
    }

    /// The VRRP group.
    #[must_use]
    pub fn group(&self) -> IpAddr {
        match self.family {
            Family::V4 => IpAddr::from([224, 0, 0, 18]),
            Family::V6 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
        }
    }

    /// Name of a router.
    #[must_use]
    pub fn router_name(router: usize) -> String {
        format!("R{}", router + 1)
    }

    /// What a node's configuration comes to, with a change if one is in force.
    #[must_use]
    pub fn plan(&self, node: NodeId, changes: &[Change]) -> RouterPlan {
        let fewer = changes.contains(&Change::FewerRouters) && self.routers > 1;
        let routers = if fewer { self.routers - 1 } else { self.routers };
        let instances: Vec<InstancePlan> =
            (0..routers).map(|router| self.instance(node, router, changes)).collect();
        let members = instances.iter().map(|instance| instance.name.clone()).collect();
        let group = SyncGroupPlan {
            name: "G".into(),
            members,
            trackers: Vec::new(),
            tracking_weight: true,
            notify_priority_changes: false,
        };
        let script = ScriptPlan {
            name: SCRIPT.into(),
            identity: SCRIPT.into(),
            interval: Duration::from_secs(1),
            rise: 2,
            fall: 2,
            init_fail: false,
        };
        RouterPlan {
            instances,
            sync_groups: if self.grouped { vec![group] } else { Vec::new() },
            scripts: self.nodes[node].script.map(|_| script).into_iter().collect(),
            heartbeats: self.heartbeats(node),
            ..RouterPlan::default()
        }
    }

    fn instance(&self, node: NodeId, router: usize, changes: &[Change]) -> InstancePlan {
        let spec = &self.nodes[node];
        let priorities = &spec.priorities;
        let mut priority = priorities.get(router).or(priorities.last()).copied().unwrap_or(100);
        let mut interval = spec.interval.unwrap_or(self.interval);
        let mut addresses = self.addresses;
        let mut preempt = spec.preempt;
        for change in changes {
            match change {
                Change::Priority(other) => priority = *other,
                Change::Interval(other) => interval = *other,
                Change::MoreAddresses => addresses += 1,
                Change::FewerAddresses => addresses = (addresses - 1).max(1),
                Change::Preempt if preempt == Preempt::Never => preempt = Preempt::After(Duration::ZERO),
                Change::Preempt => preempt = Preempt::Never,
                Change::FewerRouters => {}
            }
        }
        let tracker =
            |weight| Tracker { target: TrackerTarget::Script(SCRIPT.into()), weight, reverse: false };
        InstancePlan {
            name: Self::router_name(router),
            vrid: NonZeroU8::MIN.saturating_add(9 + router as u8),
            version: self.version,
            family: self.family,
            interface: Some(LINK.into()),
            ignore_interface_fault: false,
            source: None,
            track_source: false,
            destination: self.destination(node),
            wanted: if priority == 255 { WantedState::Master } else { WantedState::Backup },
            priority: NonZeroU8::new(priority).unwrap_or(NonZeroU8::MIN),
            advert_interval: interval,
            down_timer_adverts: 3,
            preempt,
            addresses: (0..addresses).map(|number| self.interface_address(router, number)).collect(),
            excluded_addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            promote_secondaries: false,
            authentication: Authentication::None,
            signature: None,
            checksum_without_pseudo_header: false,
            skip_address_check: false,
            strict: false,
            probe_before_take: false,
            claim_watch: false,
            mismatch_policy: mainstay_core::router::plan::MismatchPolicy::Take,
            accept: true,
            lower_priority_no_advert: false,
            higher_priority_send_advert: false,
            owner_ignores_adverts: false,
            timer_expired_backup: None,
            announce: AnnouncePlan::default(),
            trackers: spec.script.map(tracker).into_iter().collect(),
            notify_priority_changes: false,
            notify_deleted: false,
            receive_buffer: None,
            lease: Self::lease(spec.lease, interval),
        }
    }

    /// As the configuration has it by default: half an interval before a peer can take over.
    fn lease(lease: Lease, interval: Duration) -> Option<LeasePlan> {
        let length = interval * 5 / 2;
        match lease {
            Lease::Off => None,
            Lease::WithPeer => Some(LeasePlan { length, only_if_peer_seen: true }),
            Lease::Always => Some(LeasePlan { length, only_if_peer_seen: false }),
        }
    }

    fn heartbeats(&self, node: NodeId) -> HeartbeatPlan {
        let (peer_view, key) = match self.nodes[node].beats {
            Beats::Off => (false, Vec::new()),
            Beats::Open => (true, Vec::new()),
            Beats::Keyed => (true, b"a key of thirty-two bytes, or so".to_vec()),
        };
        let path = |destination| PathPlan { link: SECOND_LINK.into(), destination, instance: None };
        let others = (0..self.nodes.len()).filter(|other| *other != node);
        let paths = match (self.second, self.second_address(node)) {
            (Second::None, _) | (_, None) => Vec::new(),
            (Second::Multicast, Some(_)) => vec![path(PathDestination::Groups {
                v4: Ipv4Addr::new(224, 0, 0, 18),
                v6: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            })],
            (Second::Unicast, Some(_)) => others
                .filter_map(|other| self.second_address(other))
                .map(|peer| path(PathDestination::Peer(peer)))
                .collect(),
        };
        HeartbeatPlan { peer_view, key, paths, ..HeartbeatPlan::default() }
    }

    fn destination(&self, node: NodeId) -> Destination {
        if !self.unicast {
            return Destination::Multicast(self.group());
        }
        let others = (0..self.nodes.len()).filter(|other| *other != node);
        let peers =
            others.map(|other| UnicastPeer { address: self.own_address(other), ttl_range: None }).collect();
        Destination::Unicast { peers, check_source: true, ttl: Some(255) }
    }

    fn interface_address(&self, router: usize, number: usize) -> Arc<InterfaceAddress> {
        Arc::new(InterfaceAddress {
            address: self.virtual_address(router, number),
            prefix_length: self.family.bits(),
            link: LINK.into(),
            broadcast: None,
            scope: 0,
            label: None,
            peer: None,
            flags: AddressFlags { nodad: true, ..AddressFlags::default() },
            preferred_lifetime_s: None,
            tracked: true,
            track_group: None,
        })
    }
}
