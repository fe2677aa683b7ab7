//! One node through its life: the order of effects, adoption after a crash, restoration, reload.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::address::{AddressFlags, Family, InterfaceAddress, LinkIndex};
use mainstay_core::router::plan::{
    AnnouncePlan, Authentication, Destination, InstancePlan, Preempt, RouterPlan, SyncGroupPlan, Version,
    WantedState,
};
use mainstay_core::router::{
    Action, Cause, Input, Link, Listening, NotifyObject, NotifyState, Packet, Reason, Router, State,
};
use mainstay_core::time::Instant;
use mainstay_core::vrrp::ah::Envelope;
use mainstay_core::vrrp::packet::{Emit, emit};

const GROUP: &str = "224.0.0.18";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn address(text: &str) -> Arc<InterfaceAddress> {
    Arc::new(InterfaceAddress {
        address: ip(text),
        prefix_length: 32,
        link: "eth0".into(),
        broadcast: None,
        scope: 0,
        label: None,
        peer: None,
        flags: AddressFlags::default(),
        preferred_lifetime_s: None,
        tracked: true,
        track_group: None,
    })
}

fn instance(name: &str, vrid: u8, vips: &[&str]) -> InstancePlan {
    InstancePlan {
        name: name.into(),
        vrid: vrid.try_into().expect("not zero"),
        version: Version::V3,
        family: Family::V4,
        interface: Some("eth0".into()),
        ignore_interface_fault: false,
        source: None,
        track_source: false,
        destination: Destination::Multicast(ip(GROUP)),
        wanted: WantedState::Backup,
        priority: 100.try_into().expect("not zero"),
        advert_interval: Duration::from_secs(1),
        down_timer_adverts: 3,
        preempt: Preempt::After(Duration::ZERO),
        addresses: vips.iter().map(|vip| address(vip)).collect(),
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
        announce: AnnouncePlan { repeat: 1, ..AnnouncePlan::default() },
        trackers: Vec::new(),
        notify_priority_changes: false,
        notify_deleted: false,
        receive_buffer: None,
        lease: None,
    }
}

fn plan(instances: Vec<InstancePlan>) -> RouterPlan {
    RouterPlan { instances, ..RouterPlan::default() }
}

fn eth0(up: bool) -> Link {
    Link {
        index: LinkIndex(2),
        name: "eth0".into(),
        up: true,
        running: up,
        no_arp: false,
        mac: Some([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        parent: None,
    }
}

struct Node {
    router: Router,
    now: Instant,
}

impl Node {
    fn start(plan: RouterPlan) -> (Self, Vec<Action>) {
        let router = Router::new(Instant::ZERO, Duration::from_secs(100), plan, None);
        let mut node = Self { router, now: Instant::ZERO };
        let actions = node.list(&["192.0.2.251"]);
        (node, actions)
    }

    fn list(&mut self, addresses: &[&str]) -> Vec<Action> {
        let addresses = addresses.iter().map(|address| (LinkIndex(2), ip(address))).collect();
        self.step(Input::KernelListed { links: vec![eth0(true)], addresses })
    }

    fn step(&mut self, input: Input<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        self.router.step(self.now, input, &mut actions);
        actions
    }

    fn run_for(&mut self, duration: Duration) -> Vec<Action> {
        let end = self.now + duration;
        let mut actions = Vec::new();
        while let Some(deadline) = self.router.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            actions.extend(self.step(Input::Tick));
        }
        self.now = end;
        actions
    }

    fn hear(&mut self, vrid: u8, priority: u8, vips: &[&str]) -> Vec<Action> {
        let (source, destination) = (ip("192.0.2.252"), ip(GROUP));
        let addresses: Vec<IpAddr> = vips.iter().map(|vip| ip(vip)).collect();
        let payload = emit(&Emit {
            version: Version::V3,
            vrid,
            priority,
            interval: Duration::from_secs(1),
            addresses: &addresses,
            authentication: &Authentication::None,
            source,
            destination,
            without_pseudo_header: false,
        });
        let packet = Packet {
            link: LinkIndex(2),
            source,
            destination,
            ttl: 255,
            envelope: Envelope::Bare,
            payload: &payload,
        };
        self.step(Input::PacketReceived(packet))
    }

    fn state(&self) -> State {
        self.router.report().instances[0].state
    }
}

fn kinds(actions: &[Action]) -> Vec<&'static str> {
    actions
        .iter()
        .map(|action| match action {
            Action::SendAdvert(_) => "advert",
            Action::AddAddress(_) => "add",
            Action::RemoveAddress(_) => "remove",
            Action::Announce { .. } => "announce",
            Action::Notify(_) => "notify",
            Action::Tell(_) => "tell",
            Action::SocketsChanged => "sockets",
            Action::SetGates(_) => "gates",
            Action::Finished => "finished",
            _ => "other",
        })
        .collect()
}

