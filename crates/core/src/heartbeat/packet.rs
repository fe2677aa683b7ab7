//! Heartbeats on the wire: parse and emit. All numbers are big-endian.
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------------------------------------------------------+
//! | "MSHB"                                                        |
//! +---------------+---------------+---------------+---------------+
//! |   version 1   |     flags     |   entries n   |       0       |
//! +---------------+---------------+---------------+---------------+
//! | boot id (64 bits)                                             |
//! | sequence (64 bits)                                            |
//! | turn (64 bits)                                                |
//! | leg (32 bits)                                                 |
//! +---------------------------------------------------------------+
//! | n entries                                                     |
//! +---------------------------------------------------------------+
//! | tag (128 bits), over everything before it                     |
//! +---------------------------------------------------------------+
//!
//! an entry:
//! +-------+-------+---------------+---------------+---------------+
//! |family |version| virtual rtr id|     state     |   priority    |
//! +-------+-------+---------------+---------------+---------------+
//! |   advert interval, cs         |  hearings m   |     flags     |
//! +-------------------------------+---------------+---------------+
//! | digest of the address list (64 bits)                          |
//! | source of its adverts (4 or 16 bytes)                         |
//! | m times: source heard (4 or 16 bytes), path (8), 0 (8), age in cs (16)
//! +---------------------------------------------------------------+
//! ```
//!
//! Reserved bits are sent as zero and ignored, and so are flags nobody knows yet: nodes of different versions go on
//! understanding each other during an upgrade.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::key::TAG;
use super::{AddressDigest, BootId, HeartbeatRejection, Key};
use crate::address::Family;
use crate::router::plan::Version;
use crate::router::reason::State;
use crate::time::Duration;
use crate::vrrp::timers::centiseconds;

/// Bytes of a datagram at most: with IPv6 and UDP headers it fits 1280 bytes, which every link carries (RFC 8200
/// section 5), so heartbeats need no fragments.
pub const LONGEST: usize = 1232;

/// Hearings an entry can hold; those beyond are left out.
pub const MOST_HEARINGS: usize = 16;

const MAGIC: [u8; 4] = *b"MSHB";
const VERSION: u8 = 1;
const HEADER: usize = 36;
const FLAG_LEAVING: u8 = 1;
const FLAG_GATED: u8 = 1;

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The life of the sender.
    pub boot: BootId,
    /// Number of the leg (one way out of the sender) it travels on; never used again for another leg of this life.
    pub leg: u32,
    /// Counts the datagrams of this leg, from 1: what is not greater than the last one heard is a copy.
    pub sequence: u64,
    /// Counts the moments at which the sender spoke, on all legs together: of two statements that took different ways
    /// the one of the greater turn is newer.
    pub turn: u64,
    /// The sender ends politely; nothing will follow.
    pub leaving: bool,
    /// What it says of its virtual routers.
    pub entries: Vec<Entry>,
}

/// What a node says of one of its virtual routers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Family of the virtual router, and of the addresses below.
    pub family: Family,
    /// Virtual router id.
    pub vrid: u8,
    /// Protocol version of its adverts.
    pub version: Version,
    /// Its state.
    pub state: State,
    /// Effective priority; 0 when it has just given up.
    pub priority: u8,
    /// Interval of its adverts.
    pub interval: Duration,
    /// Its addresses are out of use the moment it gives up: the kernel sees to it (the VIP lease).
    pub gated: bool,
    /// Which addresses it stands for.
    pub addresses: AddressDigest,
    /// IP source of its adverts: by this the others know it.
    pub source: IpAddr,
    /// Whom it hears of this virtual router.
    pub hearings: Vec<Hearing>,
}

/// When a router was last heard: by an advert or by a heartbeat with an entry for the same virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hearing {
    /// IP source of its adverts.
    pub source: IpAddr,
    /// On which path: 0 is the link of the adverts, others are the listener's own numbers.
    pub path: u8,
    /// How long ago, in steps of 10 ms, at most 655.35 s.
    pub age: Duration,
}

impl Entry {
    /// Bytes of an entry with so many hearings.
    #[must_use]
    pub const fn length(family: Family, hearings: usize) -> usize {
        16 + address_length(family) + hearings * (address_length(family) + 4)
    }
}

/// Bytes that entries can have in one datagram.
pub const ROOM: usize = LONGEST - HEADER - TAG;

/// Writes a datagram with its tag. Entries must fit [`ROOM`]; of more than 255 the rest is left out.
#[must_use]
pub fn emit(heartbeat: &Heartbeat, key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LONGEST);
    let flags = if heartbeat.leaving { FLAG_LEAVING } else { 0 };
    let count = u8::try_from(heartbeat.entries.len()).unwrap_or(u8::MAX);
    bytes.extend(MAGIC);
    bytes.extend([VERSION, flags, count, 0]);
    bytes.extend(heartbeat.boot.0.to_be_bytes());
    bytes.extend(heartbeat.sequence.to_be_bytes());
    bytes.extend(heartbeat.turn.to_be_bytes());
    bytes.extend(heartbeat.leg.to_be_bytes());
    for entry in heartbeat.entries.iter().take(count.into()) {
        emit_entry(&mut bytes, entry);
    }
    bytes.extend(key.tag(&bytes));
    bytes
}

