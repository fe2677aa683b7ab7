//! A table without a kernel: it judges orders as the kernel does, lists what it was told, and balances nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mainstay_core::address::Family;
use mainstay_core::ipvs::{
    Connections, Destination, DestinationKey, Forwarding, Granularity, MAX_WEIGHT, Service, ServiceKey,
    Statistics, SyncDaemon, SyncRole, Timeouts, Tunnel, TunnelKind,
};

use super::codec::Order;
use super::{Balancer, Info, ListedDestination, ListedService, Listing};
use crate::error::Result;

/// What the kernel begins with, in seconds.
const TIMEOUTS: Timeouts = Timeouts { tcp_s: 900, tcp_fin_s: 120, udp_s: 300 };

/// The kernel counts ticks in a signed number of 32 bits; Debian has 250 of them in a second.
const LONGEST_TIMEOUT_S: u32 = i32::MAX as u32 / 250;

/// The highest threshold.
const MOST_CONNECTIONS: u32 = i32::MAX as u32;

/// The kernel's names are at most this long.
const LONGEST_NAME: usize = 15;

/// A table in memory.
#[derive(Debug, Clone)]
pub struct Memory {
    services: BTreeMap<ServiceKey, (Service, BTreeMap<DestinationKey, Destination>)>,
    timeouts: Timeouts,
    daemons: BTreeMap<SyncRole, SyncDaemon>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { services: BTreeMap::new(), timeouts: TIMEOUTS, daemons: BTreeMap::new() }
    }
}

impl Memory {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn obey(&mut self, order: &Order<'_>) -> std::result::Result<(), i32> {
        judge_form(order)?;
        match *order {
            Order::AddService(service) => {
                if self.services.contains_key(&service.key) {
                    return Err(libc::EEXIST);
                }
                judge_service(service)?;
                self.services.insert(service.key, (service.clone(), BTreeMap::new()));
            }
            Order::EditService(service) => {
                let (place, _) = self.services.get_mut(&service.key).ok_or(libc::ESRCH)?;
                judge_service(service)?;
                *place = service.clone();
            }
            Order::DeleteService(key) => {
                self.services.remove(key).ok_or(libc::ESRCH)?;
            }
            Order::AddDestination(key, destination) => {
                let synchronises = !self.daemons.is_empty();
                let destinations = self.destinations(key)?;
                judge_mix(key, destination, synchronises)?;
                judge_destination(destination)?;
                if destinations.contains_key(&destination.key) {
                    return Err(libc::EEXIST);
                }
                judge_address(destination.key.address)?;
                destinations.insert(destination.key, *destination);
            }
            Order::EditDestination(key, destination) => {
                let synchronises = !self.daemons.is_empty();
                let destinations = self.destinations(key)?;
                judge_mix(key, destination, synchronises)?;
                judge_destination(destination)?;
                *destinations.get_mut(&destination.key).ok_or(libc::ENOENT)? = *destination;
            }
            Order::DeleteDestination(key, destination) => {
                self.destinations(key)?.remove(destination).ok_or(libc::ENOENT)?;
            }
            Order::SetTimeouts(timeouts) => self.set(timeouts)?,
            Order::StartDaemon(daemon) => {
                if self.services.iter().any(|(key, (_, destinations))| mixes_families(key, destinations)) {
                    return Err(libc::EINVAL);
                }
                if self.daemons.contains_key(&daemon.role) {
                    return Err(libc::EEXIST);
                }
                self.daemons.insert(daemon.role, daemon.clone());
            }
            Order::StopDaemon(role) => {
                self.daemons.remove(&role).ok_or(libc::ESRCH)?;
            }
            Order::Zero(Some(key)) => {
                self.services.get(key).ok_or(libc::ESRCH)?;
            }
            Order::Zero(None) => {}
            Order::Flush => self.services.clear(),
        }
        Ok(())
    }

    fn destinations(
        &mut self,
        key: &ServiceKey,
    ) -> std::result::Result<&mut BTreeMap<DestinationKey, Destination>, i32> {
        self.services.get_mut(key).map(|(_, destinations)| destinations).ok_or(libc::ESRCH)
    }

    fn set(&mut self, timeouts: &Timeouts) -> std::result::Result<(), i32> {
        let pairs = [
            (timeouts.tcp_s, &mut self.timeouts.tcp_s),
            (timeouts.tcp_fin_s, &mut self.timeouts.tcp_fin_s),
            (timeouts.udp_s, &mut self.timeouts.udp_s),
        ];
        if pairs.iter().any(|(wanted, _)| *wanted > LONGEST_TIMEOUT_S) {
            return Err(libc::EINVAL);
        }
        for (wanted, place) in pairs {
            if wanted != 0 {
                *place = wanted;
            }
        }
        Ok(())
    }
}

