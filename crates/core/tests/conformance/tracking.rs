//! What an instance follows: scripts, files, processes, interfaces (reference/keepalived.md section 2.2), and F27, F28.

use mainstay_core::router::{Cause, Reason};

use super::harness::*;

fn following(tracker: mainstay_core::router::plan::Tracker) -> Instance {
    instance("VI_1").announcing_once().tracks(tracker)
}

fn reversed(mut tracker: mainstay_core::router::plan::Tracker) -> mainstay_core::router::plan::Tracker {
    tracker.reverse = true;
    tracker
}

fn with_script(weight: i32, change: impl FnOnce(&mut mainstay_core::router::plan::ScriptPlan)) -> Node {
    let mut script = script("chk");
    change(&mut script);
    Node::with(plan().instance(following(track_script("chk", weight))).script(script))
}

fn runs(node: &Node) -> usize {
    node.new_orders().iter().filter(|(_, action)| matches!(action, Action::RunScript(_))).count()
}

// ---- scripts: runs ----

#[test]
fn a_script_runs_at_the_start_and_then_every_interval() {
    let mut node = with_script(-10, |script| script.interval = s(2));
    assert_eq!(runs(&node), 1);
    node.finish_script("chk", 0);
    node.forget();
    node.advance(ms(1999));
    assert_eq!(runs(&node), 0);
    node.advance(ms(2));
    assert_eq!(runs(&node), 1);
    node.finish_script("chk", 0);
    node.forget();
    node.advance(s(2));
    assert_eq!(runs(&node), 1, "the time a run takes does not move the next");
}

#[test]
fn a_script_that_still_runs_is_not_run_again() {
    let mut node = with_script(-10, |script| script.interval = s(2));
    node.forget();
    node.advance(s(11));
    assert_eq!(runs(&node), 0);
    node.finish_script("chk", 0);
    node.advance(s(2));
    assert_eq!(runs(&node), 1);
}

#[test]
fn every_way_a_run_can_fail_is_a_failure() {
    let failures = [
        ScriptOutcome::Exited(1),
        ScriptOutcome::Exited(255),
        ScriptOutcome::Signalled(9),
        ScriptOutcome::TimedOut,
        ScriptOutcome::NotStarted("no such file".into()),
    ];
    for outcome in failures {
        let mut node = with_script(-10, |_| {});
        node.finish_script("chk", 0);
        assert_eq!(node.priority(), 100);
        node.step(Input::ScriptFinished { script: "chk".into(), outcome: outcome.clone() });
        assert_eq!(node.priority(), 90, "{outcome:?}");
    }
}

// ---- scripts: verdicts ----

#[test]
fn it_takes_fall_failures_in_a_row_to_be_down_and_rise_successes_to_be_up() {
    let mut node = with_script(-10, |script| (script.rise, script.fall) = (2, 3));
    node.finish_script("chk", 0);
    let runs = [
        (1, 100),
        (1, 100),
        (0, 100), // the count begins again
        (1, 100),
        (1, 100),
        (1, 90),
        (1, 90),
        (0, 90),
        (1, 90), // and here
        (0, 90),
        (0, 100),
        (1, 100),
    ];
    for (run, (status, priority)) in runs.into_iter().enumerate() {
        node.finish_script("chk", status);
        assert_eq!(node.priority(), priority, "after run {run}");
    }
}

#[test]
fn at_the_start_one_success_is_enough() {
    let mut node = with_script(0, |script| (script.rise, script.fall) = (5, 5));
    node.finish_script("chk", 0);
    node.expect_state(Backup);
}

#[test]
fn at_the_start_one_failure_is_enough() {
    let mut node = with_script(0, |script| (script.rise, script.fall) = (5, 5));
    node.finish_script("chk", 1);
    node.expect_state(Fault);
    for _ in 0..4 {
        node.finish_script("chk", 0);
        node.expect_state(Fault);
    }
    node.finish_script("chk", 0);
    node.expect_state(Backup);
}

#[test]
fn init_fail_starts_as_failed_and_needs_all_of_rise() {
    let mut node = with_script(0, |script| {
        script.init_fail = true;
        script.rise = 3;
    });
    node.expect_state(Fault);
    for _ in 0..2 {
        node.finish_script("chk", 0);
        node.expect_state(Fault);
    }
    node.finish_script("chk", 0);
    node.expect_state(Backup);
}

