//! The adverts of an instance, built once and kept until something in them changes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Instance, Machine};
use crate::address::Family;
use crate::heartbeat::{AddressDigest, Entry};
use crate::router::action::Advert;
use crate::router::plan::{Authentication, Destination, InstancePlan, Version};
use crate::secret::Password;
use crate::time::Instant;
use crate::vrrp::ah::{self, Envelope, Outside};
use crate::vrrp::packet;
use crate::vrrp::signature::{self, Signed, Stamp};

/// Messages ready to be sent, one a destination; rebuilt when anything in them changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire {
    pub(super) priority: Option<u8>,
    pub(super) messages: Vec<(IpAddr, Arc<[u8]>)>,
}

/// What makes the adverts of one turn believable.
#[derive(Debug, Clone, Copy)]
enum Seal {
    /// Nothing.
    None,
    /// An authentication header with this number.
    Ah { sequence: u32 },
    /// A signature.
    Signature([u8; signature::LENGTH]),
}

impl Instance {
    /// The password of its authentication header; `None` if it sends none.
    #[must_use]
    pub const fn password(&self) -> Option<&Password> {
        match (&self.plan.authentication, self.plan.version, self.plan.family) {
            (Authentication::Ah(password), Version::V2, Family::V4) => Some(password),
            (Authentication::None | Authentication::Pass(_) | Authentication::Ah(_), _, _) => None,
        }
    }

    /// The adverts of one turn at `now`, one a destination, with our priority; none without a source address. With a
    /// lease that counts they must leave before it is over.
    pub fn adverts(&mut self, now: Instant, not_after: Option<Instant>) -> impl Iterator<Item = Advert> + '_ {
        self.write(self.priority());
        let length = self.plan.lease.map(|lease| lease.length);
        if let Machine::Master(master) = &mut self.machine {
            master.renewal.advertised(now, self.wire.messages.len(), length);
            self.muted = false;
        }
        self.written(now, not_after)
    }

    /// The adverts that say that we give up.
    pub fn resignations(&mut self, now: Instant) -> impl Iterator<Item = Advert> + '_ {
        self.write(0);
        self.counters.priority_zero_sent += u64::from(self.source.is_some());
        self.written(now, None)
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

    /// What was written, authenticated as of this moment: every turn is sealed anew, all its adverts alike.
    pub(super) fn written(
        &mut self,
        now: Instant,
        not_after: Option<Instant>,
    ) -> impl Iterator<Item = Advert> + '_ {
        let seal = self.next_seal(now);
        let this = &*self;
        let ttl = match &self.plan.destination {
            Destination::Multicast(_) => Some(255),
            Destination::Unicast { ttl, .. } => *ttl,
        };
        this.source.into_iter().flat_map(move |source| {
            this.wire.messages.iter().map(move |(destination, message)| {
                let (envelope, payload) = this.sealed((source, *destination), ttl, seal, message);
                Advert {
                    instance: Arc::clone(&this.name),
                    link: this.link,
                    source,
                    destination: *destination,
                    ttl,
                    envelope,
                    payload,
                    not_after,
                }
            })
        })
    }

    /// A message in its envelope.
    fn sealed(
        &self,
        (source, destination): (IpAddr, IpAddr),
        ttl: Option<u8>,
        seal: Seal,
        message: &Arc<[u8]>,
    ) -> (Envelope, Arc<[u8]>) {
        match seal {
            Seal::None => (Envelope::Bare, Arc::clone(message)),
            Seal::Signature(signature) => {
                let signed = packet::append_signature(message, &signature, (source, destination));
                (Envelope::Bare, signed.into())
            }
            Seal::Ah { sequence } => {
                // Any number but zero, for which the kernel would put in one of its own.
                let identification = (sequence as u16).max(1);
                let outside = Outside::of(source, destination, ttl.unwrap_or(u8::MAX), identification);
                match (self.password(), outside) {
                    (Some(password), Some(outside)) => {
                        let packet = ah::seal(outside, password, sequence, message);
                        (Envelope::Ah { identification }, packet.into())
                    }
                    (None, _) | (_, None) => (Envelope::Bare, Arc::clone(message)),
                }
            }
        }
    }

    /// What makes the adverts of one turn believable.
    fn next_seal(&mut self, now: Instant) -> Seal {
        if self.password().is_some() {
            return Seal::Ah { sequence: self.sequence.advance() };
        }
        let plan = self.plan.signature.as_deref().filter(|plan| plan.signs());
        let (Some(plan), Some(source), Some((_, message))) = (plan, self.source, self.wire.messages.first())
        else {
            return Seal::None;
        };
        // Messages to different destinations differ in their checksum only, which the signature leaves out.
        let (version, vrid) = (self.plan.version, self.plan.vrid.get());
        let signed = Signed { version, vrid, source, message };
        let stamp = self.marks.advance(plan, Stamp::of(self.wall_clock.at(now)));
        Seal::Signature(plan.sign(signed, stamp))
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
