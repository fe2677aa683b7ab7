//! Heartbeats: what is told to the peers beside the adverts, what is believed of what they tell, and what follows.

use mainstay_core::heartbeat::{BootId, HeartbeatRejection};
use mainstay_core::router::{Alarm, Carries, Cause, Listening, Mismatch, Reason, Socket};

use super::harness::*;

/// A node with heartbeats beside its adverts, whose first ones have been said.
fn viewing() -> Node {
    started(alone())
}

fn started(instance: Instance) -> Node {
    let mut node = Node::with(plan().instance(instance).peer_view());
    node.tick();
    node
}

/// Two nodes, the first of priority 200, on eth0 and eth1; the first has become master.
fn pair(with: impl Fn(Plan) -> Plan) -> Lan {
    let node = |address: &str, second: &str, priority| {
        let mut node = Node::at(address, with(plan().instance(alone().priority(priority)).peer_view()));
        node.addresses.remove(&(ETH1, ip("198.51.100.252")));
        node.addresses.insert((ETH1, ip(second)));
        node.list_kernel();
        node
    };
    let mut lan =
        Lan::of(vec![node("192.0.2.252", "198.51.100.252", 200), node("192.0.2.251", "198.51.100.251", 100)]);
    let interval = lan.nodes[0].plan.instances[0].advert_interval;
    lan.advance(interval * 4 + s(2));
    assert_eq!(lan.masters(), [0]);
    lan
}

/// How long both are master within this time, looked at every 10 ms; and that it ends with exactly one.
fn time_of_two_masters(lan: &mut Lan, within: Duration) -> Duration {
    let mut both = Duration::ZERO;
    for _ in 0..within.as_millis() / 10 {
        lan.advance(ms(10));
        if lan.masters().len() == 2 {
            both += ms(10);
        }
    }
    assert_eq!(lan.masters().len(), 1, "in the end one holds");
    both
}

fn last_cause(lan: &Lan, node: usize) -> Cause {
    lan.nodes[node].report().cause
}

// ---- what is told ----

#[test]
fn a_backup_says_once_a_second_that_it_lives_and_whom_it_hears() {
    let mut node = viewing();
    node.hear(advert());
    node.forget();
    node.advance(ms(2500));
    let heartbeats = node.heartbeats();
    assert_eq!(heartbeats.len(), 2);
    let (destination, last) = &heartbeats[1];
    assert_eq!(*destination, ip("224.0.0.18"));
    let entry = &last.entries[0];
    assert_eq!((entry.vrid, entry.state, entry.priority), (10, Backup, 100));
    assert_eq!(entry.hearings[0].source, ip("192.0.2.251"));
    assert_eq!(entry.hearings[0].age, s(2));
    node.expect_effects(&[]);
}

#[test]
fn heartbeats_of_a_master_leave_with_its_adverts() {
    let mut node = viewing();
    node.become_master();
    node.advance(s(5));
    node.forget();
    let start = node.now;
    node.advance(s(10));
    let times: Vec<Vec<Duration>> = [true, false]
        .map(|heartbeats| {
            let of_kind = node.new_orders().iter().filter(|(_, action)| match action {
                Action::SendHeartbeat(_) => heartbeats,
                Action::SendAdvert(_) => !heartbeats,
                _ => false,
            });
            of_kind.map(|(at, _)| at.saturating_since(start)).collect()
        })
        .into();
    assert_eq!(times[0], times[1]);
    assert_eq!(times[0].len(), 10);
}

#[test]
fn every_change_of_state_is_said_at_once() {
    let mut node = viewing();
    node.time_until(Master);
    let (_, said) = node.heartbeats().pop().expect("something is said");
    assert_eq!(said.entries[0].state, Master);
    node.forget();
    node.set_link("eth1", false);
    assert!(node.heartbeats().is_empty(), "nothing changed");
    node.hear(advert());
    let (_, said) = node.heartbeats().pop().expect("something is said");
    assert_eq!(said.entries[0].state, Backup);
}

#[test]
fn the_first_words_wait_until_the_answer_can_be_heard() {
    let mut node = Node::with(plan().instance(alone()).peer_view());
    let sockets = node.router.wanted_sockets();
    let ours = |socket: &&Socket| matches!(socket.carries, Carries::Heartbeats(10112));
    let socket = *sockets.iter().find(ours).expect("heartbeats are listened for");
    node.step(Input::SocketBecame { socket, listening: Listening::Opening });
    node.advance(s(3));
    assert!(node.heartbeats().is_empty());
    node.step(Input::SocketBecame { socket, listening: Listening::Open });
    node.tick();
    assert_eq!(node.heartbeats().len(), 1);
}

