//! Packets: found their instance, checked, and counted. What is not accepted changes no timer and no state.

use core::net::IpAddr;

use super::Router;
use super::action::{Actions, Subject};
use super::alarm::Alarm;
use super::input::Packet;
use super::limits::{Key, Noise};
use super::plan::{Destination, MismatchPolicy, UnicastPeer, Version};
use super::reason::{Mismatch, Reason, State};
use crate::address::Family;
use crate::time::Instant;
use crate::vrrp::ah::{self, Envelope, Outside};
use crate::vrrp::election::Heard;
use crate::vrrp::instance::{Fact, Instance};
use crate::vrrp::packet::{self, Message, ParseContext, Rejection};
use crate::vrrp::signature::{AntiReplay, Mode, Signed, Stamp};

impl Router {
    pub(super) fn receive(&mut self, now: Instant, packet: &Packet<'_>, actions: &mut Actions) {
        let message = packet.envelope.message(packet.payload);
        let Some((message, (_, vrid))) =
            message.and_then(|message| Some((message, packet::peek_vrid(message)?)))
        else {
            self.reject(now, None, packet.source, Rejection::Truncated, actions);
            return;
        };
        let Some(id) = self.addressee(packet, vrid) else {
            self.unknown_vrids += 1;
            if self.settings.log_unknown_vrids {
                self.reject(now, None, packet.source, Rejection::Vrid, actions);
            }
            return;
        };
        // An instance that takes no part, or waits for its startup delay, hears nothing.
        let deaf = matches!(self.instances[id].state(), State::Init | State::Fault);
        if deaf || now < self.quiet_until {
            return;
        }
        if self.instances[id].source == Some(packet.source) {
            self.differs(now, id, packet.source, Mismatch::OwnAddress, actions);
            return;
        }
        let inside = Packet { payload: message, ..*packet };
        match check(now, &self.instances[id], packet, &inside) {
            Ok((message, proof)) => {
                self.note_proof(now, id, packet.source, proof, actions);
                self.accept(now, id, packet.source, &message, actions);
            }
            Err(rejection) => self.reject_of(now, id, &inside, rejection, actions),
        }
    }

    /// An advert was accepted for this proof, which is not accepted again.
    fn note_proof(&mut self, now: Instant, id: usize, source: IpAddr, proof: Proof, actions: &mut Actions) {
        let instance = &mut self.instances[id];
        match proof {
            Proof::None => {}
            Proof::Sequence(sequence) => instance.sequence.accept(sequence),
            Proof::Stamp(stamp) => {
                instance.marks.accept(source, stamp);
                let apart = stamp.distance(Stamp::of(instance.wall_clock.at(now)));
                let is_soon_stale = instance
                    .plan
                    .signature
                    .as_deref()
                    .is_some_and(|plan| plan.anti_replay == AntiReplay::Time && apart > plan.window / 2);
                if is_soon_stale {
                    self.differs(now, id, source, Mismatch::Clock, actions);
                }
            }
        }
    }

    /// The instance a packet is for. One with the right VRID but the wrong kind of destination gets it too, so that
    /// the mistake is counted and told.
    fn addressee(&self, packet: &Packet<'_>, vrid: u8) -> Option<usize> {
        let candidates = self.by_vrid.get(&(Family::of(packet.source), vrid))?;
        let here = |id: &&usize| {
            let instance = &self.instances[**id];
            instance.link.is_none_or(|link| link == packet.link)
        };
        let meant = candidates.iter().filter(here).filter(|id| is_addressed(&self.instances[**id], packet));
        // The same VRID may be used with disjoint sets of unicast peers.
        meant
            .clone()
            .find(|id| peer_of(&self.instances[**id], packet.source).is_some())
            .or_else(|| meant.clone().next())
            .or_else(|| candidates.iter().find(here))
            .copied()
    }

