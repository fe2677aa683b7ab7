//! The router process against the kernel and against another router, each in a thread in its own network namespace.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mainstay_core::address::{AddressFlags, Family, InterfaceAddress};
use mainstay_core::router::plan::{
    AnnouncePlan, Authentication, Destination, InstancePlan, Preempt, Settings, UnicastPeer, Version,
    WantedState,
};
use mainstay_core::router::{NotifyState, RouterPlan, State};

use super::*;
use crate::frames::FromRouter;

/// What a supervisor has in its hand.
type Hand = Channel<FromRouter, ToRouter>;

/// A router that runs in a thread, and the supervisor's end of its channel.
struct Running {
    hand: Option<Hand>,
    thread: thread::JoinHandle<ExitCode>,
    /// Its network namespace, kept by us beyond its end: with it the wire to the other router would go.
    namespace: Arc<File>,
    said: Vec<FromRouter>,
}

impl Running {
    /// Starts a router in a new namespace in which `prepare` ran.
    fn start(plan: RouterPlan, prepare: impl FnOnce() + Send + 'static) -> Self {
        Self::start_saying(&[], plan, prepare)
    }

    /// The same; the supervisor says `more` in one breath with its first word.
    fn start_saying(more: &[ToRouter], plan: RouterPlan, prepare: impl FnOnce() + Send + 'static) -> Self {
        let (mut hand, theirs) = Hand::pair().expect("a socket pair");
        let process = Box::default();
        hand.send(&ToRouter::Start { plan: Box::new(plan), process, resume: None }).expect("queued");
        more.iter().for_each(|frame| hand.send(frame).expect("queued"));
        let (entered, is_in) = mpsc::channel();
        let thread = thread::spawn(move || {
            mainstay_system::namespace::enter_new_network().expect("these tests run as root");
            prepare();
            let thread = nix::unistd::gettid();
            let namespace = File::open(format!("/proc/self/task/{thread}/ns/net")).expect("opens");
            entered.send(Arc::new(namespace)).expect("heard");
            run(Channel::from_stream(theirs.into()).expect("non-blocking"))
        });
        let namespace = is_in.recv().expect("the namespace was prepared");
        Self { hand: Some(hand), thread, namespace, said: Vec::new() }
    }

    fn tell(&mut self, frame: &ToRouter) {
        self.hand.as_mut().expect("not dropped").send(frame).expect("queued");
    }

