//! Every story in `scenarios/` comes out as it says, and breaks no rule.

use mainstay_simulator::stories;
use mainstay_simulator::trace::Mode;

#[test]
fn every_story_comes_out_as_it_says() {
    let all = stories::all();
    assert!(all.len() >= 12, "only {} stories", all.len());
    for path in all {
        stories::play(&path, Mode::Silent).unwrap_or_else(|error| panic!("{error:#}"));
    }
}