    fn accept(
        &mut self,
        now: Instant,
        id: usize,
        source: IpAddr,
        message: &Message<'_>,
        actions: &mut Actions,
    ) {
        let instance = &mut self.instances[id];
        instance.counters.adverts_received += 1;
        instance.observe_advert(now, source, message.priority);
        let own_interval = instance.plan.advert_interval;
        let same_sender = instance.last_heard().is_some_and(|last| last.source == source);
        let check_addresses = !(instance.plan.skip_address_check && same_sender);
        let addresses_differ = check_addresses && !message.lists(instance.advertised());
        if addresses_differ {
            instance.counters.address_list_errors += 1;
        }
        let other_checksum = message.is_in_rfc9568_form();
        if other_checksum {
            instance.counters.rfc9568_checksums += 1;
        }
        let other_form = other_checksum && !instance.plan.checksum_without_pseudo_header;
        let hears = instance.peers.hears(source);
        let (priority, interval) = (message.priority, message.interval);
        let foreign = addresses_differ && shares_nothing(message.addresses(), instance.advertised());
        if foreign && !self.is_peer(id, source) {
            let _ = self.alarm(now, id, Alarm::VridCollision { source }, actions);
        } else if addresses_differ {
            self.differs(now, id, source, Mismatch::Addresses, actions);
        }
        if other_form {
            self.differs(now, id, source, Mismatch::ChecksumForm, actions);
        }
        if interval != own_interval {
            self.differs(now, id, source, Mismatch::Interval, actions);
        }
        if !foreign {
            self.instances[id].peers.meet(source);
        }
        let hand_over = if priority == 0 { self.hand_over(now, id, source) } else { None };
        self.peer_heard(now, id, source, priority, actions);
        self.hear(now, id, Heard { source, priority, interval, hears, hand_over }, actions);
    }

    /// An advert was accepted, or a heartbeat said the same.
    pub(super) fn hear(&mut self, now: Instant, id: usize, heard: Heard, actions: &mut Actions) {
        let waited_until = self.instances[id].deadline();
        let was_master = self.instances[id].is_master();
        self.step_instance(now, id, Fact::Heard(heard), actions);
        if was_master && self.instances[id].is_master() && heard.priority > 0 {
            let source = heard.source;
            self.instances[id].observe_rival(now, heard.interval);
            let _ = self.alarm(now, id, Alarm::TwoMasters { source }, actions);
        }
        let instance = &self.instances[id];
        if instance.state() == State::Backup && heard.priority > 0 && instance.deadline() > waited_until {
            self.hold_back_group(now, id, actions);
        }
        self.tell_if_unheard(now, id, &heard, actions);
    }

    /// A packet for an instance that fails a check. Of a stranger it is noise; of a peer it is an alarm, and perhaps a
    /// reason to wait.
    fn reject_of(
        &mut self,
        now: Instant,
        id: usize,
        packet: &Packet<'_>,
        rejection: Rejection,
        actions: &mut Actions,
    ) {
        let source = packet.source;
        let instance = &self.instances[id];
        let differs = Mismatch::of(rejection);
        let listed = packet::peek_addresses(packet.payload, instance.plan.family);
        let speaks_vrrp = matches!(
            differs,
            Some(Mismatch::Version | Mismatch::Authentication | Mismatch::Interval | Mismatch::Length)
        );
        let is_peer = self.is_peer(id, source);
        let collides = speaks_vrrp
            && !is_peer
            && listed.is_some_and(|listed| shares_nothing(listed, instance.advertised()));
        let stands = if collides {
            self.alarm(now, id, Alarm::VridCollision { source }, actions)
        } else if let (Some(mismatch), true) = (differs, is_peer) {
            // A packet that came by a router, or is an old one, may be anybody's.
            if !matches!(mismatch, Mismatch::Ttl | Mismatch::Clock) {
                self.hold_back(now, id, packet.payload);
            }
            self.alarm(now, id, Alarm::Mismatch { source, mismatch }, actions)
        } else {
            false
        };
        rejection.count_in(&mut self.instances[id].counters);
        if !stands {
            self.reject(now, Some(id), source, rejection, actions);
        }
    }

