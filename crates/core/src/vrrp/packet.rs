//! VRRP messages on the wire: parse and emit.
//!
//! ```text
//!  0                   1                   2                   3
//! +-------+-------+---------------+---------------+---------------+
//! |version| type 1| virtual rtr id|   priority    |  addresses n  |
//! +-------+-------+---------------+---------------+---------------+
//! | v2: auth type | interval in s |           checksum            |
//! | v3: 0 | 12 bits: interval, cs |                               |
//! +-------+-----------------------+-------------------------------+
//! | n addresses of 4 or 16 bytes                                  |
//! +---------------------------------------------------------------+
//! | v2 over IPv4 only: 8 bytes of authentication data             |
//! +---------------------------------------------------------------+
//! | with `auth_hmac`: 28 bytes of signature                       |
//! +---------------------------------------------------------------+
//! ```
//!
//! RFC 3768 section 5.3 and RFC 9568 section 5.2. [`parse`] checks what the message alone can tell; whether it is
//! for us, from whom, with which TTL, password and (v2) interval is the instance's question.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::{GROUP_V4, Sum};
pub use super::rejection::Rejection;
use super::signature;
use super::timers::centiseconds;
use crate::address::Family;
use crate::router::plan::{Authentication, Version};
use crate::secret::equal;
use crate::time::Duration;

/// Bytes before the addresses.
const HEADER: usize = 8;
/// Bytes of authentication data behind the addresses of a v2 message over IPv4.
const AUTHENTICATION: usize = 8;
/// The only message type there is.
const ADVERTISEMENT: u8 = 1;
/// Where the checksum is in the header.
const CHECKSUM: core::ops::Range<usize> = 6..8;
/// Longest v3 interval: 12 bits of centiseconds.
const LONGEST_INTERVAL_CS: u64 = 0x0fff;

/// A message that passed [`parse`]. It borrows the received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Protocol version.
    pub version: Version,
    /// Virtual router id.
    pub vrid: u8,
    /// Priority: 0 when the master gives up, 255 from the owner.
    pub priority: u8,
    /// Advert interval of the sender, more than zero.
    pub interval: Duration,
    /// How its checksum was computed.
    pub checksum_form: ChecksumForm,
    /// Authentication type; [`AuthType::None`] in v3.
    pub auth_type: AuthType,
    /// Authentication data; only v2 over IPv4 has any.
    pub auth_data: Option<&'a [u8; AUTHENTICATION]>,
    /// Its signature, if it may have one and has.
    pub signature: Option<&'a [u8; signature::LENGTH]>,
    /// The message without its signature.
    pub unsigned: &'a [u8],
    /// The addresses as they came, a whole number of them.
    addresses: &'a [u8],
    family: Family,
}

/// What a checksum was found to cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumForm {
    /// The message and a pseudo-header: IPv6, and v3/IPv4 in the form of RFC 5798 that keepalived and FRR send.
    PseudoHeader,
    /// The message only: v2/IPv4, and v3/IPv4 in the form of RFC 9568 section 5.2.8.
    MessageOnly,
    /// A pseudo-header that names 224.0.0.18 although the message was sent to another address: unicast from
    /// keepalived 1.3.6 and before.
    OldUnicast,
    /// Not checked here, because the kernel did.
    Kernel,
}

/// Authentication type of a v2 message, RFC 2338 section 5.3.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthType {
    /// 0: none.
    None,
    /// 1: simple text password.
    Pass,
    /// 2: IP authentication header.
    Ah,
}

/// What the receiver knows of a message before it reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseContext {
    /// The version configured; any other is rejected.
    pub version: Version,
    /// Family of the IP header, hence of the addresses in the message.
    pub family: Family,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// Whether to verify the checksum. `false` only where the kernel has (IPv6 sockets with `IPV6_CHECKSUM`).
    pub verify: bool,
    /// Insist that the first address of a v3/IPv6 message is link-local (erratum 8300).
    ///
    /// DIFFERS: from RFC 9568 while false, as keepalived does outside `strict_mode`. Configurations with global
    /// addresses only are common, and a backup that rejects its master's adverts is a second master.
    pub strict: bool,
    /// Whether a signature may follow (`auth_hmac`). If not, one is a wrong length.
    pub may_be_signed: bool,
}

