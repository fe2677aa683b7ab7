//! Plans as short as the sentence that describes them. What is not said is keepalived's default.

use std::num::NonZeroU8;
use std::sync::Arc;

use mainstay_core::address::{
    AddressFlags, InterfaceAddress, NextHop, Prefix, Route, RouteInsertion, Rule, RuleAction,
};
use mainstay_core::bfd::{Audience, Intervals, SessionPlan};
use mainstay_core::link::{OwnAddress, VirtualKind, VirtualLink};
use mainstay_core::router::RouterPlan;
use mainstay_core::router::plan::{
    AnnouncePlan, Destination, FilePlan, InstancePlan, LeasePlan, PathDestination, PathPlan, ProcessPlan,
    ScriptPlan, SyncGroupPlan, Tracker, TrackerTarget, UnicastPeer,
};

use super::*;

/// A plan being written.
#[derive(Debug, Clone, Default)]
pub struct Plan(pub RouterPlan);

/// An empty plan.
pub fn plan() -> Plan {
    Plan::default()
}

impl Plan {
    pub fn instance(mut self, instance: Instance) -> Self {
        self.0.instances.push(instance.0);
        self
    }

    pub fn group(mut self, group: SyncGroupPlan) -> Self {
        self.0.sync_groups.push(group);
        self
    }

    pub fn script(mut self, script: ScriptPlan) -> Self {
        self.0.scripts.push(script);
        self
    }

    pub fn file(mut self, file: FilePlan) -> Self {
        self.0.files.push(file);
        self
    }

    pub fn process(mut self, process: ProcessPlan) -> Self {
        self.0.processes.push(process);
        self
    }

    pub fn session(mut self, session: SessionPlan) -> Self {
        self.0.bfd.push(session);
        self
    }

    /// A macvlan with the virtual MAC address of this VRID, on this link.
    pub fn macvlan(mut self, name: &str, parent: &str, vrid: u8, family: Family) -> Self {
        let (number, own) = match family {
            Family::V4 => (1, OwnAddress::None),
            Family::V6 => (2, OwnAddress::LinkLocalOfParent),
        };
        self.0.virtual_links.push(Arc::new(VirtualLink {
            name: name.into(),
            parent: parent.into(),
            kind: VirtualKind::Macvlan { mac: [0, 0, 0x5e, 0, number, vrid] },
            group: None,
            family,
            ipv6: family == Family::V6,
            own,
        }));
        self
    }

    pub fn startup_delay(mut self, delay: Duration) -> Self {
        self.0.settings.startup_delay = delay;
        self
    }

    /// Heartbeats beside the adverts.
    pub fn peer_view(mut self) -> Self {
        self.0.heartbeats.peer_view = true;
        self
    }

    /// A further path over this link, for all instances.
    pub fn path(mut self, link: &str) -> Self {
        let groups = PathDestination::Groups {
            v4: "224.0.0.18".parse().expect("a group"),
            v6: "ff02::12".parse().expect("a group"),
        };
        self.0.heartbeats.paths.push(PathPlan { link: link.into(), destination: groups, instance: None });
        self
    }

    /// A further path over this link to one peer.
    pub fn path_to(mut self, link: &str, peer: &str) -> Self {
        let destination = PathDestination::Peer(ip(peer));
        self.0.heartbeats.paths.push(PathPlan { link: link.into(), destination, instance: None });
        self
    }

    pub fn key(mut self, key: &str) -> Self {
        self.0.heartbeats.key = key.as_bytes().to_vec();
        self
    }

    pub fn log_unknown_vrids(mut self) -> Self {
        self.0.settings.log_unknown_vrids = true;
        self
    }
}

impl From<Instance> for Plan {
    fn from(instance: Instance) -> Self {
        plan().instance(instance)
    }
}

/// An instance being written.
#[derive(Debug, Clone)]
pub struct Instance(pub InstancePlan);

/// Priority 100, VRID 10, v3, 1 s, 192.0.2.1 on eth0, waiting as backup.
pub fn instance(name: &str) -> Instance {
    Instance(InstancePlan {
        name: name.into(),
        vrid: NonZeroU8::new(10).expect("10"),
        version: Version::V3,
        family: Family::V4,
        interface: Some("eth0".into()),
        ignore_interface_fault: false,
        source: None,
        track_source: false,
        destination: Destination::Multicast(ip("224.0.0.18")),
        wanted: WantedState::Backup,
        priority: NonZeroU8::new(100).expect("100"),
        advert_interval: s(1),
        down_timer_adverts: 3,
        preempt: Preempt::After(Duration::ZERO),
        addresses: vec![virtual_address("192.0.2.1", "eth0")],
        excluded_addresses: vec![],
        routes: vec![],
        rules: vec![],
        promote_secondaries: false,
        authentication: Authentication::None,
        signature: None,
        checksum_without_pseudo_header: false,
        skip_address_check: false,
        strict: false,
        probe_before_take: false,
        claim_watch: true,
        mismatch_policy: MismatchPolicy::Take,
        accept: true,
        lower_priority_no_advert: false,
        higher_priority_send_advert: false,
        owner_ignores_adverts: false,
        timer_expired_backup: None,
        announce: AnnouncePlan::default(),
        trackers: vec![],
        notify_priority_changes: false,
        notify_deleted: false,
        receive_buffer: None,
        lease: None,
    })
}