#[test]
fn a_new_node_is_answered_at_once() {
    let mut node = viewing();
    node.advance(ms(300));
    node.forget();
    node.hear_heartbeat(heartbeat().state(Backup));
    node.advance(ms(1));
    let answer = node.heartbeats();
    assert_eq!(answer.len(), 1);
    assert_eq!(answer[0].1.entries[0].hearings[0].source, ip("192.0.2.251"));
    node.hear_heartbeat(heartbeat().state(Backup).nth(2));
    node.advance(ms(500));
    assert_eq!(node.heartbeats().len(), 1, "but only once");
}

#[test]
fn a_node_that_ends_says_so_and_that_its_masters_resign() {
    let mut node = viewing();
    node.become_master();
    node.step(Input::ShutdownRequested);
    let (_, last) = node.heartbeats().pop().expect("a last word");
    assert!(last.leaving);
    assert_eq!((last.entries[0].state, last.entries[0].priority), (Init, 0));
    let finished = node.effects().iter().position(|effect| effect == "finished");
    assert!(finished.is_some());
}

#[test]
fn further_paths_are_told_every_advert_and_the_link_of_the_adverts_once_a_second() {
    let fast = alone().interval(ms(100));
    let mut node = Node::with(plan().instance(fast).peer_view().path("eth1"));
    node.tick();
    node.become_master();
    node.advance(s(10));
    node.forget();
    node.advance(s(10));
    let on = |link: LinkIndex| {
        let sent = node.new_orders().iter().filter(|(_, action)| match action {
            Action::SendHeartbeat(datagram) => datagram.link == Some(link),
            _ => false,
        });
        sent.count()
    };
    assert_eq!((on(ETH1), node.adverts().len()), (100, 100));
    assert!((10..=14).contains(&on(ETH0)), "{} heartbeats in 10 s", on(ETH0));
}

#[test]
fn a_thousand_instances_share_datagrams_that_need_no_fragments() {
    let mut many = plan().peer_view();
    for vrid in 1..=255 {
        let instance = instance(&format!("VI_{vrid}")).vrid(vrid).announcing_once();
        many = many.instance(instance);
    }
    let mut node = Node::with(many);
    node.tick();
    node.forget();
    node.advance(s(1));
    let heartbeats = node.heartbeats();
    let entries: usize = heartbeats.iter().map(|(_, heartbeat)| heartbeat.entries.len()).sum();
    assert_eq!(entries, 255);
    assert!(heartbeats.len() <= 6, "{} datagrams", heartbeats.len());
    let longest = node.new_orders().iter().filter_map(|(_, action)| match action {
        Action::SendHeartbeat(datagram) => Some(datagram.payload.len()),
        _ => None,
    });
    assert!(longest.max() <= Some(1232));
}

#[test]
fn a_unicast_peer_that_never_answered_is_not_told_every_second() {
    let mut node = started(alone().unicast(&["192.0.2.251"]));
    node.become_master();
    node.advance(s(10));
    node.forget();
    node.advance(s(60));
    assert_eq!(node.heartbeats().len(), 6);
    node.hear_heartbeat(heartbeat().state(Backup).to("192.0.2.252"));
    node.forget();
    node.advance(s(10));
    assert!((10..=11).contains(&node.heartbeats().len()), "{}", node.heartbeats().len());
}

#[test]
fn without_a_plan_for_them_there_are_no_heartbeats_and_no_sockets() {
    let mut node = Node::with(alone());
    node.become_master();
    node.advance(s(5));
    node.step(Input::ShutdownRequested);
    assert!(node.heartbeats().is_empty());
    assert!(node.router.wanted_sockets().iter().all(|socket| socket.carries == Carries::Adverts));
}

// ---- what is believed ----

#[test]
fn what_a_heartbeat_says_of_a_master_counts_like_its_advert() {
    let mut node = viewing();
    let start = node.now;
    node.advance(s(3));
    node.hear_heartbeat(heartbeat());
    node.advance(ms(3600));
    node.expect_state(Backup);
    node.time_until(Master);
    assert_eq!(node.now.saturating_since(start), s(3) + DOWN);
}