fn emit_entry(bytes: &mut Vec<u8>, entry: &Entry) {
    let family = match entry.family {
        Family::V4 => 4,
        Family::V6 => 6,
    };
    let state = match entry.state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
    };
    let same_family = |hearing: &&Hearing| Family::of(hearing.source) == entry.family;
    let hearings = || entry.hearings.iter().filter(same_family).take(MOST_HEARINGS);
    let [high, low] = in_centiseconds(entry.interval).to_be_bytes();
    bytes.extend([family << 4 | entry.version.number(), entry.vrid, state, entry.priority, high, low]);
    bytes.extend([hearings().count() as u8, if entry.gated { FLAG_GATED } else { 0 }]);
    bytes.extend(entry.addresses.0.to_be_bytes());
    emit_address(bytes, entry.source);
    for hearing in hearings() {
        emit_address(bytes, hearing.source);
        bytes.extend([hearing.path, 0]);
        bytes.extend(in_centiseconds(hearing.age).to_be_bytes());
    }
}

fn emit_address(bytes: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => bytes.extend(address.octets()),
        IpAddr::V6(address) => bytes.extend(address.octets()),
    }
}

fn in_centiseconds(duration: Duration) -> u16 {
    u16::try_from(centiseconds(duration)).unwrap_or(u16::MAX)
}

/// Reads a datagram of anybody's.
///
/// The tag is verified before anything behind the header is looked at, so a forger who lacks the key reaches nothing.
///
/// # Errors
/// The first check that failed.
pub fn parse(datagram: &[u8], key: &Key) -> Result<Heartbeat, HeartbeatRejection> {
    let Some((signed, tag)) = datagram.split_last_chunk::<TAG>() else {
        return Err(HeartbeatRejection::Foreign);
    };
    let mut reader = Reader(signed);
    if reader.take::<4>() != Ok(MAGIC) {
        return Err(HeartbeatRejection::Foreign);
    }
    let [version, flags, count, _] = reader.take()?;
    if version != VERSION {
        return Err(HeartbeatRejection::Version);
    }
    if !key.verify(signed, tag) {
        return Err(HeartbeatRejection::Tag);
    }
    let boot = BootId(u64::from_be_bytes(reader.take()?));
    let sequence = u64::from_be_bytes(reader.take()?);
    let turn = u64::from_be_bytes(reader.take()?);
    let leg = u32::from_be_bytes(reader.take()?);
    let entries = (0..count).map(|_| reader.entry()).collect::<Result<Vec<_>, _>>()?;
    if !reader.0.is_empty() {
        return Err(HeartbeatRejection::Malformed);
    }
    Ok(Heartbeat { boot, leg, sequence, turn, leaving: flags & FLAG_LEAVING != 0, entries })
}

/// The bytes not read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], HeartbeatRejection> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(HeartbeatRejection::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn entry(&mut self) -> Result<Entry, HeartbeatRejection> {
        let [kind, vrid, state, priority, high, low, hearings, flags] = self.take()?;
        let family = match kind >> 4 {
            4 => Family::V4,
            6 => Family::V6,
            _ => return Err(HeartbeatRejection::Malformed),
        };
        let version = match kind & 0x0f {
            2 => Version::V2,
            3 => Version::V3,
            _ => return Err(HeartbeatRejection::Malformed),
        };
        let state = match state {
            0 => State::Init,
            1 => State::Backup,
            2 => State::Master,
            3 => State::Fault,
            _ => return Err(HeartbeatRejection::Malformed),
        };
        let interval_cs = u16::from_be_bytes([high, low]);
        if vrid == 0 || interval_cs == 0 {
            return Err(HeartbeatRejection::Malformed);
        }
        let addresses = AddressDigest(u64::from_be_bytes(self.take()?));
        let source = self.address(family)?;
        let hearings = (0..hearings).map(|_| self.hearing(family)).collect::<Result<Vec<_>, _>>()?;
        Ok(Entry {
            family,
            vrid,
            version,
            state,
            priority,
            interval: from_centiseconds(interval_cs),
            gated: flags & FLAG_GATED != 0,
            addresses,
            source,
            hearings,
        })
    }

    fn hearing(&mut self, family: Family) -> Result<Hearing, HeartbeatRejection> {
        let source = self.address(family)?;
        let [path, _, high, low] = self.take()?;
        Ok(Hearing { source, path, age: from_centiseconds(u16::from_be_bytes([high, low])) })
    }

    fn address(&mut self, family: Family) -> Result<IpAddr, HeartbeatRejection> {
        Ok(match family {
            Family::V4 => Ipv4Addr::from(self.take::<4>()?).into(),
            Family::V6 => Ipv6Addr::from(self.take::<16>()?).into(),
        })
    }
}

fn from_centiseconds(number: u16) -> Duration {
    Duration::from_millis(10 * u64::from(number))
}

const fn address_length(family: Family) -> usize {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}

#[cfg(test)]
mod tests;