/// `VI_1` with the first five announcements only, so that traces are short.
pub fn alone() -> Instance {
    instance("VI_1").announcing_once()
}

impl Instance {
    pub fn vrid(mut self, vrid: u8) -> Self {
        self.0.vrid = NonZeroU8::new(vrid).expect("a VRID is not 0");
        self
    }

    pub fn priority(mut self, priority: u8) -> Self {
        self.0.priority = NonZeroU8::new(priority).expect("a priority is not 0");
        self
    }

    /// Priority 255, wants to be master.
    pub fn owner(self) -> Self {
        self.priority(255).wants_master()
    }

    pub fn wants_master(mut self) -> Self {
        self.0.wanted = WantedState::Master;
        self
    }

    pub fn interval(mut self, interval: Duration) -> Self {
        self.0.advert_interval = interval;
        self
    }

    pub fn v2(mut self) -> Self {
        self.0.version = Version::V2;
        self
    }

    /// IPv6 to the group, with fe80::1 and 2001:db8::1 as the vectors have it.
    pub fn v6(mut self) -> Self {
        self.0.family = Family::V6;
        self.0.destination = Destination::Multicast(ip("ff02::12"));
        self.addresses(&["fe80::1", "2001:db8::1"])
    }

    pub fn password(mut self, password: &[u8; 8]) -> Self {
        self.0.authentication = Authentication::Pass((*password).into());
        self
    }

    /// `auth_type AH`, which is version 2.
    pub fn ah(self, password: &[u8; 8]) -> Self {
        self.v2().but(|plan| plan.authentication = Authentication::Ah((*password).into()))
    }

    /// `auth_hmac` with the keys 1 and 2, of which this one signs.
    pub fn signed(self, active: u8, mode: Mode) -> Self {
        self.but(|plan| plan.signature = Some(Arc::new(signature_plan(active, mode))))
    }

    /// The same, whatever the time of day.
    pub fn signed_without_clock(self, active: u8) -> Self {
        let monotonic =
            SignaturePlan { anti_replay: AntiReplay::Monotonic, ..signature_plan(active, Mode::Enforce) };
        self.but(|plan| plan.signature = Some(Arc::new(monotonic)))
    }

    /// `interface`, also for the addresses.
    pub fn on(mut self, link: &str) -> Self {
        self.0.interface = Some(link.into());
        for address in &mut self.0.addresses {
            Arc::make_mut(address).link = link.into();
        }
        self
    }

    pub fn source(mut self, source: &str) -> Self {
        self.0.source = Some(ip(source));
        self
    }

    pub fn unicast_to(self, peer: &str) -> Self {
        self.unicast(&[peer])
    }

    pub fn unicast(mut self, peers: &[&str]) -> Self {
        let peers = peers.iter().map(|peer| UnicastPeer { address: ip(peer), ttl_range: None }).collect();
        self.0.destination = Destination::Unicast { peers, check_source: false, ttl: Some(255) };
        self
    }

    pub fn check_unicast_source(mut self) -> Self {
        match &mut self.0.destination {
            Destination::Unicast { check_source, .. } => *check_source = true,
            Destination::Multicast(_) => panic!("multicast has no peers to check"),
        }
        self
    }

    pub fn nopreempt(mut self) -> Self {
        self.0.preempt = Preempt::Never;
        self
    }

    pub fn preempt_delay(mut self, delay: Duration) -> Self {
        self.0.preempt = Preempt::After(delay);
        self
    }

    pub fn addresses(mut self, addresses: &[&str]) -> Self {
        let link = self.0.interface.clone().unwrap_or_else(|| "eth0".into());
        self.0.addresses = addresses.iter().map(|address| virtual_address(address, &link)).collect();
        self
    }

    pub fn excluded(mut self, addresses: &[&str]) -> Self {
        let link = self.0.interface.clone().unwrap_or_else(|| "eth0".into());
        self.0.excluded_addresses = addresses.iter().map(|address| virtual_address(address, &link)).collect();
        self
    }

    pub fn route(mut self, route: Arc<Route>) -> Self {
        self.0.routes.push(route);
        self
    }

    pub fn rule(mut self, rule: Arc<Rule>) -> Self {
        self.0.rules.push(rule);
        self
    }

    pub fn tracks(mut self, tracker: Tracker) -> Self {
        self.0.trackers.push(tracker);
        self
    }

    /// No announcements but the first five.
    pub fn announcing_once(mut self) -> Self {
        self.0.announce.delay = Duration::ZERO;
        self.0.announce.lower_priority_delay = Duration::ZERO;
        self
    }

    /// A VIP lease of this length that counts once a peer is known.
    pub fn leased(mut self, length: Duration) -> Self {
        self.0.lease = Some(LeasePlan { length, only_if_peer_seen: true });
        self
    }

