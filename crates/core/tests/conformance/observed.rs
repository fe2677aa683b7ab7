//! What metrics are told of the adverts of others and of our own lateness: sums a person can check by hand.

use mainstay_core::histogram::Histogram;

use super::harness::*;

/// How many there are, and their sum.
fn shown(histogram: &Histogram) -> (u64, Duration) {
    (histogram.total(), histogram.sum())
}

#[test]
fn a_backup_counts_the_time_between_adverts_of_one_master() {
    let mut node = Node::with(alone());
    for gap in [ms(1000), ms(1000), ms(2500)] {
        node.hear(advert());
        node.advance(gap);
    }
    assert_eq!(shown(&node.report().advert_gaps), (2, s(2)));
    node.hear(advert());
    assert_eq!(shown(&node.report().advert_gaps), (3, ms(4500)));
    // Its farewell is no advert that another one was expected after.
    node.hear(advert().priority(0));
    assert_eq!(shown(&node.report().advert_gaps), (3, ms(4500)));
}

#[test]
fn the_time_as_master_is_no_gap() {
    let mut node = Node::with(alone());
    node.hear(advert());
    node.advance(s(100));
    node.expect_state(Master);
    node.hear(advert().priority(200));
    node.expect_state(Backup);
    node.advance(s(1));
    node.hear(advert().priority(200));
    assert_eq!(shown(&node.report().advert_gaps), (0, Duration::ZERO));
    node.advance(s(1));
    node.hear(advert().priority(200));
    assert_eq!(shown(&node.report().advert_gaps), (1, s(1)));
}

#[test]
fn a_master_counts_how_long_another_master_is_heard() {
    let mut node = Node::master(alone());
    let lower = || advert().priority(50);
    node.hear(lower());
    assert_eq!(node.report().contested, Duration::ZERO, "one advert was on its way");
    for _ in 0..5 {
        node.advance(s(1));
        node.hear(lower());
    }
    assert_eq!(node.report().contested, s(5));
    node.advance(s(60));
    node.hear(lower());
    assert_eq!(node.report().contested, s(5), "it was silent for a minute");
    node.expect_state(Master);
}

#[test]
fn a_deadline_that_is_served_late_is_counted_with_its_lateness() {
    let mut node = Node::master(alone());
    node.advance(s(10));
    let before = node.router.report().lateness;
    assert!(before.total() >= 10 && before.sum() == Duration::ZERO, "{before:?}");
    node.stall(ms(1250));
    node.tick();
    let after = node.router.report().lateness;
    assert!(after.sum() >= ms(250) && after.sum() <= ms(1250), "{after:?}");
    assert_eq!(after.total(), before.total() + 1);
}
