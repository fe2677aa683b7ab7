//! The pair of files that the project started from.

use std::net::Ipv4Addr;
use std::time::Duration;

use mainstay_core::router::plan::{Authentication, Destination, Preempt, Version, WantedState};

use super::*;

/// Lowers a tutorial on a machine with eth1.
fn tutorial(name: &str) -> Option<Lowered> {
    let path = common::shared()?.join("corpus/tutorials").join(name);
    let loaded = load(&path, &Options::default(), &World::new().with_interface("eth1"));
    Some(Lowered { model: loaded.model, diagnostics: loaded.diagnostics })
}

fn check(lowered: &Lowered, router_id: &str, wanted: WantedState, priority: u8) {
    assert_eq!(lowered.model.process.router_id, router_id);
    let plan = lowered.instance();
    assert_eq!((plan.name.as_str(), plan.vrid.get(), plan.interface.as_deref()), ("VI_1", 50, Some("eth1")));
    assert_eq!((plan.wanted, plan.priority.get(), plan.version), (wanted, priority, Version::V2));
    assert_eq!(
        (plan.advert_interval, plan.preempt),
        (Duration::from_secs(1), Preempt::After(Duration::ZERO))
    );
    assert_eq!(plan.authentication, Authentication::Pass((*b"1111\0\0\0\0").into()));
    assert_eq!(plan.destination, Destination::Multicast(Ipv4Addr::new(224, 0, 0, 18).into()));
    let [address] = plan.addresses.as_slice() else { panic!("not one address") };
    assert_eq!((address.to_string().as_str(), address.scope), ("10.0.0.2/32 dev eth1", 0));
    assert!(plan.trackers.is_empty() && plan.excluded_addresses.is_empty());
}

#[test]
fn lb01_is_the_master() {
    let Some(lowered) = tutorial("03.conf") else { return };
    check(&lowered.clean(), "lb01", WantedState::Master, 150);
}

#[test]
fn lb02_is_the_backup_though_it_says_slave() {
    let Some(lowered) = tutorial("04.conf") else { return };
    check(&lowered.says(["unknown-state"]), "lb02", WantedState::Backup, 149);
}
