//! Virtual and real servers as they are now.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::checker::{Checkers, Influence};
use super::plan::{RealServerPlan, VirtualServerPlan};
use crate::ipvs::{Destination, DestinationKey, MAX_WEIGHT, Service, ServiceKey};

/// One virtual server.
#[derive(Debug, Clone)]
pub(super) struct VirtualServer {
    /// Its plan, without the real servers.
    pub(super) plan: VirtualServerPlan,
    pub(super) reals: Vec<RealServer>,
    /// It has its quorum.
    pub(super) up: bool,
    /// Effective weights of the real servers in service.
    pub(super) sum: u64,
    /// Configured weights of all real servers.
    pub(super) total: u64,
    /// Real servers no checker finds down.
    pub(super) living: u32,
    /// Too few live to believe it.
    pub(super) panic: bool,
    /// Its address is not on this machine: not checked.
    pub(super) suspended: bool,
}

/// One real server.
#[derive(Debug, Clone)]
pub(super) struct RealServer {
    /// Its plan, without the checkers.
    pub(super) plan: RealServerPlan,
    /// Places of its checkers, in plan order.
    pub(super) checkers: Vec<u32>,
    /// No checker finds it down.
    pub(super) good: bool,
    /// It is in service, as far as it is up to itself: good, or held although it is not.
    pub(super) serving: bool,
    /// Effective weight.
    pub(super) weight: u32,
}

impl RealServer {
    /// What its checkers come to: whether it is good, and its effective weight.
    pub(super) fn judged(&self, checkers: &Checkers) -> (bool, u32) {
        let configured = i64::from(self.plan.weight);
        let mut weight = configured;
        let mut good = !self.plan.unprovable;
        for checker in self.checkers.iter().filter_map(|index| checkers.get(*index)) {
            good &= !checker.is_against();
            weight = weight.saturating_add(match checker.influence {
                Influence::None => 0,
                Influence::Add(more) => more,
                Influence::Replace(with) => i64::from(with) - configured,
            });
        }
        (good, u32::try_from(weight.clamp(0, i64::from(MAX_WEIGHT))).unwrap_or(MAX_WEIGHT))
    }
}

impl VirtualServer {
    /// Whether its real servers serve, rather than its sorry server.
    pub(super) const fn real_servers_serve(&self) -> bool {
        self.up || self.plan.sorry_server.is_none()
    }

    /// How a service of it should be.
    pub(super) fn service(&self, key: ServiceKey) -> Service {
        Service {
            key,
            scheduler: self.plan.scheduler.clone(),
            flags: self.plan.flags,
            one_packet: self.plan.one_packet,
            persistence: self.plan.persistence.clone(),
        }
    }

    /// How a real server should be in a service of it; `None`: not at all.
    pub(super) fn destination(&self, real: &RealServer, service: &ServiceKey) -> Option<Destination> {
        let serves = real.serving && self.real_servers_serve();
        if !serves && !real.plan.inhibit_on_failure {
            return None;
        }
        let port = real.plan.port_behind(service);
        Some(Destination {
            key: DestinationKey { address: real.plan.key.address, port },
            forwarding: real.plan.forwarding,
            weight: if serves { real.weight } else { 0 },
            upper_threshold: real.plan.upper_threshold,
            lower_threshold: real.plan.lower_threshold,
        })
    }

    /// How the sorry server should be in a service of it; `None`: not at all.
    pub(super) fn sorry_destination(&self, service: &ServiceKey) -> Option<Destination> {
        let sorry = self.plan.sorry_server.as_ref()?;
        if self.up && !sorry.inhibit {
            return None;
        }
        Some(Destination {
            key: DestinationKey { address: sorry.key.address, port: sorry.port_behind(service) },
            forwarding: sorry.forwarding,
            weight: u32::from(!self.up),
            upper_threshold: 0,
            lower_threshold: 0,
        })
    }

    /// Everything it has in a service of it. A real server counts over a sorry server of the same address.
    pub(super) fn destinations(&self, service: &ServiceKey) -> BTreeMap<DestinationKey, Destination> {
        let reals = self.reals.iter().filter_map(|real| self.destination(real, service));
        let all = self.sorry_destination(service).into_iter().chain(reals);
        all.map(|destination| (destination.key, destination)).collect()
    }

    /// Whether so few live that those that serve go on.
    pub(super) fn too_few_live(&self) -> bool {
        let total = self.reals.len() as u64;
        u64::from(self.living) * 100 < total * u64::from(self.plan.panic_threshold)
    }

    /// Whether the weights come to a quorum: it is won above the dead band, and lost below it.
    ///
    /// DIFFERS: keepalived asks for quorum + hysteresis even where all real servers together have less, and then the
    /// virtual server never comes up; here all of them are always enough.
    pub(super) fn has_quorum(&self) -> bool {
        let quorum = u64::from(self.plan.quorum);
        let hysteresis = u64::from(self.plan.hysteresis);
        if self.up {
            self.sum > 0 && self.sum >= quorum.saturating_sub(hysteresis)
        } else {
            self.sum > 0 && self.sum >= (quorum + hysteresis).min(self.total.max(quorum))
        }
    }
}
