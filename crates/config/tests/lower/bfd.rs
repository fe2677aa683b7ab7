//! `bfd_instance` and what follows its sessions. keepalived 2.2.7 says the same of these files, apart from `DIFFERS`.

use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::bfd::{Audience, Intervals, SessionPlan};
use mainstay_core::router::plan::{Tracker, TrackerTarget};

use super::*;

fn block(name: &str, lines: &str) -> String {
    format!("bfd_instance {name} {{\n{lines}\n}}\n")
}

/// The only session of a block with these lines.
fn session(lines: &str) -> SessionPlan {
    let lowered = lower(&block("b", lines)).clean();
    let [session] = lowered.model.router.bfd.as_slice() else { panic!("not one session") };
    session.clone()
}

fn both(milliseconds: u64) -> Intervals {
    let interval = Duration::from_millis(milliseconds);
    Intervals { desired_min_tx: interval, required_min_rx: interval }
}

#[test]
fn a_neighbour_is_all_that_has_to_be_said() {
    let plan = session("neighbor_ip 10.0.0.9");
    let expected = SessionPlan {
        name: "b".into(),
        neighbour: IpAddr::from([10, 0, 0, 9]),
        source: None,
        multihop: false,
        intervals: both(10),
        idle_tx: Duration::from_secs(1),
        multiplier: 5.try_into().expect("not zero"),
        passive: false,
        ttl: 255,
        least_ttl: 255,
        audience: Audience { vrrp: true, checkers: true },
    };
    assert_eq!(plan, expected);
    assert_eq!(session("neighbour_ip 10.0.0.9"), expected);
    lower("bfd_instance b {\n}\n").says(["bfd-without-neighbor"]);
}

#[test]
fn every_word_reaches_the_plan() {
    let plan = session(
        "neighbor_ip 10.0.0.9\nsource_ip 10.0.0.1\nmin_rx 250\nmin_tx 3.312\nidle_tx 2000\nmultiplier 3\npassive\n\
         ttl 20\nmax_hops 2\nmultihop\nchecker",
    );
    assert_eq!(plan.source, Some([10, 0, 0, 1].into()));
    assert_eq!(plan.intervals.required_min_rx, Duration::from_millis(250));
    assert_eq!(plan.intervals.desired_min_tx, Duration::from_micros(3_312));
    assert_eq!((plan.idle_tx, plan.multiplier.get()), (Duration::from_secs(2), 3));
    assert!(plan.passive && plan.multihop);
    assert_eq!((plan.ttl, plan.least_ttl), (20, 18));
    assert_eq!(plan.audience, Audience { vrrp: false, checkers: true });
    assert!(!session("neighbor_ip 10.0.0.9\nmultihop off").multihop);
}

#[test]
fn a_number_out_of_range_leaves_the_default() {
    let lowered = lower(&block(
        "a",
        "neighbor_ip 10.0.0.1\nmin_rx 0\nmin_tx 0.5\nidle_tx 500\nmultiplier 0\nttl 0\nmax_hops 256",
    ));
    let complaints = lowered.codes().into_iter().filter(|code| *code == "number-out-of-range").count();
    assert_eq!(complaints, 6, "{:#?}", lowered.diagnostics);
    let plan = &lowered.model.router.bfd[0];
    assert_eq!((plan.intervals, plan.idle_tx, plan.multiplier.get()), (both(10), Duration::from_secs(1), 5));
    assert_eq!((plan.ttl, plan.least_ttl), (255, 255));
}

/// DIFFERS: IPv6 packets leave with 255, as RFC 5881 section 5 demands, and those of a keepalived, which has 64, are
/// accepted all the same. Whoever writes the hop limit has what is written.
#[test]
fn hop_limits_follow_max_hops() {
    let limits = |lines: &str| {
        let plan = session(lines);
        (plan.ttl, plan.least_ttl)
    };
    assert_eq!(limits("neighbor_ip 10.0.0.9\nmax_hops 1"), (255, 254));
    assert_eq!(limits("neighbor_ip 10.0.0.9\nmax_hops 255"), (255, 0));
    assert_eq!(limits("neighbor_ip 10.0.0.9\nmax_hops -1"), (255, 0));
    assert_eq!(limits("neighbor_ip 10.0.0.9\nttl 3\nmax_hops 7"), (3, 0));
    assert_eq!(limits("neighbor_ip fd00::9"), (255, 64));
    assert_eq!(limits("neighbor_ip fd00::9\nmax_hops 4"), (255, 60));
    assert_eq!(limits("neighbor_ip fd00::9\nhoplimit 255"), (255, 255));
    assert_eq!(limits("neighbor_ip fd00::9\nhoplimit 25\nmax_hops 2"), (25, 23));
}