#[test]
fn until_a_script_of_weight_0_has_run_the_instance_waits_and_nobody_is_told() {
    let mut node = with_script(0, |_| {});
    assert!(matches!(node.state(), Init | Fault), "{}", node.state());
    node.expect_effects(&["run chk"]);
    node.advance(s(10));
    assert!(matches!(node.state(), Init | Fault), "{}", node.state());
    node.expect_effects(&[]);
    node.finish_script("chk", 0);
    node.expect_effects(&["notify VI_1 BACKUP"]);
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn a_failing_script_of_weight_0_is_a_fault_and_a_master_gives_up() {
    let mut node = with_script(0, |_| {});
    node.finish_script("chk", 0);
    node.become_master();
    node.finish_script("chk", 1);
    node.expect_state(Fault);
    node.expect_effects(&["advert 0", "remove 192.0.2.1", "notify VI_1 FAULT"]);
    assert!(matches!(node.report().cause, Cause::TrackerFailed(_)), "{}", node.report().cause);
    node.finish_script("chk", 0);
    node.expect_state(Backup);
}

#[test]
fn a_changed_verdict_is_told_once() {
    let mut node = with_script(-10, |_| {});
    node.finish_script("chk", 0);
    node.forget();
    for _ in 0..3 {
        node.finish_script("chk", 1);
    }
    let told =
        node.events().into_iter().filter(|event| matches!(event.reason, Reason::TrackerChanged { .. }));
    assert_eq!(told.count(), 1);
}

// ---- weights ----

#[test]
fn a_positive_weight_is_added_while_good_and_a_negative_one_while_bad() {
    for (weight, good, bad) in [(20, 120, 100), (-20, 100, 80)] {
        let mut node = with_script(weight, |_| {});
        node.finish_script("chk", 0);
        assert_eq!(node.priority(), good, "weight {weight}, good");
        node.finish_script("chk", 1);
        assert_eq!(node.priority(), bad, "weight {weight}, bad");
        node.expect_state(Backup);
    }
}

#[test]
fn reverse_flips_the_sign() {
    // -w while good for a positive weight, +w while bad for a negative one.
    for (weight, good, bad) in [(20, 80, 100), (-20, 100, 120)] {
        let tracker = reversed(track_script("chk", weight));
        let mut node = Node::with(plan().instance(following(tracker)).script(script("chk")));
        node.finish_script("chk", 0);
        assert_eq!(node.priority(), good, "weight {weight}, good");
        node.finish_script("chk", 1);
        assert_eq!(node.priority(), bad, "weight {weight}, bad");
    }
}

#[test]
fn reverse_with_weight_0_turns_the_meaning_of_good() {
    let tracker = reversed(track_script("chk", 0));
    let mut node = Node::with(plan().instance(following(tracker)).script(script("chk")));
    node.finish_script("chk", 1);
    node.expect_state(Backup);
    node.finish_script("chk", 0);
    node.expect_state(Fault);
}

#[test]
fn f28_the_effective_priority_stays_within_1_and_254() {
    for (weight, status, clamped) in [(-253, 1, 1), (253, 0, 254)] {
        let mut node = with_script(weight, |_| {});
        node.finish_script("chk", status);
        assert_eq!(node.priority(), clamped);
    }
}

#[test]
fn f28_the_sum_is_clamped_and_not_its_parts() {
    let both = instance("VI_1").tracks(track_script("a", 200)).tracks(track_script("b", -150));
    let mut node = Node::with(plan().instance(both).script(script("a")).script(script("b")));
    node.finish_script("a", 0);
    node.finish_script("b", 1);
    assert_eq!(node.priority(), 150, "100 + 200 - 150");
}

#[test]
fn f28_an_owner_keeps_255_whatever_happens() {
    let owner = following(track_script("chk", -100)).owner();
    let mut node = Node::with(plan().instance(owner).script(script("chk")));
    node.time_until(Master);
    node.finish_script("chk", 1);
    assert_eq!(node.priority(), 255);
    node.expect_state(Master);
}

#[test]
fn a_master_advertises_the_priority_it_has_come_to() {
    let mut node = with_script(-30, |_| {});
    node.finish_script("chk", 0);
    node.become_master();
    node.finish_script("chk", 1);
    node.expect_state(Master);
    node.advance(s(1));
    assert_eq!(node.adverts().last().map(|advert| advert.payload[2]), Some(70));
}

#[test]
fn a_changed_priority_moves_the_running_timer_by_the_difference_of_the_skews() {
    let mut node = with_script(-50, |_| {});
    node.finish_script("chk", 0);
    node.hear(advert());
    node.advance(s(2));
    node.finish_script("chk", 1);
    // 50/256 s more.
    assert_eq!(node.time_until(Master), DOWN + us(195_312) - s(2));
}

#[test]
fn a_priority_change_is_told_and_reaches_the_fifo_only_where_that_is_asked_for() {
    let notifying = following(track_script("chk", -30)).but(|plan| plan.notify_priority_changes = true);
    let mut node = Node::with(plan().instance(notifying).script(script("chk")));
    node.finish_script("chk", 0);
    node.forget();
    node.finish_script("chk", 1);
    let told =
        node.events().into_iter().any(|event| event.reason == Reason::PriorityChanged { from: 100, to: 70 });
    assert!(told, "{:?}", node.events());
    node.expect_effects(&["notify VI_1 BACKUP_PRIORITY"]);

    let mut node = with_script(-30, |_| {});
    node.finish_script("chk", 0);
    node.forget();
    node.finish_script("chk", 1);
    node.expect_effects(&[]);
}

#[test]
fn f27_a_weight_that_takes_a_master_below_its_peer_costs_it_the_address_within_the_down_interval() {
    let failing = plan().instance(following(track_script("chk", -30)).priority(110)).script(script("chk"));
    let mut lan = Lan::of(vec![Node::at("192.0.2.251", failing), Node::at("192.0.2.252", instance("VI_1"))]);
    lan.nodes[0].finish_script("chk", 0);
    lan.advance(s(5));
    assert_eq!(lan.masters(), [0]);
    lan.nodes[0].finish_script("chk", 1);
    lan.advance(s(4));
    assert_eq!(lan.masters(), [1]);
    assert_eq!(lan.nodes[0].state(), Backup);
    lan.nodes[0].finish_script("chk", 0);
    lan.advance(s(4));
    assert_eq!(lan.masters(), [0], "and has it back when it is well again");
}

// ---- files ----

#[test]
fn the_value_of_a_file_times_its_weight_is_added() {
    let mut node = Node::with(plan().instance(following(track_file("load", 2))).file(file("load")));
    for (value, priority) in [(0, 100), (10, 120), (-20, 60), (100, 254), (-60, 1)] {
        node.read_file("load", value);
        assert_eq!(node.priority(), priority, "value {value}");
        node.expect_state(Backup);
    }
}

#[test]
fn a_file_whose_product_is_below_minus_253_is_a_fault() {
    let mut node = Node::with(plan().instance(following(track_file("load", 2))).file(file("load")));
    node.read_file("load", -126);
    node.expect_state(Backup);
    node.read_file("load", -127);
    node.expect_state(Fault);
    node.read_file("load", 0);
    node.expect_state(Backup);
}

#[test]
fn a_file_of_weight_0_is_a_fault_unless_it_says_0() {
    let mut node =
        Node::with(plan().instance(following(track_file("maintenance", 0))).file(file("maintenance")));
    node.read_file("maintenance", 1);
    node.expect_state(Fault);
    node.read_file("maintenance", 0);
    node.expect_state(Backup);
}

#[test]
fn a_file_that_is_absent_counts_as_0() {
    let mut node = Node::with(plan().instance(following(track_file("load", 1))).file(file("load")));
    node.read_file("load", -20);
    assert_eq!(node.priority(), 80);
    node.step(Input::FileRead { file: "load".into(), value: None });
    assert_eq!(node.priority(), 100);
}

#[test]
fn no_value_of_a_file_overflows() {
    let mut node = Node::with(plan().instance(following(track_file("load", 254))).file(file("load")));
    node.read_file("load", i64::MAX);
    assert_eq!(node.priority(), 254);
    node.read_file("load", i64::MIN);
    node.expect_state(Fault);
}

// ---- processes ----

#[test]
fn a_process_is_good_while_as_many_run_as_its_quorum_asks_for() {
    let mut nginx = process("nginx");
    (nginx.quorum, nginx.quorum_max) = (2, Some(4));
    let mut node = Node::with(plan().instance(following(track_process("nginx", -20))).process(nginx));
    for (count, priority) in [(2, 100), (1, 80), (4, 100), (5, 80), (3, 100), (0, 80)] {
        node.count_processes("nginx", count);
        assert_eq!(node.priority(), priority, "{count} processes");
    }
}

#[test]
fn a_lost_process_of_weight_0_is_a_fault() {
    let mut node =
        Node::with(plan().instance(following(track_process("nginx", 0))).process(process("nginx")));
    node.count_processes("nginx", 1);
    node.expect_state(Backup);
    node.count_processes("nginx", 0);
    node.expect_state(Fault);
}

#[test]
fn terminate_delay_forgives_a_process_that_is_soon_back() {
    let mut nginx = process("nginx");
    (nginx.terminate_delay, nginx.fork_delay) = (s(2), s(1));
    let mut node = Node::with(plan().instance(following(track_process("nginx", -20))).process(nginx));
    node.count_processes("nginx", 1);
    node.advance(s(1));
    assert_eq!(node.priority(), 100);
    node.count_processes("nginx", 0);
    node.advance(ms(1900));
    assert_eq!(node.priority(), 100);
    node.count_processes("nginx", 1);
    node.advance(s(5));
    assert_eq!(node.priority(), 100, "it came back in time");
    node.count_processes("nginx", 0);
    node.advance(ms(2001));
    assert_eq!(node.priority(), 80);
    node.count_processes("nginx", 1);
    node.advance(ms(900));
    assert_eq!(node.priority(), 80, "fork_delay");
    node.advance(ms(101));
    assert_eq!(node.priority(), 100);
}

// ---- interfaces ----

#[test]
fn a_tracked_interface_that_is_down_is_a_fault() {
    let mut node = Node::with(following(track_interface("eth1", 0)));
    node.expect_state(Backup);
    node.set_link("eth1", false);
    node.expect_state(Fault);
    node.set_link("eth1", true);
    node.expect_state(Backup);
}

#[test]
fn a_tracked_interface_with_a_weight_changes_the_priority() {
    for (weight, up, down) in [(20, 120, 100), (-20, 100, 80)] {
        let mut node = Node::with(following(track_interface("eth1", weight)));
        assert_eq!(node.priority(), up);
        node.set_link("eth1", false);
        assert_eq!(node.priority(), down);
        node.expect_state(Backup);
    }
}

#[test]
fn the_interface_of_a_virtual_address_is_tracked_too() {
    let elsewhere = instance("VI_1").but(|plan| plan.addresses.push(virtual_address("198.51.100.1", "eth1")));
    let mut node = Node::with(elsewhere);
    node.set_link("eth1", false);
    node.expect_state(Fault);
}

#[test]
fn a_fault_lasts_until_the_last_of_its_causes_is_gone() {
    let both = following(track_interface("eth1", 0)).tracks(track_script("chk", 0));
    let mut node = Node::with(plan().instance(both).script(script("chk")));
    node.finish_script("chk", 0);
    node.set_link("eth1", false);
    node.finish_script("chk", 1);
    node.set_link("eth0", false);
    node.set_link("eth0", true);
    node.expect_state(Fault);
    node.finish_script("chk", 0);
    node.expect_state(Fault);
    node.set_link("eth1", true);
    node.expect_state(Backup);
}

#[test]
fn a_link_delay_forgives_a_link_that_is_soon_back() {
    let mut delayed = plan().instance(instance("VI_1"));
    delayed.0.link_delays.push(mainstay_core::router::plan::LinkDelay {
        interface: "eth0".into(),
        down: s(2),
        up: s(3),
    });
    let mut node = Node::with(delayed);
    node.set_link("eth0", false);
    node.advance(ms(1900));
    node.set_link("eth0", true);
    node.advance(s(1));
    node.expect_state(Backup);
    node.set_link("eth0", false);
    node.advance(ms(2001));
    node.expect_state(Fault);
    node.set_link("eth0", true);
    node.advance(ms(2900));
    node.expect_state(Fault);
    node.advance(ms(101));
    node.expect_state(Backup);
}

// ---- BFD sessions ----

fn with_session(weight: i32) -> Node {
    Node::with(plan().instance(following(track_session("gw", weight))).session(session("gw")))
}

#[test]
fn a_session_is_down_until_it_is_up() {
    let mut node = with_session(0);
    node.expect_state(Fault);
    node.session_becomes("gw", true);
    node.expect_state(Backup);
    node.session_becomes("gw", false);
    node.expect_state(Fault);
}

#[test]
fn a_session_with_a_weight_changes_the_priority_with_its_state() {
    let priorities = |weight| {
        let mut node = with_session(weight);
        [true, false].map(|up| {
            node.session_becomes("gw", up);
            node.priority()
        })
    };
    assert_eq!(priorities(20), [120, 100]);
    assert_eq!(priorities(-20), [100, 80]);
}

#[test]
fn a_reversed_session_is_a_fault_while_it_is_up() {
    let tracker = reversed(track_session("gw", 0));
    let mut node = Node::with(plan().instance(following(tracker)).session(session("gw")));
    node.expect_state(Backup);
    node.session_becomes("gw", true);
    node.expect_state(Fault);
}

/// DIFFERS: a new session takes an instance of keepalived to FAULT at once.
#[test]
fn a_session_that_a_reload_brings_has_time_to_come_up() {
    let mut node = Node::with(plan().instance(following(track_interface("eth1", 0))));
    node.advance(s(5));
    node.expect_state(Master);
    let mut tracked = following(track_session("gw", 0));
    tracked.0.trackers.extend(following(track_interface("eth1", 0)).0.trackers);
    node.reload(plan().instance(tracked).session(session("gw")));
    node.expect_state(Master);
    node.session_becomes("gw", false);
    node.expect_state(Fault);
}

#[test]
fn a_session_keeps_its_verdict_over_a_reload_and_a_crash() {
    let tracked = || plan().instance(following(track_session("gw", 0))).session(session("gw"));
    let mut node = Node::with(tracked());
    node.session_becomes("gw", true);
    node.advance(s(5));
    node.reload(tracked());
    node.expect_state(Master);
    let left = node.router.resume();
    let mut successor = Node::cold(tracked(), Some(&left));
    successor.addresses = node.addresses.clone();
    successor.list_kernel();
    successor.expect_state(Master);
}

#[test]
fn without_bfd_every_session_is_down() {
    let mut tracked = plan().instance(following(track_session("gw", 0))).session(session("gw"));
    tracked.0.settings.without_bfd = true;
    Node::with(tracked).expect_state(Fault);
}

// ---- static entries ----

#[test]
fn a_static_address_that_is_lost_is_put_back_and_one_that_cannot_be_is_a_fault_of_its_group() {
    const EPERM: i32 = 1;
    let mut address = (*virtual_address("192.0.2.77", "eth0")).clone();
    address.track_group = Some("TG".into());
    let address = std::sync::Arc::new(address);
    let mut tracked = plan().instance(instance("VI_1"));
    tracked.0.static_addresses.push(address.clone());
    tracked.0.track_groups.push(mainstay_core::router::plan::TrackGroupPlan {
        name: "TG".into(),
        members: vec!["VI_1".into()],
    });
    let mut node = Node::with(tracked);
    assert!(node.has("192.0.2.77"), "there from the start");
    node.somebody_removes(ETH0, "192.0.2.77");
    assert!(node.has("192.0.2.77"), "put back");
    node.expect_state(Backup);

    node.somebody_removes(ETH0, "192.0.2.77");
    node.addresses.remove(&(ETH0, ip("192.0.2.77")));
    node.step(Input::AddressRefused { address, errno: EPERM });
    node.expect_state(Fault);
}

#[test]
fn static_entries_are_removed_at_the_end() {
    let mut with_static = plan().instance(instance("VI_1"));
    with_static.0.static_addresses.push(virtual_address("192.0.2.77", "eth0"));
    with_static.0.static_routes.push(route("203.0.113.0"));
    with_static.0.static_rules.push(rule("203.0.113.0", 100));
    let mut node = Node::with(with_static);
    let effects = node.effects();
    for added in ["add 192.0.2.77", "add route 203.0.113.0", "add rule 100"] {
        assert!(effects.contains(&added.into()), "{effects:?}");
    }
    node.step(Input::ShutdownRequested);
    let effects = node.effects();
    for removed in ["remove 192.0.2.77", "remove route 203.0.113.0", "remove rule 100"] {
        assert!(effects.contains(&removed.into()), "{effects:?}");
    }
}