    /// Whether this address is that of a peer: configured, or known by a good advert.
    fn is_peer(&self, id: usize, source: IpAddr) -> bool {
        let instance = &self.instances[id];
        peer_of(instance, source).is_some() || instance.peers.know(source)
    }

    /// `mismatch_policy hold`: a peer that cannot be understood, but is there and does not resign, is waited for.
    fn hold_back(&mut self, now: Instant, id: usize, payload: &[u8]) {
        let instance = &mut self.instances[id];
        let holds = instance.plan.mismatch_policy == MismatchPolicy::Hold && !instance.plan.strict;
        let Some((priority, interval)) = packet::peek_priority(payload) else { return };
        if holds && priority > 0 {
            instance.hold_back(now, interval);
            self.hint(id);
        }
    }

    fn reject(
        &mut self,
        now: Instant,
        id: Option<usize>,
        source: IpAddr,
        rejection: Rejection,
        actions: &mut Actions,
    ) {
        let key = Key { instance: id, source: Some(source), noise: Noise::Rejected(rejection) };
        if let Some((key, count)) = self.limits.admit(now, key) {
            self.tell_noise(now, key, count, actions);
        }
    }

    /// A peer differs from us.
    pub(super) fn differs(
        &mut self,
        now: Instant,
        id: usize,
        source: IpAddr,
        mismatch: Mismatch,
        actions: &mut Actions,
    ) {
        let _ = self.alarm(now, id, Alarm::Mismatch { source, mismatch }, actions);
    }

    /// Tells of something that was limited, with its count.
    pub(super) fn tell_noise(&self, now: Instant, key: Key, count: u64, actions: &mut Actions) {
        let subject = match key.instance {
            Some(id) => self.subject(id),
            None => Subject::Node,
        };
        // The packets of sources too many to tell apart are told of under no address.
        let unspecified = IpAddr::from([0, 0, 0, 0]);
        let source = key.source.unwrap_or(unspecified);
        let reason = match key.noise {
            Noise::Rejected(rejection) => Reason::PacketsRejected { source, rejection, count },
            Noise::Heartbeat(rejection) => Reason::HeartbeatsRejected { source, rejection, count },
            Noise::ControlPacket(rejection) => Reason::ControlPacketsRejected { source, rejection, count },
            // Told of with their own words when they happen; the count of later ones is in the counters.
            Noise::LowerPriority | Noise::SendRefused | Noise::Late | Noise::Restored => return,
        };
        self.tell(now, subject, reason, actions);
    }
}

/// Everything an advert must be before it may have an effect (reference order: RFC 9568 section 7.1). `inside` is the
/// packet without its envelope.
fn check<'a>(
    now: Instant,
    instance: &Instance,
    packet: &Packet<'_>,
    inside: &Packet<'a>,
) -> Result<(Message<'a>, Proof), Rejection> {
    let plan = &instance.plan;
    let peer = peer_of(instance, packet.source);
    match &plan.destination {
        Destination::Multicast(_) if packet.ttl != 255 => return Err(Rejection::Ttl),
        Destination::Multicast(_) => {}
        Destination::Unicast { .. } => {
            if let Some((least, most)) = peer.and_then(|peer| peer.ttl_range)
                && !(least..=most).contains(&packet.ttl)
            {
                return Err(Rejection::Ttl);
            }
        }
    }
    let message = packet::parse(
        inside.payload,
        ParseContext {
            version: plan.version,
            family: plan.family,
            source: packet.source,
            destination: packet.destination,
            verify: true,
            strict: plan.strict,
            may_be_signed: plan.signature.is_some(),
        },
    )?;
    message.authenticate(&plan.authentication)?;
    let clock = Stamp::of(instance.wall_clock.at(now));
    let proof = match open_envelope(instance, packet)? {
        Some(sequence) => Proof::Sequence(sequence),
        None => verify_signature(instance, packet.source, &message, clock)?,
    };
    if plan.version == Version::V2 && message.interval != plan.advert_interval {
        return Err(Rejection::Interval);
    }
    if !is_addressed(instance, packet) {
        return Err(Rejection::Destination);
    }
    if let Destination::Unicast { check_source, .. } = &plan.destination
        && (*check_source || matches!(proof, Proof::Stamp(_)))
        && peer.is_none()
    {
        return Err(Rejection::UnknownPeer);
    }
    if plan.owner_ignores_adverts && instance.priority() == 255 {
        return Err(Rejection::OwnerIgnores);
    }
    // Last, because the number of a packet that is rejected says nothing.
    match (proof, plan.signature.as_deref()) {
        (Proof::Sequence(sequence), _) if instance.sequence.is_old(sequence) => Err(Rejection::AuthReplayed),
        (Proof::Stamp(stamp), Some(signature))
            if instance.marks.is_old(signature, packet.source, stamp, clock) =>
        {
            Err(Rejection::SignatureReplayed)
        }
        (Proof::None | Proof::Sequence(_) | Proof::Stamp(_), _) => Ok((message, proof)),
    }
}