    /// Waits until the router has said something that `is_it` recognises.
    fn hear<T>(&mut self, what: &str, is_it: impl Fn(&FromRouter) -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let hand = self.hand.as_mut().expect("not dropped");
            hand.flush().expect("open");
            hand.receive().expect("reads");
            let mut found = None;
            while let Some(frame) = hand.next().expect("frames") {
                found = found.or_else(|| is_it(&frame));
                self.said.push(frame);
            }
            if let Some(found) = found {
                return found;
            }
            assert!(Instant::now() < until, "{what} was not heard; instead: {:#?}", self.said);
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn hear_state(&mut self, state: NotifyState) {
        self.hear(state.word(), |frame| match frame {
            FromRouter::Notify(notification) if notification.state == state => Some(()),
            _ => None,
        });
    }

    /// What `ip ARGUMENTS` prints in its namespace.
    fn ip_shows(&self, arguments: &str) -> String {
        let net = format!("--net={}", path(&self.namespace));
        let output =
            Command::new("nsenter").arg(net).arg("ip").args(arguments.split(' ')).output().expect("runs");
        assert!(output.status.success(), "ip {arguments}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Drops the supervisor's end, or asks to end; then the router must end well.
    fn end(mut self, politely: bool) -> Vec<FromRouter> {
        if politely {
            self.tell(&ToRouter::Shutdown);
            self.hear("Finished", |frame| (*frame == FromRouter::Finished).then_some(()));
        } else {
            self.hand = None;
        }
        let code = self.thread.join().expect("no panic");
        assert_eq!(code, ExitCode::SUCCESS);
        self.said
    }
}

/// A path to a namespace for `ip` and `nsenter`.
fn path(namespace: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd())
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments}: {status}");
}

fn virtual_address(text: &str) -> Arc<InterfaceAddress> {
    let address: std::net::IpAddr = text.parse().expect("an address");
    Arc::new(InterfaceAddress {
        address,
        prefix_length: Family::of(address).bits(),
        link: "eth0".to_owned(),
        broadcast: None,
        scope: 0,
        label: None,
        peer: None,
        flags: AddressFlags { nodad: true, ..AddressFlags::default() },
        preferred_lifetime_s: address.is_ipv6().then_some(0),
        tracked: true,
        track_group: None,
    })
}

fn instance(name: &str, vrid: u8, priority: u8, address: &str) -> InstancePlan {
    let address = virtual_address(address);
    let family = Family::of(address.address);
    let group = match family {
        Family::V4 => "224.0.0.18",
        Family::V6 => "ff02::12",
    };
    let mut addresses = vec![address];
    if family == Family::V6 {
        addresses.insert(0, virtual_address("fe80::aaaa"));
    }
    InstancePlan {
        name: name.to_owned(),
        vrid: vrid.try_into().expect("not zero"),
        version: Version::V3,
        family,
        interface: Some("eth0".to_owned()),
        ignore_interface_fault: false,
        source: None,
        track_source: false,
        destination: Destination::Multicast(group.parse().expect("an address")),
        wanted: WantedState::Backup,
        priority: priority.try_into().expect("not zero"),
        advert_interval: Duration::from_millis(100),
        down_timer_adverts: 3,
        preempt: Preempt::After(Duration::ZERO),
        addresses,
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
        trackers: Vec::new(),
        notify_priority_changes: false,
        notify_deleted: false,
        receive_buffer: None,
        lease: None,
    }
}

fn plan(instances: Vec<InstancePlan>) -> RouterPlan {
    RouterPlan { settings: Settings::default(), instances, ..RouterPlan::default() }
}

fn alone() {
    ip("link add eth0 type veth peer name far");
    ip("link set far up");
    ip("link set eth0 up");
    ip("address add 192.0.2.1/24 dev eth0");
    ip("address add fe80::1/64 dev eth0 nodad");
}

/// Two routers on one wire.
fn pair(first: RouterPlan, second: RouterPlan) -> (Running, Running) {
    let a = Running::start(first, || {
        ip("link add eth0 type veth peer name far");
        ip("link set eth0 up");
        ip("address add 192.0.2.1/24 dev eth0");
        ip("address add fe80::1/64 dev eth0 nodad");
    });
    let b = Running::start(second, || {
        // The other end is fetched by the test when both namespaces are there.
        ip("link set lo up");
    });
    let net = |of: &Running| format!("--net={}", path(&of.namespace));
    let run = |of: &Running, arguments: &str| {
        let status =
            Command::new("nsenter").arg(net(of)).arg("ip").args(arguments.split(' ')).status().expect("runs");
        assert!(status.success(), "ip {arguments}");
    };
    run(&a, &format!("link set far netns {}", path(&b.namespace)));
    run(&b, "link set far name eth0");
    run(&b, "link set eth0 up");
    run(&b, "address add 192.0.2.2/24 dev eth0");
    run(&b, "address add fe80::2/64 dev eth0 nodad");
    (a, b)
}

#[test]
fn a_router_alone_becomes_master_with_its_addresses_and_takes_them_back_when_told_to_end() {
    let instances =
        vec![instance("VI_4", 51, 100, "192.0.2.100"), instance("VI_6", 51, 100, "2001:db8::100")];
    let mut router = Running::start(plan(instances), alone);
    router.hear("Ready", |frame| (*frame == FromRouter::Ready).then_some(()));
    router.hear("both masters", |frame| match frame {
        FromRouter::Resume(resume) => {
            resume.instances.iter().all(|instance| instance.state == State::Master).then_some(())
        }
        _ => None,
    });
    let shown = router.ip_shows("-o address show dev eth0");
    assert!(shown.contains("192.0.2.100/32") && shown.contains("2001:db8::100/128"), "{shown}");
    router.tell(&ToRouter::Shutdown);
    router.hear("Finished", |frame| (*frame == FromRouter::Finished).then_some(()));
    let shown = router.ip_shows("-o address show dev eth0");
    assert!(!shown.contains("192.0.2.100") && !shown.contains("2001:db8::100"), "{shown}");
    let stops = router
        .said
        .iter()
        .filter(|frame| matches!(frame, FromRouter::Notify(told) if told.state == NotifyState::Stop))
        .count();
    assert_eq!(stops, 2);
    assert_eq!(router.said.last(), Some(&FromRouter::Finished));
    assert_eq!(router.thread.join().expect("no panic"), ExitCode::SUCCESS);
}

#[test]
fn a_router_whose_supervisor_dies_hands_over_at_once() {
    let make = |priority| plan(vec![instance("VI_1", 51, priority, "192.0.2.100")]);
    let (mut a, mut b) = pair(make(150), make(100));
    a.hear_state(NotifyState::Master);
    b.hear_state(NotifyState::Backup);
    assert!(a.ip_shows("-o address show dev eth0").contains("192.0.2.100/32"));
    let began = Instant::now();
    let _wire = Arc::clone(&a.namespace);
    a.end(false);
    b.hear_state(NotifyState::Master);
    // The advert of priority zero leaves it the skew time of 61 ms to wait, not the 361 ms of a silent master.
    let took = began.elapsed();
    assert!(took < Duration::from_millis(300), "took {took:?}");
    assert!(b.ip_shows("-o address show dev eth0").contains("192.0.2.100/32"));
    b.end(true);
}

#[test]
fn ipv6_and_unicast_pairs_elect_one_master() {
    let unicast = |own: &str, peer: &str, mut instance: InstancePlan| {
        instance.source = Some(own.parse().expect("an address"));
        let peer = UnicastPeer { address: peer.parse().expect("an address"), ttl_range: None };
        instance.destination = Destination::Unicast { peers: vec![peer], check_source: true, ttl: None };
        instance
    };
    let make = |own: &str, peer: &str, priority| {
        plan(vec![
            instance("VI_6", 52, priority, "2001:db8::100"),
            unicast(own, peer, instance("VI_U", 53, priority, "192.0.2.101")),
        ])
    };
    let (mut a, mut b) = pair(make("192.0.2.1", "192.0.2.2", 150), make("192.0.2.2", "192.0.2.1", 100));
    let masters = |frame: &FromRouter, state| match frame {
        FromRouter::Resume(resume) => {
            let all = resume.instances.iter().all(|instance| instance.state == state);
            (all && resume.instances.len() == 2).then_some(())
        }
        _ => None,
    };
    a.hear("two masters", |frame| masters(frame, State::Master));
    b.hear("two backups", |frame| masters(frame, State::Backup));
    thread::sleep(Duration::from_millis(1000));
    b.tell(&ToRouter::ReportRequested(7));
    let report = b.hear("a report", |frame| match frame {
        FromRouter::Report(7, report) => Some(report.clone()),
        _ => None,
    });
    for instance in &report.instances {
        assert_eq!(instance.state, State::Backup, "{instance:?}");
        assert!(instance.counters.adverts_received >= 8, "{instance:?}");
        assert_eq!(instance.counters.checksum_errors, 0, "{instance:?}");
    }
    let _wire = Arc::clone(&a.namespace);
    a.end(true);
    b.hear("two masters", |frame| masters(frame, State::Master));
    b.end(true);
}

#[test]
fn a_reload_is_answered_when_the_new_instance_listens() {
    let mut router = Running::start(plan(vec![instance("VI_1", 51, 100, "192.0.2.100")]), alone);
    router.hear_state(NotifyState::Master);
    let both = vec![instance("VI_1", 51, 100, "192.0.2.100"), instance("VI_6", 60, 100, "2001:db8::100")];
    router.tell(&ToRouter::Reload(Box::new(plan(both))));
    router.hear("ReloadApplied", |frame| (*frame == FromRouter::ReloadApplied).then_some(()));
    let listening = Command::new("nsenter")
        .arg(format!("--net={}", path(&router.namespace)))
        .args(["cat", "/proc/self/net/igmp6"])
        .output()
        .expect("runs");
    let groups = String::from_utf8_lossy(&listening.stdout).into_owned();
    assert!(groups.contains("ff020000000000000000000000000012"), "{groups}");
    router.hear("VI_6 is master", |frame| match frame {
        FromRouter::Resume(resume) => (resume.instances.len() == 2
            && resume.instances.iter().all(|instance| instance.state == State::Master))
        .then_some(()),
        _ => None,
    });
    let masters = |said: &[FromRouter]| {
        said.iter()
            .filter(|frame| matches!(frame, FromRouter::Notify(told) if told.state == NotifyState::Master))
            .count()
    };
    let said = router.end(true);
    assert_eq!(masters(&said), 2, "the unchanged instance became master once only");
}

#[test]
fn an_address_that_somebody_removes_is_put_back() {
    let mut router = Running::start(plan(vec![instance("VI_1", 51, 100, "192.0.2.100")]), alone);
    router.hear_state(NotifyState::Master);
    router.ip_shows("address del 192.0.2.100/32 dev eth0");
    let until = Instant::now() + Duration::from_secs(5);
    while !router.ip_shows("-o address show dev eth0").contains("192.0.2.100/32") {
        assert!(Instant::now() < until, "not put back");
        thread::sleep(Duration::from_millis(5));
    }
    router.end(true);
}

#[test]
fn a_router_told_to_end_before_it_was_told_what_to_be_ends_well() {
    let (mut hand, theirs) = Hand::pair().expect("a socket pair");
    hand.send(&ToRouter::Shutdown).expect("queued");
    let ended = thread::spawn(move || run(Channel::from_stream(theirs.into()).expect("non-blocking")));
    assert_eq!(ended.join().expect("no panic"), ExitCode::SUCCESS);
}

#[test]
fn what_the_supervisor_says_in_one_breath_with_its_first_word_is_heard() {
    let before = plan(vec![instance("VI_1", 1, 100, "192.0.2.100")]);
    let after = plan(vec![instance("VI_1", 1, 100, "192.0.2.101")]);
    let mut router = Running::start_saying(&[ToRouter::Reload(Box::new(after))], before, alone);
    router.hear("ReloadApplied", |frame| (*frame == FromRouter::ReloadApplied).then_some(()));
    router.hear_state(NotifyState::Master);
    assert!(router.ip_shows("address show").contains("192.0.2.101"));
    router.end(true);
}