/// What the kernel refuses before it looks anything up.
fn judge_form(order: &Order<'_>) -> std::result::Result<(), i32> {
    let is_formed = match order {
        Order::AddService(service) | Order::EditService(service) => {
            let engine = service.persistence.as_ref().and_then(|persistence| persistence.engine.as_deref());
            let names = [service.scheduler.name(), engine.unwrap_or_default()];
            names.iter().all(|name| name.len() <= LONGEST_NAME)
        }
        Order::StartDaemon(daemon) => daemon.interface.len() <= LONGEST_NAME,
        Order::DeleteService(_)
        | Order::AddDestination(..)
        | Order::EditDestination(..)
        | Order::DeleteDestination(..)
        | Order::SetTimeouts(_)
        | Order::StopDaemon(_)
        | Order::Zero(_)
        | Order::Flush => true,
    };
    if is_formed { Ok(()) } else { Err(libc::EINVAL) }
}

fn judge_service(service: &Service) -> std::result::Result<(), i32> {
    let engine = service.persistence.as_ref().and_then(|persistence| persistence.engine.as_deref());
    // One that is a site's own may be there or not; ours has no modules.
    if service.scheduler.name().parse::<mainstay_core::ipvs::Scheduler>().is_err()
        || engine.is_some_and(|engine| engine != "sip")
    {
        return Err(libc::ENOENT);
    }
    let prefix = service.persistence.as_ref().map(|persistence| persistence.granularity);
    if service.key.family() == Family::V6
        && let Some(Granularity::Prefix(length)) = prefix
        && !(1..=Family::V6.bits()).contains(&length)
    {
        return Err(libc::EINVAL);
    }
    Ok(())
}

/// A destination of the other family can only be reached through a tunnel, and not be told to a peer.
fn judge_mix(
    key: &ServiceKey,
    destination: &Destination,
    synchronises: bool,
) -> std::result::Result<(), i32> {
    let is_tunnel = matches!(destination.forwarding, Forwarding::Tunnel(_));
    if Family::of(destination.key.address) != key.family() && (!is_tunnel || synchronises) {
        return Err(libc::EINVAL);
    }
    Ok(())
}

fn judge_destination(destination: &Destination) -> std::result::Result<(), i32> {
    if destination.weight > MAX_WEIGHT || destination.lower_threshold > destination.upper_threshold {
        return Err(libc::ERANGE);
    }
    if destination.upper_threshold > MOST_CONNECTIONS {
        return Err(libc::EINVAL);
    }
    if matches!(destination.forwarding, Forwarding::Tunnel(Tunnel { kind: TunnelKind::Gue { port: 0 }, .. }))
    {
        return Err(libc::EINVAL);
    }
    Ok(())
}

/// A destination is one machine.
fn judge_address(address: IpAddr) -> std::result::Result<(), i32> {
    let is_one = match address {
        IpAddr::V4(address) => {
            !(address.is_multicast() || address.is_broadcast() || address.is_unspecified())
        }
        IpAddr::V6(address) => !(address.is_multicast() || address.is_unspecified()),
    };
    if is_one { Ok(()) } else { Err(libc::EINVAL) }
}

fn mixes_families(key: &ServiceKey, destinations: &BTreeMap<DestinationKey, Destination>) -> bool {
    destinations.keys().any(|destination| Family::of(destination.address) != key.family())
}

impl Balancer for Memory {
    fn perform(&mut self, orders: &[Order<'_>]) -> Result<Vec<i32>> {
        Ok(orders.iter().map(|order| self.obey(order).err().unwrap_or(0)).collect())
    }

    fn list(&mut self) -> Result<Listing> {
        let services = self.services.values().map(|(service, destinations)| ListedService {
            service: service.clone(),
            statistics: Statistics::default(),
            destinations: destinations
                .values()
                .map(|destination| ListedDestination {
                    destination: *destination,
                    connections: Connections::default(),
                    statistics: Statistics::default(),
                })
                .collect(),
        });
        Ok(Listing { services: services.collect(), unreadable: 0 })
    }

    fn timeouts(&mut self) -> Result<Timeouts> {
        Ok(self.timeouts)
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>> {
        Ok(self.daemons.values().cloned().collect())
    }

    fn info(&mut self) -> Result<Info> {
        Ok(Info { version: [1, 2, 1], connection_table_size: 0 })
    }
}
