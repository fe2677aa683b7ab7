//! A fixed set of seeds: no rule is broken, and the same seed is the same run.

use mainstay_simulator::campaign::REGRESSIONS;
use mainstay_simulator::draw;
use mainstay_simulator::story;
use mainstay_simulator::trace::Mode;
use mainstay_simulator::world::World;

fn breaks_no_rule(seed: u64) {
    let scenario = draw::scenario(seed);
    let outcome = World::new(scenario.clone(), Mode::Silent).run();
    assert_eq!(outcome.violations, [], "seed {seed}\n{}", story::tell(&scenario));
}

#[test]
fn seeds_that_once_broke_a_rule_break_none() {
    REGRESSIONS.into_iter().for_each(breaks_no_rule);
}

#[test]
fn four_hundred_seeds_break_no_rule() {
    (0..400).for_each(breaks_no_rule);
}

#[test]
fn the_same_seed_is_the_same_run_and_another_one_is_not() {
    let run = |seed| {
        let mut world = World::new(draw::scenario(seed), Mode::Kept);
        let hash = world.run().hash;
        (hash, world.trace.lines().to_vec())
    };
    for seed in 0..20 {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.0, second.0, "seed {seed}");
        assert_eq!(first.1, second.1, "seed {seed}");
    }
    assert_ne!(run(1).0, run(2).0);
}