/// Reads a received message, the part after the IP header.
///
/// Checks, first failure wins: a whole header, version, type, length, checksum, at least one address, interval not
/// zero (erratum 8301), authentication type known, first IPv6 address link-local if strict. So a damaged message is
/// told as damaged, not as whatever the damage looks like. Reserved bits are ignored (RFC 9568 section 5.2.6).
///
/// # Errors
/// The first check that failed.
pub fn parse(payload: &[u8], context: ParseContext) -> Result<Message<'_>, Rejection> {
    let Some((&[version_and_type, vrid, priority, count, fifth, sixth, _, _], body)) =
        payload.split_first_chunk::<HEADER>()
    else {
        return Err(Rejection::Truncated);
    };
    if version_and_type >> 4 != context.version.number() {
        return Err(Rejection::Version);
    }
    if version_and_type & 0x0f != ADVERTISEMENT {
        return Err(Rejection::Type);
    }

    let addresses_length = usize::from(count) * address_length(context.family);
    let auth_length = authentication_length(context.version, context.family);
    let length = HEADER + addresses_length + auth_length;
    // A frame that was padded has no signature: it would not be where it belongs.
    let is_signed = context.may_be_signed && payload.len() == length + signature::LENGTH;
    if payload.len() != length && !is_signed && !is_padded(payload.len(), length, context.family) {
        return Err(Rejection::Length);
    }
    let (Some(message), Some((addresses, rest))) =
        (payload.get(..length), body.split_at_checked(addresses_length))
    else {
        return Err(Rejection::Length);
    };

    let summed = if is_signed && covers_signature(context.family) { payload } else { message };
    let checksum_form = if context.verify { verify(summed, context) } else { Some(ChecksumForm::Kernel) };
    let checksum_form = checksum_form.ok_or(Rejection::Checksum)?;
    if count == 0 {
        return Err(Rejection::NoAddress);
    }
    let (auth_type, interval) = match context.version {
        Version::V2 => (auth_type(fifth), Duration::from_secs(sixth.into())),
        Version::V3 => (Some(AuthType::None), {
            let interval_cs = u16::from_be_bytes([fifth & 0x0f, sixth]);
            Duration::from_millis(10 * u64::from(interval_cs))
        }),
    };
    if interval.is_zero() {
        return Err(Rejection::Interval);
    }
    let message = Message {
        version: context.version,
        vrid,
        priority,
        interval,
        checksum_form,
        auth_type: auth_type.ok_or(Rejection::AuthTypeUnknown)?,
        auth_data: if auth_length == 0 { None } else { rest.first_chunk() },
        signature: if is_signed { payload.last_chunk() } else { None },
        unsigned: message,
        addresses,
        family: context.family,
    };
    if context.strict && context.version == Version::V3 && !message.begins_link_local() {
        return Err(Rejection::LinkLocal);
    }
    Ok(message)
}

/// Version number and virtual router id of what may be a VRRP message, enough to find out whose it is.
#[must_use]
pub const fn peek_vrid(payload: &[u8]) -> Option<(u8, u8)> {
    match payload {
        [version_and_type, vrid, ..] => Some((*version_and_type >> 4, *vrid)),
        _ => None,
    }
}

/// Priority and interval of what may be a VRRP message, as its own version number says them.
#[must_use]
pub fn peek_priority(payload: &[u8]) -> Option<(u8, Duration)> {
    let (&[version_and_type, _, priority, _, fifth, sixth, _, _], _) =
        payload.split_first_chunk::<HEADER>()?;
    let interval = match version_and_type >> 4 {
        2 => Duration::from_secs(sixth.into()),
        _ => Duration::from_millis(10 * u64::from(u16::from_be_bytes([fifth & 0x0f, sixth]))),
    };
    Some((priority, interval))
}

/// The addresses a message lists, whatever else is wrong with it; `None` if it is not long enough to say.
#[must_use]
pub fn peek_addresses(payload: &[u8], family: Family) -> Option<impl Iterator<Item = IpAddr> + '_> {
    let (&[_, _, _, count, ..], body) = payload.split_first_chunk::<HEADER>()?;
    let addresses = body.get(..usize::from(count) * address_length(family))?;
    Some(addresses_in(addresses, family))
}

fn addresses_in(addresses: &[u8], family: Family) -> impl ExactSizeIterator<Item = IpAddr> + Clone + use<'_> {
    addresses.chunks_exact(address_length(family)).map(move |bytes| match family {
        Family::V4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap_or_default()).into(),
        Family::V6 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap_or_default()).into(),
    })
}

