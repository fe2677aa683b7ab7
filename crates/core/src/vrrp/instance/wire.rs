//! The adverts of an instance, built once and kept until something in them changes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Instance, Machine};
use crate::heartbeat::{AddressDigest, Entry};
use crate::router::action::Advert;
use crate::router::plan::{Destination, InstancePlan};
use crate::time::Instant;
use crate::vrrp::packet;

/// Messages ready to be sent, one a destination; rebuilt when anything in them changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire {
    pub(super) priority: Option<u8>,
    pub(super) messages: Vec<(IpAddr, Arc<[u8]>)>,
}

impl Instance {
    /// The adverts of one turn at `now`, one a destination, with our priority; none without a source address. With a
    /// lease that counts they must leave before it is over.
    pub fn adverts(&mut self, now: Instant, not_after: Option<Instant>) -> impl Iterator<Item = Advert> + '_ {
        self.write(self.priority());
        let length = self.plan.lease.map(|lease| lease.length);
        if let Machine::Master(master) = &mut self.machine {
            master.renewal.advertised(now, self.wire.messages.len(), length);
            self.muted = false;
        }
        self.written(not_after)
    }

    /// The adverts that say that we give up.
    pub fn resignations(&mut self) -> impl Iterator<Item = Advert> + '_ {
        self.write(0);
        self.counters.priority_zero_sent += u64::from(self.source.is_some());
        self.written(None)
    }

    /// Has the messages of this priority ready.
    pub(super) fn write(&mut self, priority: u8) {
        if self.wire.priority != Some(priority) {
            let source = self.source;
            let message = |to| Some((to, self.message(priority, source?, to)));
            self.wire.messages = self.destinations().filter_map(message).collect();
            self.wire.priority = Some(priority);
        }
        self.counters.adverts_sent += self.wire.messages.len() as u64;
    }

    pub(super) fn written(&self, not_after: Option<Instant>) -> impl Iterator<Item = Advert> + '_ {
        let ttl = match &self.plan.destination {
            Destination::Multicast(_) => Some(255),
            Destination::Unicast { ttl, .. } => *ttl,
        };
        self.source.into_iter().flat_map(move |source| {
            self.wire.messages.iter().map(move |(destination, payload)| Advert {
                instance: Arc::clone(&self.name),
                link: self.link,
                source,
                destination: *destination,
                ttl,
                payload: Arc::clone(payload),
                not_after,
            })
        })
    }

    fn destinations(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let (group, peers) = match &self.plan.destination {
            Destination::Multicast(group) => (Some(*group), &[][..]),
            Destination::Unicast { peers, .. } => (None, peers.as_slice()),
        };
        group.into_iter().chain(peers.iter().map(|peer| peer.address))
    }

    fn message(&self, priority: u8, source: IpAddr, destination: IpAddr) -> Arc<[u8]> {
        Arc::from(packet::emit(&packet::Emit {
            version: self.plan.version,
            vrid: self.plan.vrid.get(),
            priority,
            interval: self.plan.advert_interval,
            addresses: &self.advertised,
            authentication: &self.plan.authentication,
            source,
            destination,
            without_pseudo_header: self.plan.checksum_without_pseudo_header,
        }))
    }

    /// Its own address is another one now.
    pub fn set_source(&mut self, source: Option<IpAddr>) {
        if self.source != source {
            self.source = source;
            self.wire = Wire::default();
        }
    }

    /// What it says of itself in a heartbeat, if it has an address; `resigned` when it has just given up for good,
    /// `gated` if the kernel then takes the addresses out of use.
    #[must_use]
    pub fn entry(&self, now: Instant, resigned: bool, gated: bool) -> Option<Entry> {
        Some(Entry {
            family: self.plan.family,
            vrid: self.plan.vrid.get(),
            version: self.plan.version,
            state: self.state(),
            priority: if resigned { 0 } else { self.priority() },
            interval: self.plan.advert_interval,
            gated,
            addresses: self.digest,
            source: self.source?,
            hearings: self.peers.hearings(now),
        })
    }

    /// The digest of the addresses it advertises.
    #[must_use]
    pub const fn digest(&self) -> AddressDigest {
        self.digest
    }

    /// The addresses it advertises.
    #[must_use]
    pub fn advertised(&self) -> &[IpAddr] {
        &self.advertised
    }
}

/// The addresses a plan advertises, in its order.
pub(super) fn advertised(plan: &InstancePlan) -> Vec<IpAddr> {
    plan.addresses.iter().map(|address| address.address).collect()
}
