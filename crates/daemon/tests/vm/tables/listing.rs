//! What the kernel has, one line for each thing, sorted, for the kernel has no order.
//!
//! Read by our own codec, whose reading is held against `ipvsadm`'s in `system/tests/vm/ipvs/against_ipvsadm.rs`:
//! a start of `ipvsadm` for each look would be most of the work of an emulated machine.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use mainstay::lab::Namespace;
use mainstay_core::ipvs::{
    Change, Destination, DestinationKey, Forwarding, Protocol, Scheduler, Service, ServiceKey, Timeouts,
};
use mainstay_system::ipvs::{Balancer, Kernel};

/// How lines about synchronisation daemons begin.
const DAEMON: &str = "sync: ";

/// The lines of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    lines: BTreeSet<String>,
}

impl Listing {
    /// Reads everything there is: services and destinations with all their options, timeouts, and the synchronisation
    /// daemons.
    pub fn read(namespace: &Namespace) -> Result<Self> {
        namespace.run(|| {
            let mut kernel = Kernel::open()?;
            let listing = kernel.list()?;
            ensure!(listing.unreadable == 0, "{} entries cannot be read", listing.unreadable);
            let mut lines = BTreeSet::new();
            for (key, entry) in listing.table().services {
                lines.insert(of_service(&entry.service));
                lines
                    .extend(entry.destinations.values().map(|destination| of_destination(&key, destination)));
            }
            lines.insert(format!("{:?}", kernel.timeouts()?));
            lines.extend(kernel.daemons()?.iter().map(|daemon| format!("{DAEMON}{daemon:?}")));
            Ok(Self { lines })
        })?
    }

    /// The same without synchronisation daemons: after a start, who is master is still being found out.
    pub fn without_daemons(mut self) -> Self {
        self.lines.retain(|line| !line.starts_with(DAEMON));
        self
    }

    /// Lines of this that `other` lacks.
    pub fn without<'a>(&'a self, other: &Self) -> Vec<&'a str> {
        self.lines.iter().filter(|line| !other.lines.contains(*line)).map(String::as_str).collect()
    }
}

fn of_service(service: &Service) -> String {
    let Service { key, scheduler, flags, one_packet, persistence } = service;
    let mut line = format!("{} {scheduler}", named(key));
    for (given, name) in
        [(flags.first, "flag-1"), (flags.second, "flag-2"), (flags.third, "flag-3"), (*one_packet, "ops")]
    {
        if given {
            line += &format!(" {name}");
        }
    }
    if let Some(persistence) = persistence {
        line += &format!(" {persistence:?}");
    }
    line
}

fn of_destination(service: &ServiceKey, destination: &Destination) -> String {
    let Destination { key, forwarding, weight, upper_threshold, lower_threshold } = destination;
    let mut line = format!("{} -> {key} {forwarding:?} weight {weight}", named(service));
    if (*upper_threshold, *lower_threshold) != (0, 0) {
        line += &format!(" thresholds {upper_threshold} {lower_threshold}");
    }
    line
}

/// Marks of the two families are two services.
fn named(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { .. } => key.to_string(),
        ServiceKey::Mark { family, mark } => format!("FWM {mark} {family:?}"),
    }
}

/// Puts a service with one destination into the table that nobody's configuration has, and timeouts that are not the
/// kernel's. Who flushes the table removes it; who does not, leaves it.
pub fn add_foreign(namespace: &Namespace) -> Result<()> {
    let address = |last: u8| std::net::Ipv4Addr::new(203, 0, 113, last).into();
    let key = ServiceKey::Address { protocol: Protocol::Tcp, address: address(9), port: 9 };
    let destination = Destination {
        key: DestinationKey { address: address(10), port: 9 },
        forwarding: Forwarding::Masquerade,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let changes = [
        Change::AddService(Service::new(key, Scheduler::RoundRobin)),
        Change::AddDestination(key, destination),
    ];
    let applied = namespace.run(|| {
        let mut kernel = Kernel::open()?;
        kernel.set_timeouts(&Timeouts { tcp_s: 1001, tcp_fin_s: 101, udp_s: 201 })?;
        kernel.apply(&changes)
    })??;
    ensure!(applied.refusals.is_empty(), "{applied:?}");
    Ok(())
}