impl<'a> Message<'a> {
    /// The virtual addresses, in the sender's order.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = IpAddr> + Clone + use<'a> {
        addresses_in(self.addresses, self.family)
    }

    /// Whether the message lists exactly these addresses, in any order, each as often.
    #[must_use]
    pub fn lists(&self, ours: &[IpAddr]) -> bool {
        let times = |address: IpAddr, of: &mut dyn Iterator<Item = IpAddr>| {
            of.filter(|other| *other == address).count()
        };
        // The usual case first: two configurations that say the same in the same order.
        self.addresses().eq(ours.iter().copied())
            || (self.addresses().len() == ours.len()
                && ours.iter().all(|&address| {
                    times(address, &mut self.addresses()) == times(address, &mut ours.iter().copied())
                }))
    }

    /// Compares authentication with what is configured. Only v2 over IPv4 has any; for the rest it is always right.
    ///
    /// # Errors
    /// [`Rejection::AuthTypeMismatch`] or [`Rejection::AuthFailed`].
    pub fn authenticate(&self, ours: &Authentication) -> Result<(), Rejection> {
        let Some(data) = self.auth_data else { return Ok(()) };
        match (ours, self.auth_type) {
            (Authentication::None, AuthType::None) | (Authentication::Ah(_), AuthType::Ah) => Ok(()),
            (Authentication::Pass(password), AuthType::Pass) if equal(password.bytes(), data) => Ok(()),
            (Authentication::Pass(_), AuthType::Pass) => Err(Rejection::AuthFailed),
            (Authentication::None, AuthType::Pass | AuthType::Ah)
            | (Authentication::Pass(_), AuthType::None | AuthType::Ah)
            | (Authentication::Ah(_), AuthType::None | AuthType::Pass) => Err(Rejection::AuthTypeMismatch),
        }
    }

    /// Whether the sender leaves the pseudo-header out of a v3/IPv4 checksum (RFC 9568 section 5.2.8), which
    /// keepalived and FRR would reject.
    #[must_use]
    pub fn is_in_rfc9568_form(&self) -> bool {
        self.version == Version::V3 && self.checksum_form == ChecksumForm::MessageOnly
    }

    fn begins_link_local(&self) -> bool {
        match self.addresses().next() {
            Some(IpAddr::V6(first)) => first.is_unicast_link_local(),
            Some(IpAddr::V4(_)) | None => true,
        }
    }
}

/// What to put into a message.
#[derive(Debug, Clone, Copy)]
pub struct Emit<'a> {
    /// Protocol version.
    pub version: Version,
    /// Virtual router id.
    pub vrid: u8,
    /// Priority; 0 gives up.
    pub priority: u8,
    /// Advert interval: whole seconds 1 to 255 in v2, centiseconds 1 to 4095 in v3; the nearest that fits is sent.
    pub interval: Duration,
    /// Virtual addresses. Those of the destination's family are sent, at most 255.
    pub addresses: &'a [IpAddr],
    /// Authentication, written in v2 over IPv4 only.
    pub authentication: &'a Authentication,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// Leave the pseudo-header out of a v3/IPv4 checksum: `v3_checksum_as_v2`, RFC 9568 section 5.2.8.
    pub without_pseudo_header: bool,
}

/// Writes a message with its checksum.
#[must_use]
pub fn emit(message: &Emit<'_>) -> Vec<u8> {
    let family = Family::of(message.destination);
    let addresses = || {
        let of_family = message.addresses.iter().filter(|address| Family::of(**address) == family);
        of_family.take(usize::from(u8::MAX))
    };
    let count = addresses().count();
    let auth_length = authentication_length(message.version, family);
    let mut payload = Vec::with_capacity(HEADER + count * address_length(family) + auth_length);

    let [fifth, sixth] = match message.version {
        Version::V2 if auth_length == 0 => [0, seconds_on_the_wire(message.interval)],
        Version::V2 => {
            let auth_type = match message.authentication {
                Authentication::None => 0,
                Authentication::Pass(_) => 1,
                Authentication::Ah(_) => 2,
            };
            [auth_type, seconds_on_the_wire(message.interval)]
        }
        Version::V3 => {
            let interval_cs = centiseconds(message.interval).clamp(1, LONGEST_INTERVAL_CS);
            [(interval_cs >> 8) as u8, interval_cs as u8]
        }
    };
    let version_and_type = message.version.number() << 4 | ADVERTISEMENT;
    // `take` above keeps the count within a byte.
    payload.extend([version_and_type, message.vrid, message.priority, count as u8, fifth, sixth, 0, 0]);
    for address in addresses() {
        match address {
            IpAddr::V4(address) => payload.extend(address.octets()),
            IpAddr::V6(address) => payload.extend(address.octets()),
        }
    }
    if auth_length != 0 {
        payload.extend(match message.authentication {
            Authentication::Pass(password) => *password.bytes(),
            Authentication::None | Authentication::Ah(_) => [0; AUTHENTICATION],
        });
    }

    let mut sum = Sum::default().add_bytes(&payload);
    if has_pseudo_header(message.version, family) && !(family == Family::V4 && message.without_pseudo_header)
    {
        sum = sum.add_pseudo_header(message.source, message.destination, payload.len());
    }
    payload[CHECKSUM].copy_from_slice(&sum.checksum().to_be_bytes());
    payload
}

