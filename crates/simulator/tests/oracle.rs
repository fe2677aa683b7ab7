//! The router does what the table of RFC 9568 says, action by action.

use mainstay_simulator::compare::compare;

#[test]
fn the_router_does_what_the_table_of_the_rfc_says() {
    for seed in 0..1500 {
        compare(seed).unwrap_or_else(|error| panic!("{error:#}"));
    }
}
