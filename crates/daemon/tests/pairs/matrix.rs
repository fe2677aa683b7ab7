//! Every scenario of [`crate::takeover`] for every pairing: written once, played by all.

use crate::scene::{Cast, Family, Kind, Pairing};

/// One module a pairing, one test a scenario.
macro_rules! pairings {
    ($($name:ident: $a:ident $b:ident $family:ident $cast:ident;)*) => {$(
        mod $name {
            use super::{Cast, Family, Kind, Pairing};
            use crate::takeover;

            const PAIRING: Pairing =
                Pairing { a: Kind::$a, b: Kind::$b, family: Family::$family, cast: Cast::$cast };

            #[test]
            fn the_higher_priority_is_elected() -> anyhow::Result<()> {
                takeover::the_higher_priority_is_elected(PAIRING)
            }

            #[test]
            fn a_killed_master_is_replaced_and_comes_back() -> anyhow::Result<()> {
                takeover::a_killed_master_is_replaced_and_comes_back(PAIRING)
            }

            #[test]
            fn a_terminated_master_hands_over() -> anyhow::Result<()> {
                takeover::a_terminated_master_hands_over(PAIRING)
            }

            #[test]
            fn a_master_whose_link_fails_is_replaced_and_comes_back() -> anyhow::Result<()> {
                takeover::a_master_whose_link_fails_is_replaced_and_comes_back(PAIRING)
            }

            #[test]
            fn nopreempt_leaves_things_as_they_are() -> anyhow::Result<()> {
                takeover::nopreempt_leaves_things_as_they_are(PAIRING)
            }

            #[test]
            fn equal_priorities_are_settled_by_address() -> anyhow::Result<()> {
                takeover::equal_priorities_are_settled_by_address(PAIRING)
            }
        }
    )*};
}

pairings! {
    mainstay_and_mainstay_v4: Mainstay Mainstay V4 Multicast;
    mainstay_and_mainstay_v6: Mainstay Mainstay V6 Multicast;
    mainstay_and_mainstay_v4_unicast: Mainstay Mainstay V4 Unicast;
    mainstay_and_mainstay_v6_unicast: Mainstay Mainstay V6 Unicast;
    mainstay_and_keepalived_v4: Mainstay Keepalived V4 Multicast;
    mainstay_and_keepalived_v6: Mainstay Keepalived V6 Multicast;
    mainstay_and_keepalived_v4_unicast: Mainstay Keepalived V4 Unicast;
    mainstay_and_keepalived_v6_unicast: Mainstay Keepalived V6 Unicast;
    keepalived_and_mainstay_v4: Keepalived Mainstay V4 Multicast;
    keepalived_and_mainstay_v6: Keepalived Mainstay V6 Multicast;
    keepalived_and_mainstay_v4_unicast: Keepalived Mainstay V4 Unicast;
    keepalived_and_mainstay_v6_unicast: Keepalived Mainstay V6 Unicast;
    mainstay_and_frr_v4: Mainstay Frr V4 Multicast;
    mainstay_and_frr_v6: Mainstay Frr V6 Multicast;
    frr_and_mainstay_v4: Frr Mainstay V4 Multicast;
    frr_and_mainstay_v6: Frr Mainstay V6 Multicast;
}
