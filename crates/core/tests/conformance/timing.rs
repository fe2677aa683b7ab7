//! F18-F20 and F30: intervals, timers, being late, and waiting at the start.

use mainstay_core::router::Advert;

use super::harness::*;

// ---- timers ----

#[test]
fn f18_a_v3_backup_learns_the_interval_and_a_master_uses_its_own() {
    let mut node = Node::with(alone());
    node.hear(advert().interval(ms(300)));
    assert_eq!(node.report().master_advert_interval, ms(300));
    assert_eq!(node.time_until(Master), ms(900) + us(182_812));
    assert_eq!(node.report().master_advert_interval, s(1));
    node.forget();
    let start = node.now;
    node.advance(s(2));
    assert_eq!(node.adverts_after(start), [(s(1), 100), (s(2), 100)]);
}

#[test]
fn f18_a_resignation_after_a_short_interval_is_answered_after_the_short_skew() {
    let mut node = Node::with(alone());
    node.hear(advert().interval(ms(300)));
    node.hear(advert().interval(ms(300)).priority(0));
    assert_eq!(node.time_until(Master), us(182_812));
}

#[test]
fn f18_an_ignored_advert_teaches_nothing() {
    let mut node = Node::with(alone());
    node.hear(advert().interval(ms(300)).priority(50));
    assert_eq!(node.report().master_advert_interval, s(1));
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn f19_the_v2_skew_does_not_grow_with_the_interval() {
    let mut node = Node::with(alone().v2().interval(s(5)));
    assert_eq!(node.time_until(Master), us(15_609_375));
}

#[test]
fn f20_a_tick_at_a_deadline_that_has_moved_does_nothing() {
    let mut node = Node::with(alone());
    node.stall(s(3));
    node.hear(advert());
    node.forget();
    node.stall(us(609_375));
    node.tick();
    node.expect_effects(&[]);
    node.expect_state(Backup);
    assert_eq!(node.time_until(Master), s(3));
}

#[test]
fn f20_ticks_for_nothing_do_nothing() {
    for mut node in [Node::with(alone()), Node::master(alone()), Node::fault(alone())] {
        let before = (node.report(), node.router.next_deadline());
        node.forget();
        for _ in 0..10 {
            node.tick();
        }
        node.expect_effects(&[]);
        assert_eq!((node.report(), node.router.next_deadline()), before);
    }
}

// ---- being late ----

#[test]
fn f30_after_a_stall_a_backup_that_reads_first_is_not_promoted() {
    let mut node = Node::with(alone());
    node.hear(advert());
    node.stall(s(5));
    node.hear(advert());
    node.tick();
    node.expect_state(Backup);
    assert_eq!(node.adverts(), Vec::<&Advert>::new());
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn f30_after_a_stall_a_master_that_reads_first_yields_without_another_advert() {
    let mut node = Node::master(alone());
    node.stall(s(5));
    node.hear(advert());
    node.tick();
    node.expect_state(Backup);
    node.expect_effects(&["remove 192.0.2.1", "notify VI_1 BACKUP"]);
}

#[test]
fn f30_after_a_stall_a_master_sends_one_advert_and_not_all_it_has_missed() {
    let mut node = Node::master(alone());
    node.stall(s(5));
    node.tick();
    assert_eq!(node.adverts_after(node.now), [(Duration::ZERO, 100)]);
    node.forget();
    let start = node.now;
    node.advance(s(2));
    assert_eq!(node.adverts_after(start), [(s(1), 100), (s(2), 100)]);
}

#[test]
fn timer_expired_backup_makes_a_late_master_with_nopreempt_step_down() {
    let careful = || alone().nopreempt().but(|plan| plan.timer_expired_backup = std::num::NonZeroU8::new(50));
    // 2 intervals and the skew of the peer: 2.805 s after the advert that was due.
    for (late, state) in [(ms(2_700), Master), (ms(2_900), Backup)] {
        let mut node = Node::master(careful());
        node.stall(s(1) + late);
        node.tick();
        assert_eq!(node.state(), state, "{late:?} late");
        let sent = node.adverts_after(node.now).len();
        assert_eq!(sent, usize::from(state == Master), "one that steps down sends nothing");
    }
}

// ---- not yet ----

#[test]
fn during_the_startup_delay_nothing_is_sent_or_heard_and_the_timer_starts_after_it() {
    let mut node = Node::with(plan().instance(alone()).startup_delay(s(10)));
    node.expect_state(Backup);
    node.hear(advert());
    assert_eq!(node.counters().adverts_received, 0);
    assert_eq!(node.time_until(Master), s(10) + DOWN);
}

#[test]
fn during_the_startup_delay_an_owner_is_silent_too() {
    let mut node = Node::with(plan().instance(alone().owner()).startup_delay(s(10)));
    let start = node.now;
    node.advance(ms(9_999));
    assert_eq!(node.adverts_after(start), []);
    node.advance(s(2));
    assert!(!node.adverts_after(start).is_empty());
    node.expect_state(Master);
}

#[test]
fn delay_after_boot_counts_from_the_boot_of_the_machine() {
    // The node was booted 1000 s ago.
    for (delay, wait) in [(s(900), Duration::ZERO), (s(1010), s(10))] {
        let mut delayed = plan().instance(alone());
        delayed.0.settings.delay_after_boot = delay;
        assert_eq!(Node::with(delayed).time_until(Master), wait + DOWN, "{delay:?}");
    }
}