/// What an advert is believed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Nothing is asked for.
    None,
    /// The number of its authentication header, whose check is right.
    Sequence(u32),
    /// The stamp of its signature, which is right.
    Stamp(Stamp),
}

/// Verifies the signature if there is one, or is to be one.
fn verify_signature(
    instance: &Instance,
    source: IpAddr,
    message: &Message<'_>,
    clock: Stamp,
) -> Result<Proof, Rejection> {
    let Some(plan) = instance.plan.signature.as_deref() else { return Ok(Proof::None) };
    match (message.signature, plan.mode) {
        (Some(signature), Mode::Enforce | Mode::Permissive | Mode::ReceiveOnly) => {
            let Message { version, vrid, unsigned, .. } = *message;
            let signed = Signed { version, vrid, source, message: unsigned };
            plan.verify(signed, signature, clock).map(Proof::Stamp)
        }
        (None, Mode::Enforce) => Err(Rejection::SignatureMissing),
        (None, Mode::Permissive | Mode::ReceiveOnly) => Ok(Proof::None),
    }
}

/// Verifies the authentication header if there is to be one, and gives its number.
fn open_envelope(instance: &Instance, packet: &Packet<'_>) -> Result<Option<u32>, Rejection> {
    let (password, identification) = match (instance.password(), packet.envelope) {
        (None, Envelope::Bare) => return Ok(None),
        (None, Envelope::Ah { .. }) | (Some(_), Envelope::Bare) => return Err(Rejection::AuthTypeMismatch),
        (Some(password), Envelope::Ah { identification }) => (password, identification),
    };
    let outside = Outside::of(packet.source, packet.destination, packet.ttl, identification);
    let sequence = outside.and_then(|outside| ah::verify(outside, password, packet.payload));
    sequence.map(Some).ok_or(Rejection::AuthFailed)
}

/// Whether a packet came to the group, or the address, this instance listens to.
fn is_addressed(instance: &Instance, packet: &Packet<'_>) -> bool {
    match &instance.plan.destination {
        Destination::Multicast(group) => *group == packet.destination,
        Destination::Unicast { .. } => instance.source == Some(packet.destination),
    }
}

/// Whether a list of addresses has none of ours. An empty one says nothing.
fn shares_nothing(listed: impl Iterator<Item = IpAddr>, ours: &[IpAddr]) -> bool {
    let mut listed = listed.peekable();
    listed.peek().is_some() && !listed.any(|address| ours.contains(&address))
}

fn peer_of(instance: &Instance, source: IpAddr) -> Option<&UnicastPeer> {
    match &instance.plan.destination {
        Destination::Multicast(_) => None,
        Destination::Unicast { peers, .. } => peers.iter().find(|peer| peer.address == source),
    }
}