#[test]
fn a_backup_s_heartbeat_postpones_nothing() {
    let mut node = viewing();
    for number in 1..=3 {
        node.advance(s(1));
        node.hear_heartbeat(heartbeat().state(Backup).nth(number));
    }
    assert_eq!(node.time_until(Master), DOWN - s(3));
}

#[test]
fn what_is_not_believed_changes_no_timer_and_is_told_and_counted() {
    let keyed = || {
        let mut node = Node::with(plan().instance(alone()).peer_view().key("ours"));
        node.tick();
        node
    };
    let good = || heartbeat().key("ours");
    let cases: Vec<(Beat, HeartbeatRejection)> = vec![
        (heartbeat().key("theirs"), HeartbeatRejection::Tag),
        (heartbeat(), HeartbeatRejection::Tag),
        (good().ttl(254), HeartbeatRejection::Ttl),
        (good().boot(100), HeartbeatRejection::Own),
    ];
    for (beat, rejection) in cases {
        let mut node = keyed();
        node.advance(s(3));
        node.forget();
        node.hear_heartbeat(beat);
        assert_eq!(node.disbelieved(), [rejection]);
        assert_eq!(node.router.report().paths[0].rejected, [(rejection, 1)]);
        assert_eq!(node.time_until(Master), DOWN - s(3));
    }
    let mut node = keyed();
    node.hear_heartbeat(good());
    assert_eq!(node.disbelieved(), []);
}

#[test]
fn a_duplicate_and_a_replay_are_not_believed() {
    let mut node = viewing();
    node.hear_heartbeat(heartbeat().nth(7));
    node.forget();
    node.advance(s(3));
    for number in [7, 6, 1] {
        node.hear_heartbeat(heartbeat().nth(number));
    }
    assert_eq!(node.disbelieved(), [HeartbeatRejection::Replayed]);
    assert_eq!(node.time_until(Master), DOWN - s(3));
}

#[test]
fn a_heartbeat_that_was_overtaken_is_believed_once_and_not_later() {
    let mut node = viewing();
    node.hear_heartbeat(heartbeat().nth(7));
    node.forget();
    node.advance(ms(99));
    for number in [5, 6] {
        node.hear_heartbeat(heartbeat().nth(number));
    }
    assert_eq!(node.disbelieved(), []);
    // What it says of a router that the later one spoke of is no news: the timer runs on.
    assert_eq!(node.time_until(Master), DOWN - ms(99));
    node.hear_heartbeat(heartbeat().nth(5));
    assert_eq!(node.disbelieved(), [HeartbeatRejection::Replayed]);
    node.forget();
    node.hear_heartbeat(heartbeat().nth(9));
    for late in [5, 6, 7] {
        node.hear_heartbeat(heartbeat().nth(late));
    }
    node.advance(ms(100));
    node.hear_heartbeat(heartbeat().nth(8));
    assert_eq!(node.router.report().paths[0].rejected, [(HeartbeatRejection::Replayed, 5)]);
}

#[test]
fn a_replay_on_another_link_is_a_replay_too() {
    let mut node = Node::with(plan().instance(alone()).peer_view().path("eth1"));
    node.tick();
    node.hear_heartbeat(heartbeat().nth(7));
    node.forget();
    let mut copied = heartbeat().nth(7);
    copied.link = ETH1;
    node.hear_heartbeat(copied);
    assert_eq!(node.disbelieved(), [HeartbeatRejection::Replayed]);
}

#[test]
fn a_former_life_of_a_node_is_not_believed_after_a_newer_one() {
    let mut node = viewing();
    node.hear_heartbeat(heartbeat().boot(200));
    node.hear_heartbeat(heartbeat().boot(201));
    assert_eq!(node.disbelieved(), []);
    node.forget();
    node.hear_heartbeat(heartbeat().boot(200).nth(50));
    assert_eq!(node.disbelieved(), [HeartbeatRejection::OldBoot]);
    node.advance(s(61));
    node.hear_heartbeat(heartbeat().boot(200).nth(51));
    assert_eq!(node.disbelieved(), [HeartbeatRejection::OldBoot], "a clock set back costs a minute");
}