#[test]
fn a_lonely_router_becomes_master_after_the_master_down_interval_in_the_protocols_order() {
    let (mut node, actions) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    assert_eq!(kinds(&actions), ["gates", "sockets", "tell", "notify"]);
    assert_eq!(node.state(), State::Backup);
    assert_eq!(node.router.next_deadline(), Some(Instant::from_nanos(3_609_375_000)));
    let actions = node.run_for(Duration::from_millis(3_700));
    assert_eq!(kinds(&actions), ["advert", "add", "announce", "tell", "notify"]);
    assert_eq!(node.state(), State::Master);
}

#[test]
fn shutdown_gives_up_first_and_removes_afterwards() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    let _ = node.run_for(Duration::from_secs(4));
    let actions = node.step(Input::ShutdownRequested);
    assert_eq!(kinds(&actions), ["advert", "remove", "tell", "notify", "finished"]);
    let Action::SendAdvert(advert) = &actions[0] else { panic!("an advert first") };
    assert_eq!(advert.payload[2], 0, "priority 0");
    assert!(node.step(Input::Tick).is_empty());
}

#[test]
fn a_restarted_process_takes_up_its_mastership_and_adopts_its_addresses() {
    let vip = "192.0.2.1";
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &[vip])]));
    let _ = node.run_for(Duration::from_secs(4));
    let resume = node.router.resume();
    let router =
        Router::new(node.now, Duration::from_secs(100), plan(vec![instance("V", 10, &[vip])]), Some(&resume));
    let mut successor = Node { router, now: node.now };
    let actions = successor.list(&["192.0.2.251", vip]);
    assert_eq!(successor.state(), State::Master);
    assert_eq!(
        kinds(&actions),
        ["gates", "sockets", "advert", "add", "announce", "tell"],
        "nobody is notified"
    );
}

#[test]
fn addresses_of_a_crashed_run_without_a_report_are_removed() {
    let (mut node, _) = {
        let plan = plan(vec![instance("V", 10, &["192.0.2.1"])]);
        (Node { router: Router::new(Instant::ZERO, Duration::ZERO, plan, None), now: Instant::ZERO }, ())
    };
    let actions = node.list(&["192.0.2.251", "192.0.2.1"]);
    assert!(kinds(&actions).contains(&"remove"));
    assert_eq!(node.state(), State::Backup);
}

#[test]
fn an_address_somebody_removes_is_put_back_but_the_echo_of_our_own_removal_is_not() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    let _ = node.run_for(Duration::from_secs(4));
    let _ = node.step(Input::AddressAdded(LinkIndex(2), ip("192.0.2.1")));
    let actions = node.step(Input::AddressRemoved(LinkIndex(2), ip("192.0.2.1")));
    assert_eq!(kinds(&actions), ["tell", "add"]);
    let _ = node.step(Input::AddressAdded(LinkIndex(2), ip("192.0.2.1")));
    let actions = node.hear(10, 200, &["192.0.2.1"]);
    assert!(kinds(&actions).contains(&"remove"));
    assert!(node.step(Input::AddressRemoved(LinkIndex(2), ip("192.0.2.1"))).is_empty());
}

#[test]
fn a_link_that_goes_down_is_a_fault_and_the_master_gives_up() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    let _ = node.run_for(Duration::from_secs(4));
    let actions = node.step(Input::LinkChanged(eth0(false)));
    assert_eq!(node.state(), State::Fault);
    assert_eq!(kinds(&actions), ["tell", "advert", "remove", "tell", "notify"]);
    let _ = node.step(Input::LinkChanged(eth0(true)));
    assert_eq!(node.state(), State::Backup);
}

#[test]
fn an_unchanged_reload_has_no_effect_on_an_instance() {
    let make = || plan(vec![instance("V", 10, &["192.0.2.1"])]);
    let (mut node, _) = Node::start(make());
    let _ = node.run_for(Duration::from_millis(3_900));
    let before = node.router.next_deadline();
    let actions = node.step(Input::Reloaded(Box::new(make())));
    assert_eq!(kinds(&actions), ["tell"]);
    assert_eq!(node.router.next_deadline(), before);
    assert_eq!(node.state(), State::Master);
}

