//! The table of failover times is the one in git.

#[test]
fn failovers_take_as_long_as_the_table_in_git_says() {
    let now = mainstay_simulator::table::table().unwrap_or_else(|error| panic!("{error:#}"));
    let known = include_str!("../failover.tsv");
    let differing: Vec<_> = known.lines().zip(now.lines()).filter(|(known, now)| known != now).collect();
    assert!(
        differing.is_empty() && known.lines().count() == now.lines().count(),
        "(in git, now): {differing:#?}\nif that is meant: cargo run --release -p mainstay-simulator -- --table > crates/simulator/failover.tsv"
    );
}