/// Appends a signature to a message, and makes the checksum right where that covers it.
#[must_use]
pub fn append_signature(
    message: &[u8],
    signature: &[u8; signature::LENGTH],
    (source, destination): (IpAddr, IpAddr),
) -> Vec<u8> {
    let mut payload = [message, signature].concat();
    if covers_signature(Family::of(destination)) {
        payload[CHECKSUM].fill(0);
        let sum = Sum::default().add_bytes(&payload).add_pseudo_header(source, destination, payload.len());
        payload[CHECKSUM].copy_from_slice(&sum.checksum().to_be_bytes());
    }
    payload
}

/// Whether the checksum covers a signature too: over IPv6, where the kernel of the sender makes it, it covers everything.
const fn covers_signature(family: Family) -> bool {
    matches!(family, Family::V6)
}

/// Which form of checksum a message has; `None` if it is right in none.
///
/// DIFFERS: v3/IPv4 is accepted in each form a living peer sends. keepalived rejects the form of RFC 9568, and a
/// strict RFC 9568 receiver rejects keepalived's: either way two masters.
fn verify(message: &[u8], context: ParseContext) -> Option<ChecksumForm> {
    let ParseContext { version, family, source, destination, .. } = context;
    let sum = Sum::default().add_bytes(message);
    let is_right_towards =
        |destination: IpAddr| sum.add_pseudo_header(source, destination, message.len()).fold() == 0xffff;
    let message_only = || sum.fold() == 0xffff;
    if !has_pseudo_header(version, family) {
        return message_only().then_some(ChecksumForm::MessageOnly);
    }
    if is_right_towards(destination) {
        return Some(ChecksumForm::PseudoHeader);
    }
    match family {
        Family::V4 if message_only() => Some(ChecksumForm::MessageOnly),
        Family::V4 if is_right_towards(GROUP_V4.into()) => Some(ChecksumForm::OldUnicast),
        Family::V4 | Family::V6 => None,
    }
}

/// Only v2 over IPv4 does without. Over IPv6 the kernel adds the pseudo-header to every version.
const fn has_pseudo_header(version: Version, family: Family) -> bool {
    !matches!((version, family), (Version::V2, Family::V4))
}

const fn address_length(family: Family) -> usize {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}

const fn authentication_length(version: Version, family: Family) -> usize {
    match (version, family) {
        (Version::V2, Family::V4) => AUTHENTICATION,
        (Version::V2, Family::V6) | (Version::V3, Family::V4 | Family::V6) => 0,
    }
}

/// Whether bytes behind a message are what Ethernet added to reach its shortest frame.
///
/// Some drivers and hypervisors hand padding up as part of the IP packet (keepalived issue 2422). The shortest frame
/// carries 46 bytes, or 42 or 38 behind one or two VLAN tags, 20 of them the IPv4 header. A VRRP message over IPv4
/// is a multiple of four bytes and these are not, so a trailer somebody appended (keepalived's HMAC has 28 bytes)
/// never passes for padding. An IPv6 packet is never that short.
fn is_padded(received: usize, expected: usize, family: Family) -> bool {
    const IPV4_HEADER: usize = 20;
    let shortest = [46, 42, 38].map(|bytes| bytes - IPV4_HEADER);
    family == Family::V4 && received > expected && shortest.contains(&received)
}

const fn auth_type(number: u8) -> Option<AuthType> {
    match number {
        0 => Some(AuthType::None),
        1 => Some(AuthType::Pass),
        2 => Some(AuthType::Ah),
        _ => None,
    }
}

fn seconds_on_the_wire(interval: Duration) -> u8 {
    u8::try_from(interval.as_secs()).unwrap_or(u8::MAX).max(1)
}

#[cfg(test)]
mod tests;