#[test]
fn an_address_that_moves_between_two_masters_never_leaves_the_link() {
    let (mut node, _) = Node::start(plan(vec![
        instance("A", 10, &["192.0.2.1", "192.0.2.9"]),
        instance("B", 11, &["192.0.2.2"]),
    ]));
    let _ = node.run_for(Duration::from_secs(4));
    let moved = plan(vec![instance("A", 10, &["192.0.2.1"]), instance("B", 11, &["192.0.2.2", "192.0.2.9"])]);
    let actions = node.step(Input::Reloaded(Box::new(moved)));
    let touched = actions.iter().any(|action| match action {
        Action::RemoveAddress(gone) => gone.address == ip("192.0.2.9"),
        _ => false,
    });
    assert!(!touched, "{actions:?}");
}

#[test]
fn a_removed_master_resigns_and_an_added_address_is_announced() {
    let (mut node, _) =
        Node::start(plan(vec![instance("A", 10, &["192.0.2.1"]), instance("B", 11, &["192.0.2.2"])]));
    let _ = node.run_for(Duration::from_secs(4));
    let next = plan(vec![instance("A", 10, &["192.0.2.1", "192.0.2.3"])]);
    let actions = node.step(Input::Reloaded(Box::new(next)));
    let adds: Vec<_> = actions.iter().filter(|action| matches!(action, Action::AddAddress(_))).collect();
    assert_eq!(adds.len(), 1);
    assert!(
        actions.iter().any(|action| matches!(action, Action::SendAdvert(advert) if advert.payload[2] == 0))
    );
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Announce { address, .. } if *address == ip("192.0.2.3")))
    );
    assert_eq!(node.state(), State::Master);
}

#[test]
fn a_sync_group_moves_together_and_is_told_after_its_members() {
    let mut two = plan(vec![instance("A", 10, &["192.0.2.1"]), instance("B", 11, &["192.0.2.2"])]);
    two.instances[1].priority = 50.try_into().expect("not zero");
    two.sync_groups.push(SyncGroupPlan {
        name: "G".into(),
        members: vec!["A".into(), "B".into()],
        trackers: Vec::new(),
        tracking_weight: false,
        notify_priority_changes: false,
    });
    let (mut node, _) = Node::start(two);
    // B's timer is the last to fire: 3 + 206/256 s.
    let actions = node.run_for(Duration::from_millis(3_850));
    let told: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Notify(notification) => Some((notification.object.clone(), notification.state)),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            (NotifyObject::Instance("A".into()), NotifyState::Master),
            (NotifyObject::Instance("B".into()), NotifyState::Master),
            (NotifyObject::Group("G".into()), NotifyState::Master),
        ]
    );
    let _ = node.hear(11, 200, &["192.0.2.2"]);
    let report = node.router.report();
    assert!(report.instances.iter().all(|instance| instance.state == State::Backup));
    assert_eq!(report.groups[0].state, State::Backup);
}

#[test]
fn every_change_of_state_carries_its_cause() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    let _ = node.hear(10, 200, &["192.0.2.1"]);
    let _ = node.hear(10, 0, &["192.0.2.1"]);
    let actions = node.run_for(Duration::from_secs(1));
    let cause = actions.iter().find_map(|action| match action {
        Action::Tell(event) => match &event.reason {
            Reason::StateChanged { cause, .. } => Some(cause.clone()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(cause, Some(Cause::MasterResigned { source: ip("192.0.2.252") }));
}

#[test]
fn a_listing_after_lost_events_that_shows_nothing_new_changes_nothing() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    let _ = node.run_for(Duration::from_secs(4));
    assert_eq!(node.router.report().instances[0].state, State::Master);
    let actions = node.list(&["192.0.2.251", "192.0.2.1"]);
    assert_eq!(actions, []);
    assert_eq!(node.router.report().instances[0].state, State::Master);
}

/// A master whose process dies; its successor has this plan and finds these addresses.
fn successor(plan_after: RouterPlan, addresses: &[&str]) -> (Node, Vec<Action>) {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1", "192.0.2.2"])]));
    let _ = node.run_for(Duration::from_secs(4));
    let resume = node.router.resume();
    let router = Router::new(node.now, Duration::from_secs(100), plan_after, Some(&resume));
    let mut successor = Node { router, now: node.now };
    let actions = successor.list(addresses);
    (successor, actions)
}

fn removed(actions: &[Action]) -> Vec<IpAddr> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::RemoveAddress(address) => Some(address.address),
            _ => None,
        })
        .collect()
}

