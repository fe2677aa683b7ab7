//! Every story in `scenarios/` comes out as it says, and breaks no rule.

use std::path::Path;
use std::time::Duration;

use mainstay_simulator::moment::Moment;
use mainstay_simulator::story::{Expectation, Story};
use mainstay_simulator::trace::Mode;
use mainstay_simulator::world::World;

fn comes_out_as_told(path: &Path) {
    let text = std::fs::read_to_string(path).expect("a story can be read");
    let story = Story::read(&text).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
    let mut world = World::new(story.scenario, Mode::Silent);
    let mut moments = story.expectations.clone();
    moments.sort_by_key(|expectation| match expectation {
        Expectation::State(at, ..) => *at,
        Expectation::DualAtMost(_) | Expectation::DualAtLeast(_) => Duration::MAX,
    });
    for expectation in moments {
        if let Expectation::State(at, node, expected) = expectation {
            world.run_until(Moment(0) + at);
            let state = world.nodes[node].brain.as_ref().and_then(|brain| brain.state(0));
            assert_eq!(state.map(|(state, _)| state), Some(expected), "{}: {expectation:?}", path.display());
        }
    }
    let outcome = world.run();
    assert_eq!(outcome.violations, [], "{}", path.display());
    let dual: Duration = outcome.dual.values().sum();
    for expectation in &story.expectations {
        match expectation {
            Expectation::DualAtMost(most) => {
                assert!(dual <= *most, "{}: two holders for {dual:?}, not at most {most:?}", path.display());
            }
            Expectation::DualAtLeast(least) => {
                assert!(dual >= *least, "{}: two holders for {dual:?}, not {least:?}", path.display());
            }
            Expectation::State(..) => {}
        }
    }
}

#[test]
fn every_story_comes_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut stories: Vec<_> = std::fs::read_dir(folder)
        .expect("there are stories")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "story"))
        .collect();
    stories.sort();
    assert!(stories.len() >= 10, "only {} stories", stories.len());
    stories.iter().for_each(|path| comes_out_as_told(path));
}