    /// A VIP lease of this length that always counts.
    pub fn always_leased(mut self, length: Duration) -> Self {
        self.0.lease = Some(LeasePlan { length, only_if_peer_seen: false });
        self
    }

    /// Changes what has no word of its own.
    pub fn but(mut self, change: impl FnOnce(&mut InstancePlan)) -> Self {
        change(&mut self.0);
        self
    }
}

/// An address as a virtual address of a configuration is lowered: host prefix, no DAD.
pub fn virtual_address(address: &str, link: &str) -> Arc<InterfaceAddress> {
    let address = ip(address);
    Arc::new(InterfaceAddress {
        address,
        prefix_length: Family::of(address).bits(),
        link: link.into(),
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

/// A route to a /24 through eth0.
pub fn route(destination: &str) -> Arc<Route> {
    let destination = Prefix { address: ip(destination), length: 24 };
    Arc::new(Route {
        family: Family::of(destination.address),
        kind: 1,
        destination,
        preferred_source: None,
        hops: vec![NextHop { link: Some("eth0".into()), weight: 1, ..NextHop::default() }],
        table: 254,
        scope: None,
        tos: 0,
        protocol: 18,
        metric: 0,
        metrics: vec![],
        congestion_control: None,
        realms: None,
        expires_s: None,
        preference: None,
        ttl_propagate: None,
        new_destination: None,
        insertion: RouteInsertion::default(),
        tracked: true,
        track_group: None,
    })
}

/// A rule that sends packets from a /24 to table 100.
pub fn rule(from: &str, preference: u32) -> Arc<Rule> {
    let from = Prefix { address: ip(from), length: 24 };
    Arc::new(Rule {
        family: Family::of(from.address),
        from: Some(from),
        to: None,
        not: false,
        tos: 0,
        fwmark: None,
        input_link: None,
        output_link: None,
        preference: Some(preference),
        action: RuleAction::Table(100),
        realms: None,
        suppress_prefix_length: None,
        suppress_link_group: None,
        tunnel_id: None,
        uid_range: None,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        protocol: 18,
        tracked: true,
        track_group: None,
    })
}

/// A sync group.
pub fn group(name: &str, members: &[&str]) -> SyncGroupPlan {
    SyncGroupPlan {
        name: name.into(),
        members: members.iter().map(|&member| member.into()).collect(),
        trackers: vec![],
        tracking_weight: false,
        notify_priority_changes: false,
    }
}

/// A script run every second, up after one success and down after one failure.
pub fn script(name: &str) -> ScriptPlan {
    ScriptPlan {
        name: name.into(),
        identity: format!("/usr/local/bin/{name}"),
        interval: s(1),
        rise: 1,
        fall: 1,
        init_fail: false,
    }
}

/// A tracked file.
pub fn file(name: &str) -> FilePlan {
    FilePlan { name: name.into(), path: format!("/run/{name}") }
}

/// A tracked process of which one is enough.
pub fn process(name: &str) -> ProcessPlan {
    ProcessPlan {
        name: name.into(),
        quorum: 1,
        quorum_max: None,
        terminate_delay: Duration::ZERO,
        fork_delay: Duration::ZERO,
    }
}

/// A BFD session with a neighbour.
pub fn session(name: &str) -> SessionPlan {
    let interval = Duration::from_millis(10);
    SessionPlan {
        name: name.into(),
        neighbour: "192.0.2.9".parse().expect("an address"),
        source: None,
        multihop: false,
        intervals: Intervals { desired_min_tx: interval, required_min_rx: interval },
        idle_tx: Duration::from_secs(1),
        multiplier: 3.try_into().expect("not zero"),
        passive: false,
        ttl: 255,
        least_ttl: 255,
        audience: Audience::default(),
    }
}

pub fn track_script(name: &str, weight: i32) -> Tracker {
    Tracker { target: TrackerTarget::Script(name.into()), weight, reverse: false }
}

pub fn track_file(name: &str, weight: i32) -> Tracker {
    Tracker { target: TrackerTarget::File(name.into()), weight, reverse: false }
}

pub fn track_process(name: &str, weight: i32) -> Tracker {
    Tracker { target: TrackerTarget::Process(name.into()), weight, reverse: false }
}

pub fn track_session(name: &str, weight: i32) -> Tracker {
    Tracker { target: TrackerTarget::Bfd(name.into()), weight, reverse: false }
}

pub fn track_interface(name: &str, weight: i32) -> Tracker {
    Tracker { target: TrackerTarget::Interface(name.into()), weight, reverse: false }
}

/// Keys 1 and 2, time mode with a window of 5 s.
pub fn signature_plan(active: u8, mode: Mode) -> SignaturePlan {
    let id = |id| NonZeroU8::new(id).expect("an id");
    let key = |number: u8| NumberedKey { id: id(number), secret: vec![number; 32].into() };
    SignaturePlan {
        keys: vec![key(1), key(2)],
        active: id(active),
        window: s(5),
        anti_replay: AntiReplay::Time,
        mode,
    }
}