#[test]
fn a_restarted_master_that_lost_its_own_address_leaves_no_virtual_address_behind() {
    let same = plan(vec![instance("V", 10, &["192.0.2.1", "192.0.2.2"])]);
    let (node, actions) = successor(same, &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(node.state(), State::Fault);
    assert_eq!(removed(&actions), [ip("192.0.2.1"), ip("192.0.2.2")]);
}

#[test]
fn a_restarted_master_removes_what_its_predecessor_held_under_another_plan() {
    let smaller = plan(vec![instance("V", 10, &["192.0.2.1"])]);
    let (node, actions) = successor(smaller, &["192.0.2.251", "192.0.2.1", "192.0.2.2"]);
    assert_eq!(node.state(), State::Master);
    assert_eq!(removed(&actions), [ip("192.0.2.2")]);
}

#[test]
fn a_router_that_cannot_hear_yet_does_not_take_silence_for_an_absent_master() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    let socket = node.router.wanted_sockets()[0];
    let _ = node.step(Input::SocketBecame { socket, listening: Listening::Opening });
    let actions = node.run_for(Duration::from_secs(30));
    assert_eq!((kinds(&actions), node.state()), (vec![], State::Backup));
    let _ = node.step(Input::SocketBecame { socket, listening: Listening::Open });
    let _ = node.run_for(Duration::from_millis(3_600));
    assert_eq!(
        node.state(),
        State::Backup,
        "the whole master-down interval counts from the first moment of hearing"
    );
    let _ = node.run_for(Duration::from_millis(20));
    assert_eq!(node.state(), State::Master);
}

#[test]
fn a_router_whose_socket_is_refused_is_in_fault_until_it_opens() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    let socket = node.router.wanted_sockets()[0];
    let _ = node.step(Input::SocketBecame { socket, listening: Listening::Refused(1) });
    assert_eq!(node.state(), State::Fault);
    let _ = node.step(Input::SocketBecame { socket, listening: Listening::Open });
    assert_eq!(node.state(), State::Backup);
}

#[test]
fn a_contest_that_lasts_is_answered_to_its_end_and_a_flood_is_not() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1"])]));
    let _ = node.run_for(Duration::from_secs(4));
    let answers = |node: &mut Node, pause: Duration| {
        let mut answered = 0;
        for _ in 0..40 {
            let _ = node.run_for(pause);
            answered +=
                kinds(&node.hear(10, 50, &["192.0.2.1"])).iter().filter(|kind| **kind == "advert").count();
        }
        answered
    };
    assert_eq!(answers(&mut node, Duration::from_millis(400)), 40, "twice or three times in each interval");
    let to_a_flood = answers(&mut node, Duration::from_millis(10));
    // Less than an interval may still touch two of the intervals in which eight answers are given.
    assert!(to_a_flood <= 16, "{to_a_flood} answers to a flood in less than an interval");
}

#[test]
fn one_refused_address_of_two_is_tried_again_and_no_fault() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1", "192.0.2.2"])]));
    let _ = node.run_for(Duration::from_secs(4));
    let actions = node.step(Input::AddressRefused { address: address("192.0.2.2"), errno: 22 });
    assert_eq!((kinds(&actions), node.state()), (vec!["tell"], State::Master));
    let added = |actions: &[Action]| kinds(actions).iter().filter(|kind| **kind == "add").count();
    assert_eq!(added(&node.run_for(Duration::from_secs(29))), 0);
    assert_eq!(added(&node.run_for(Duration::from_secs(2))), 1, "after 30 s");
    let _ = node.step(Input::AddressRefused { address: address("192.0.2.2"), errno: 22 });
    assert_eq!(added(&node.run_for(Duration::from_secs(58))), 0, "twice as long");
    assert_eq!(added(&node.run_for(Duration::from_secs(3))), 1);
    let _ = node.step(Input::AddressRefused { address: address("192.0.2.2"), errno: 22 });
    let _ = node.step(Input::AddressRefused { address: address("192.0.2.1"), errno: 22 });
    assert_eq!(node.state(), State::Fault, "a master of nothing is none");
}

#[test]
fn what_was_refused_is_not_tried_again_by_a_backup() {
    let (mut node, _) = Node::start(plan(vec![instance("V", 10, &["192.0.2.1", "192.0.2.2"])]));
    let _ = node.run_for(Duration::from_secs(4));
    let _ = node.step(Input::AddressRefused { address: address("192.0.2.2"), errno: 22 });
    for _ in 0..80 {
        let _ = node.hear(10, 200, &["192.0.2.1", "192.0.2.2"]);
        let actions = node.run_for(Duration::from_secs(1));
        assert!(!kinds(&actions).contains(&"add"), "{actions:?}");
    }
}