#[test]
fn a_stranger_on_a_shared_path_is_not_taken_for_a_peer() {
    let mut node = Node::with(plan().instance(alone()).peer_view().path("eth1"));
    node.tick();
    node.advance(s(3));
    let other_addresses = |beat: Beat| beat.with(|entry| entry.addresses = Default::default());
    node.hear_heartbeat(other_addresses(heartbeat().on_eth1()));
    assert_eq!(node.time_until(Master), DOWN - s(3), "the same id elsewhere");
    let mut node = Node::with(plan().instance(alone()).peer_view().path("eth1"));
    node.tick();
    node.hear(advert());
    node.advance(s(3));
    node.hear_heartbeat(other_addresses(heartbeat().on_eth1()));
    assert_eq!(node.time_until(Master), DOWN, "known by its adverts: a reload is half done");
}

#[test]
fn an_older_word_on_a_longer_way_does_not_undo_a_resignation() {
    let mut node = Node::with(plan().instance(alone()).peer_view().path("eth1"));
    node.tick();
    node.hear(advert());
    node.hear_heartbeat(heartbeat().nth(5));
    node.hear(advert().priority(0));
    node.hear_heartbeat(heartbeat().state(Fault).priority(0).nth(6));
    node.hear_heartbeat(heartbeat().on_eth1().nth(5));
    assert!(node.time_until(Master) <= SKEW);
}

#[test]
fn a_flood_of_forged_nodes_does_not_fill_the_memory() {
    let mut node = viewing();
    for boot in 0..2000 {
        let source = format!("192.0.{}.{}", 3 + boot / 250, 1 + boot % 250);
        node.hear_heartbeat(heartbeat().state(Backup).boot(1000 + boot).from(&source));
    }
    let path = &node.router.report().paths[0];
    assert_eq!(path.peers.len(), 256);
    assert_eq!(path.rejected, [(HeartbeatRejection::TooMany, 2000 - 256)]);
}

#[test]
fn a_key_vouches_for_a_peer_behind_routers_and_only_the_peer_is_believed() {
    let to_peer = |key: &str| {
        let mut node = Node::with(plan().instance(alone()).path_to("eth1", "203.0.113.9").key(key));
        node.tick();
        node.forget();
        node
    };
    let routed = || heartbeat().on_eth1().from("203.0.113.9").to("198.51.100.252").ttl(57).key("ours");
    let mut node = to_peer("ours");
    node.hear_heartbeat(routed());
    node.hear_heartbeat(routed().nth(2).from("203.0.113.10"));
    assert_eq!(node.disbelieved(), [HeartbeatRejection::Sender]);
    assert_eq!(node.router.report().paths[0].name, "dev eth1 peer 203.0.113.9");
    assert!(node.router.report().paths[0].up);
    let mut node = to_peer("");
    node.hear_heartbeat(routed().key(""));
    assert_eq!(node.disbelieved(), [HeartbeatRejection::Ttl]);
}