#[test]
fn a_session_that_cannot_be_is_left_out() {
    let left_out = |text: &str, code: &str, left: usize| {
        let lowered = lower(text);
        assert!(lowered.codes().contains(&code), "{:#?}", lowered.diagnostics);
        assert_eq!(lowered.model.router.bfd.len(), left, "{text}");
    };
    left_out(&block("a", "neighbor_ip fd00::1\nsource_ip 10.0.0.2"), "mixed-families", 0);
    left_out(&block("a", "neighbor_ip nonsense"), "bfd-without-neighbor", 0);
    left_out(&block(&"n".repeat(32), "neighbor_ip 10.0.0.1"), "long-name", 0);
    let first = block("a", "neighbor_ip 10.0.0.1");
    left_out(&(first.clone() + &block("a", "neighbor_ip 10.0.0.2")), "duplicate-definition", 1);
    left_out(&(first + &block("b", "neighbor_ip 10.0.0.1")), "duplicate-session", 1);
    left_out(&block("a", "neighbor_ip fe80::1"), "link-local", 1);
}

#[test]
fn two_sessions_may_have_one_neighbour_from_different_addresses() {
    let text = block("a", "neighbor_ip 10.0.0.1\nsource_ip 10.0.0.2")
        + &block("b", "neighbor_ip 10.0.0.1\nsource_ip 10.0.0.3");
    assert_eq!(lower(&text).model.router.bfd.len(), 2);
}

#[test]
fn a_session_is_tracked_with_its_weight_or_the_one_said() {
    let trackers = |words: &str, line: &str| {
        let lines = format!("virtual_ipaddress {{\n10.0.0.1\n}}\ntrack_bfd {{\n{line}\n}}");
        let text = block("b", &format!("neighbor_ip 10.0.0.9\n{words}")) + &named_instance("V", 51, &lines);
        lower(&text).instance().trackers.clone()
    };
    let of = |weight, reverse| vec![Tracker { target: TrackerTarget::Bfd("b".into()), weight, reverse }];
    assert_eq!(trackers("", "b"), of(0, false));
    assert_eq!(trackers("weight 20 reverse", "b"), of(20, true));
    assert_eq!(trackers("weight 20", "b weight -5"), of(-5, false));
    assert_eq!(trackers("vrrp\nchecker", "b"), of(0, false));
    assert_eq!(trackers("checker", "b"), vec![]);
}

#[test]
fn a_sync_group_follows_a_session_on_behalf_of_its_members() {
    let group = "vrrp_sync_group G {\ngroup {\nV\nW\n}\ntrack_bfd {\nb weight 10\n}\n}\n";
    let text = block("b", "neighbor_ip 10.0.0.9") + group + &simple("V", 51) + &simple("W", 52);
    let lowered = lower(&text).clean();
    let expected = Tracker { target: TrackerTarget::Bfd("b".into()), weight: 10, reverse: false };
    assert_eq!(lowered.model.router.sync_groups[0].trackers, [expected]);
}

#[test]
fn a_session_for_others_only_is_said_to_be_so() {
    let lines = "virtual_ipaddress {\n10.0.0.1\n}\ntrack_bfd {\nb\n}";
    let text = block("b", "neighbor_ip 10.0.0.9\nchecker") + &named_instance("V", 51, lines);
    assert!(complaint(lower(&text).only("bfd-for-checkers")));
    let server = "virtual_server 10.0.0.9 80 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.0.8 80 {\n\
                  BFD_CHECK {\nname b\n}\n}\n}\n";
    lower(&(block("b", "neighbor_ip 10.0.0.9\nvrrp") + server)).only("bfd-for-vrrp");
}