#[test]
fn lost_heartbeats_are_counted_and_a_silent_path_is_told() {
    let mut node = viewing();
    for number in [1, 2, 5, 9] {
        node.hear_heartbeat(heartbeat().state(Backup).nth(number));
    }
    let path = &node.router.report().paths[0];
    assert_eq!((path.name.as_str(), path.up, path.peers[0].lost), ("dev eth0", true, 5));
    let told = |node: &Node| {
        let reasons = node.events().into_iter().map(|event| event.reason.clone());
        let of_paths =
            reasons.filter(|reason| matches!(reason, Reason::PathUp { .. } | Reason::PathDown { .. }));
        of_paths.map(|reason| reason.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told(&node), ["heartbeats of 192.0.2.251 arrive on dev eth0"]);
    node.forget();
    node.advance(s(5));
    assert_eq!(told(&node), ["no more heartbeats of 192.0.2.251 on dev eth0"]);
    assert!(!node.router.report().paths[0].up);
    node.forget();
    node.hear_heartbeat(heartbeat().state(Backup).nth(10));
    node.hear_heartbeat(heartbeat().state(Init).nth(11).leaving());
    assert_eq!(
        told(&node),
        [
            "heartbeats of 192.0.2.251 arrive on dev eth0",
            "no more heartbeats of 192.0.2.251 on dev eth0: it has ended"
        ]
    );
}

#[test]
fn a_living_backup_is_known_until_it_falls_silent_or_leaves() {
    let living = |node: &Node| node.report().peers.iter().filter(|peer| peer.living).count();
    let mut node = viewing();
    node.become_master();
    assert_eq!(living(&node), 0);
    node.hear_heartbeat(heartbeat().state(Backup).priority(50));
    assert_eq!(living(&node), 1);
    node.advance(s(29));
    assert_eq!(living(&node), 1, "it may have been starved for some seconds");
    node.advance(s(2));
    assert_eq!(living(&node), 0);
    node.hear_heartbeat(heartbeat().state(Backup).priority(50).nth(2));
    node.hear_heartbeat(heartbeat().state(Init).priority(50).nth(3).leaving());
    assert_eq!(living(&node), 0);
}

#[test]
fn nodes_of_other_vrrp_versions_or_intervals_are_no_masters_of_ours() {
    let mut node = viewing();
    node.advance(s(3));
    node.hear_heartbeat(heartbeat().with(|entry| entry.version = Version::V2));
    assert_eq!(node.time_until(Master), DOWN - s(3));
    let mut node = started(alone().v2());
    node.advance(s(3));
    node.hear_heartbeat(heartbeat().with(|entry| {
        entry.version = Version::V2;
        entry.interval = s(2);
    }));
    assert_eq!(node.time_until(Master), DOWN - s(3), "v2 insists on one interval");
}

// ---- two links, and what may happen to them ----

#[test]
fn the_loss_of_one_of_two_paths_makes_no_second_master() {
    let mut lan = pair(|plan| plan.path("eth1"));
    for cuts in [vec![(0, 1, ETH0)], vec![(1, 0, ETH0)], vec![(0, 1, ETH0), (1, 0, ETH0)], vec![(0, 1, ETH1)]]
    {
        lan.cuts = cuts;
        lan.advance(s(20));
        assert_eq!(lan.masters(), [0], "{:?}", lan.cuts);
        lan.cuts.clear();
        lan.advance(s(20));
        assert_eq!(lan.masters(), [0]);
    }
}

#[test]
fn with_all_paths_cut_the_backup_takes_over_and_after_healing_one_holds() {
    let mut lan = pair(|plan| plan.path("eth1"));
    lan.cut_off = vec![0];
    lan.advance(s(4));
    assert_eq!(lan.masters(), [0, 1]);
    lan.cut_off.clear();
    assert!(time_of_two_masters(&mut lan, s(10)) <= s(1));
    assert_eq!(lan.masters(), [0]);
}

#[test]
fn a_master_that_the_others_do_not_hear_gives_up_within_an_interval() {
    for interval in [s(1), ms(100), s(3)] {
        let mut lan = pair(|mut plan| {
            plan.0.instances[0].advert_interval = interval;
            plan
        });
        lan.advance(interval * 4);
        lan.cuts = vec![(0, 1, ETH0)];
        let both = time_of_two_masters(&mut lan, interval * 5 + s(1));
        assert!(both <= interval + ms(20), "two masters for {both:?} at {interval:?}");
        assert_eq!(lan.masters(), [1], "the one that is heard holds");
        assert_eq!(last_cause(&lan, 0), Cause::NotHeard { source: ip("192.0.2.251") });
    }
}

#[test]
fn a_master_that_is_deaf_is_not_preempted_until_it_hears() {
    let mut lan = pair(|plan| plan);
    lan.cuts = vec![(0, 1, ETH0)];
    lan.advance(s(10));
    assert_eq!(lan.masters(), [1]);
    assert_eq!(time_of_two_masters(&mut lan, s(60)), Duration::ZERO);
    let alarm = Alarm::Mismatch { source: ip("192.0.2.251"), mismatch: Mismatch::DoesNotHear };
    let alarms = lan.nodes[0].router.report().alarms;
    assert!(alarms.iter().any(|standing| standing.alarm == alarm), "{alarms:?}");
    lan.cuts.clear();
    assert!(time_of_two_masters(&mut lan, s(10)) <= ms(10));
    assert_eq!(lan.masters(), [0], "it preempts as soon as it is heard");
}

#[test]
fn the_backup_s_loss_in_the_other_direction_changes_nothing() {
    let mut lan = pair(|plan| plan);
    lan.cuts = vec![(1, 0, ETH0)];
    assert_eq!(time_of_two_masters(&mut lan, s(30)), Duration::ZERO);
    assert_eq!(lan.masters(), [0]);
}

#[test]
fn a_master_that_starts_deaf_ends_as_the_only_one() {
    // The better one starts again and is heard by nobody: it learns so before its first master-down timer fires.
    let mut lan = pair(|plan| plan);
    lan.cut_off = vec![0];
    lan.advance(s(5));
    lan.nodes[0].step(Input::ShutdownRequested);
    let mut restarted = Node::cold(plan().instance(alone().priority(200)).peer_view(), None);
    restarted.now = lan.nodes[1].now;
    restarted.list_kernel();
    lan.nodes[0] = restarted;
    lan.cut_off.clear();
    lan.cuts = vec![(0, 1, ETH0)];
    lan.advance(s(1));
    assert_eq!(time_of_two_masters(&mut lan, s(20)), Duration::ZERO);
    assert_eq!(lan.masters(), [1]);
}

#[test]
fn a_short_loss_in_one_direction_ends_as_plain_vrrp_would_end_it() {
    let mut lan = pair(|plan| plan);
    lan.cuts = vec![(0, 1, ETH0)];
    while lan.masters() != [0, 1] {
        lan.advance(ms(10));
    }
    lan.cuts.clear();
    lan.advance(ms(1100));
    assert_eq!(lan.masters(), [0], "the answer was heard: the lower one yields");
}

#[test]
fn a_plain_peer_that_does_not_yield_is_an_alarm_and_no_reason_to_give_up() {
    let mut node = viewing();
    node.become_master();
    for _ in 0..60 {
        node.hear(advert().priority(50));
        node.advance(s(1));
    }
    node.expect_state(Master);
    let alarms = node.router.report().alarms;
    assert!(alarms.iter().any(|standing| standing.alarm == Alarm::TwoMasters { source: ip("192.0.2.251") }));
}

#[test]
fn a_master_that_goes_on_although_it_hears_us_is_no_reason_to_give_up() {
    let mut node = viewing();
    node.become_master();
    for number in 1..=20 {
        node.hear_heartbeat(heartbeat().priority(50).nth(number).hears("192.0.2.252", ms(20)));
        node.advance(s(1));
    }
    node.expect_state(Master);
}

#[test]
fn a_rival_that_heard_an_earlier_answer_and_not_the_present_one_is_given_way_to() {
    let mut node = viewing();
    node.become_master();
    let says = |number, ago| heartbeat().priority(50).nth(number).hears("192.0.2.252", ago);
    node.hear_heartbeat(says(1, s(5)));
    // It yields to the answer, which is not heard here, goes deaf at 1.9 s, and is master again at 2.2 s.
    node.advance(ms(2200));
    node.hear_heartbeat(says(2, ms(300)));
    node.expect_state(Master);
    node.advance(ms(700));
    node.hear_heartbeat(says(3, ms(1000)));
    node.expect_state(Master);
    node.advance(ms(300));
    node.hear_heartbeat(says(4, ms(1300)));
    node.expect_state(Backup);
    assert_eq!(node.report().cause, Cause::NotHeard { source: ip("192.0.2.251") });
}

#[test]
fn three_nodes_agree_on_the_one_that_is_heard() {
    let node =
        |address: &str, priority| Node::at(address, plan().instance(alone().priority(priority)).peer_view());
    let nodes = vec![node("192.0.2.10", 200), node("192.0.2.11", 150), node("192.0.2.12", 100)];
    let mut lan = Lan::of(nodes);
    lan.advance(s(6));
    assert_eq!(lan.masters(), [0]);
    // Nobody hears the best one.
    lan.cuts = vec![(0, 1, ETH0), (0, 2, ETH0)];
    assert!(time_of_two_masters(&mut lan, s(20)) <= ms(1020));
    assert_eq!(lan.masters(), [1]);
    // Only the worst one hears it: two hear each other, and the rule of priorities holds.
    lan.cuts = vec![(0, 1, ETH0)];
    lan.advance(s(20));
    assert_eq!(lan.masters(), [1]);
    lan.cuts.clear();
    lan.advance(s(20));
    assert_eq!(lan.masters(), [0]);
}

// ---- handing over ----

/// A backup that has heard this master say that it hears nobody but us.
fn waiting_for(last_word: impl Fn(Beat) -> Beat) -> Node {
    let mut node = viewing();
    node.hear(advert());
    node.hear_heartbeat(last_word(heartbeat().hears("192.0.2.252", ms(10))));
    node.advance(ms(200));
    node.hear(advert().priority(0));
    node
}

#[test]
fn the_only_successor_does_not_wait_for_the_skew() {
    assert_eq!(waiting_for(|word| word).time_until(Master), ms(10));
    let gated = |word: Beat| word.with(|entry| entry.gated = true);
    assert_eq!(waiting_for(gated).time_until(Master), ms(1), "its kernel has closed the gate");
}

#[test]
fn the_last_word_may_be_read_before_the_resignation_it_speaks_of() {
    let mut node = viewing();
    node.hear(advert());
    let beat = |number| heartbeat().with(|entry| entry.gated = true).hears("192.0.2.252", ms(10)).nth(number);
    node.hear_heartbeat(beat(1));
    node.advance(ms(200));
    node.hear_heartbeat(beat(2).priority(0).state(Init).leaving());
    node.hear(advert().priority(0));
    assert_eq!(node.time_until(Master), ms(1));
}

#[test]
fn the_skew_is_waited_for_when_somebody_else_may_follow() {
    let hears_third = |word: Beat| word.hears("192.0.2.250", ms(500));
    assert_eq!(waiting_for(hears_third).time_until(Master), SKEW, "it hears a third");
    let mut node = viewing();
    node.hear_heartbeat(heartbeat().state(Backup).of_third());
    node.hear(advert());
    node.hear_heartbeat(heartbeat().hears("192.0.2.252", ms(10)));
    node.hear(advert().priority(0));
    assert_eq!(node.time_until(Master), SKEW, "we hear a third");
    let mut node = viewing();
    node.hear(advert());
    node.hear(advert().priority(0));
    assert_eq!(node.time_until(Master), SKEW, "a plain master may have silent backups");
    let mut node = viewing();
    node.hear(advert());
    node.hear_heartbeat(heartbeat().hears("192.0.2.252", ms(10)));
    (0..4).for_each(|_| {
        node.advance(s(1));
        node.hear(advert());
    });
    node.hear(advert().priority(0));
    assert_eq!(node.time_until(Master), SKEW, "what it said is too old");
}

#[test]
fn with_one_unicast_peer_the_successor_is_certain() {
    let unicast = |peers: &[&str]| {
        let mut node = started(alone().unicast(peers));
        node.hear(advert().to("192.0.2.252"));
        node.hear(advert().to("192.0.2.252").priority(0));
        node.time_until(Master)
    };
    assert_eq!(unicast(&["192.0.2.251"]), ms(10));
    assert_eq!(unicast(&["192.0.2.251", "192.0.2.250"]), SKEW);
}

#[test]
fn a_hand_over_takes_milliseconds_and_is_told_on_every_path() {
    let mut lan = pair(|plan| plan.path("eth1"));
    lan.cuts = vec![(0, 1, ETH0)];
    lan.advance(s(2));
    lan.nodes[0].step(Input::ShutdownRequested);
    lan.advance(ms(11));
    assert_eq!(lan.masters(), [1], "the link of the adverts is cut, and the path says it");
    assert_eq!(last_cause(&lan, 1), Cause::MasterResigned { source: ip("192.0.2.252") });
}

#[test]
fn a_sync_group_is_handed_over_once_and_together() {
    let node = |address: &str, priority| {
        let inside = instance("inside").vrid(11).priority(priority).announcing_once();
        let inside = inside.addresses(&["192.0.2.2"]);
        let both = plan().instance(alone().priority(priority)).instance(inside);
        Node::at(address, both.group(group("G", &["VI_1", "inside"])).peer_view())
    };
    let mut lan = Lan::of(vec![node("192.0.2.252", 200), node("192.0.2.251", 100)]);
    lan.advance(s(6));
    assert_eq!(lan.masters(), [0]);
    lan.nodes[1].forget();
    lan.nodes[0].step(Input::ShutdownRequested);
    lan.advance(ms(11));
    lan.nodes[1].expect_states(&[("VI_1", Master), ("inside", Master)]);
    assert_eq!(lan.nodes[1].counters().became_master, 1);
}

#[test]
fn a_boot_id_orders_the_lives_of_a_node_and_tells_nodes_apart() {
    assert!(BootId::new(1_700_000_000_000, u32::MAX) < BootId::new(1_700_000_000_001, 0));
    assert_ne!(BootId::new(5, 1), BootId::new(5, 2));
    assert!(BootId::new((1 << 43) - 1, 0) > BootId::new((1 << 42) - 1, u32::MAX), "until the year 2248");
}
