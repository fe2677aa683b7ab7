//! The signature behind a VRRP message: `auth_hmac` of keepalived 2.4.2 and later.
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------+---------------+-------------------------------+
//! | type: 1       |  key id       |           0                   |
//! +---------------+---------------+-------------------------------+
//! | stamp: seconds since 1970                                     |
//! +-------------------------------+-------------------------------+
//! | 1/65536 of a second           | counter                       |
//! +-------------------------------+-------------------------------+
//! | first 16 bytes of HMAC-SHA-256                                |
//! +---------------------------------------------------------------+
//! ```
//!
//! It covers {IP version, VRRP version, virtual router id, 0}, the source address in 16 bytes (IPv4 in the first four), the
//! message with its checksum as zero, the 12 bytes before the tag, and 16 bytes of zero. So a message may go to many
//! destinations with one signature, and a NAT between breaks it. (reference/keepalived.md section 3;
//! draft-cassen-vrrp-auth-hmac)

use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use super::rejection::Rejection;
use crate::heartbeat::key::{Key, TAG};
use crate::router::plan::Version;
use crate::secret::Secret;
use crate::time::Duration;

/// Bytes of a signature.
pub const LENGTH: usize = 28;

/// The only type there is.
const HMAC_SHA256_128: u8 = 1;

/// Bytes before the tag.
const HEAD: usize = LENGTH - TAG;

/// Where the checksum is in a message.
const CHECKSUM: core::ops::Range<usize> = 6..8;

/// `auth_hmac`: how adverts are signed, and whose signatures are believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignaturePlan {
    /// Keys that are believed, with different ids; the active one is among them.
    pub keys: Vec<NumberedKey>,
    /// Which of them signs.
    pub active: NonZeroU8,
    /// How much the stamp of an advert may differ from our clock.
    pub window: Duration,
    /// What makes an advert old.
    pub anti_replay: AntiReplay,
    /// Whether adverts are signed, and must be.
    pub mode: Mode,
}

/// A key and its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberedKey {
    /// Id, as adverts name it.
    pub id: NonZeroU8,
    /// 32 to 64 bytes.
    pub secret: Secret,
}

/// What makes an advert old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AntiReplay {
    /// A stamp outside of the window, or not after the last one of its sender. For nodes whose clocks are set.
    #[default]
    Time,
    /// A stamp not after the last one of its sender. Clocks do not matter, but the first advert of a sender may be an old
    /// one.
    Monotonic,
}

/// A stage on the way to adverts that must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mode {
    /// Ours are signed, and those of others must be.
    #[default]
    Enforce,
    /// Ours are signed; those of others may be.
    Permissive,
    /// Ours are not signed; those of others may be.
    ReceiveOnly,
}

impl SignaturePlan {
    /// Whether adverts are signed.
    #[must_use]
    pub const fn signs(&self) -> bool {
        match self.mode {
            Mode::Enforce | Mode::Permissive => true,
            Mode::ReceiveOnly => false,
        }
    }

    /// Signs a message. All its copies, to whomever, have the same signature.
    #[must_use]
    pub fn sign(&self, of: Signed<'_>, stamp: Stamp) -> [u8; LENGTH] {
        let mut signature = [0; LENGTH];
        signature[0] = HMAC_SHA256_128;
        signature[1] = self.active.get();
        signature[4..HEAD].copy_from_slice(&stamp.0.to_be_bytes());
        if let Some(key) = self.key(self.active.get()) {
            let tag = key.tag(&of.covered(&signature));
            signature[HEAD..].copy_from_slice(&tag);
        }
        signature
    }

    /// Verifies the signature of a message received at `clock` by our own, and gives its stamp. Whether that is an old
    /// one is for [`Marks`] to say.
    ///
    /// Cheap checks come first, so that a flood of forged adverts costs little.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, of: Signed<'_>, signature: &[u8; LENGTH], clock: Stamp) -> Result<Stamp, Rejection> {
        let [kind, id, 0, 0, a, b, c, d, e, f, g, h, tag @ ..] = signature else {
            return Err(Rejection::SignatureMalformed);
        };
        if *kind != HMAC_SHA256_128 {
            return Err(Rejection::SignatureMalformed);
        }
        let stamp = Stamp(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
        if self.anti_replay == AntiReplay::Time && !stamp.is_within(self.window, clock) {
            return Err(Rejection::SignatureStale);
        }
        let key = self.key(*id).ok_or(Rejection::SignatureKeyUnknown)?;
        if key.verify(&of.covered(signature), tag) { Ok(stamp) } else { Err(Rejection::SignatureWrong) }
    }

    fn key(&self, id: u8) -> Option<Key> {
        let found = self.keys.iter().find(|key| key.id.get() == id)?;
        Some(Key::new(found.secret.bytes()))
    }
}

/// What a signature is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'a> {
    /// VRRP version.
    pub version: Version,
    /// Virtual router id.
    pub vrid: u8,
    /// IP source.
    pub source: IpAddr,
    /// The message, whatever its checksum.
    pub message: &'a [u8],
}

impl Signed<'_> {
    /// Everything the tag covers.
    fn covered(&self, signature: &[u8; LENGTH]) -> Vec<u8> {
        let mut covered = Vec::with_capacity(20 + self.message.len() + LENGTH);
        let ip_version = if self.source.is_ipv4() { 4 } else { 6 };
        covered.extend([ip_version, self.version.number(), self.vrid, 0]);
        match self.source {
            IpAddr::V4(source) => {
                covered.extend(source.octets());
                covered.extend([0; 12]);
            }
            IpAddr::V6(source) => covered.extend(source.octets()),
        }
        let message = covered.len();
        covered.extend(self.message);
        if let Some(checksum) = covered[message..].get_mut(CHECKSUM) {
            checksum.fill(0);
        }
        covered.extend(&signature[..HEAD]);
        covered.extend([0; TAG]);
        covered
    }
}

/// A moment and a number within it: seconds since 1970 (32 bits), 1/65536 of a second (16), a counter (16).
///
/// Compared as RFC 1982 compares numbers that wrap around, which the seconds do in 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The stamp of a moment, counter zero.
    #[must_use]
    pub fn of(since_1970: Duration) -> Self {
        let fraction = u64::from(since_1970.subsec_nanos()) * 65_536 / 1_000_000_000;
        Self(since_1970.as_secs() << 32 | fraction << 16)
    }

    /// Whether this is later than another.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }

    /// The next one.
    #[must_use]
    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How many seconds lie between two.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        let seconds = |stamp: Self| (stamp.0 >> 32) as u32;
        let apart = seconds(self).wrapping_sub(seconds(other)).cast_signed().unsigned_abs();
        Duration::from_secs(apart.into())
    }

    /// Whether this is no further from `clock` than `window`, into the past or the future.
    #[must_use]
    fn is_within(self, window: Duration, clock: Self) -> bool {
        self.distance(clock) <= window
    }
}

/// Senders that are remembered. Only who has the key becomes one.
const SENDERS: usize = 16;

/// The stamps of one virtual router: the last of ours, and the last that was accepted of each other sender.
///
/// They survive a reload and a crash of the process. A router that starts anew knows none: then time mode bounds the age of
/// what is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marks {
    sent: Option<Stamp>,
    /// The sender heard last is the last one.
    heard: Vec<(IpAddr, Stamp)>,
}

impl Marks {
    /// The stamp of an advert at `clock`: our clock, or what follows the last stamp if the clock was set back. A clock that
    /// was set back by more than the window is believed, because others do not believe our stamps any more.
    pub fn advance(&mut self, plan: &SignaturePlan, clock: Stamp) -> Stamp {
        let is_lost =
            |last: Stamp| plan.anti_replay == AntiReplay::Time && !last.is_within(plan.window, clock);
        let stamp = match self.sent {
            Some(last) if !clock.is_after(last) && !is_lost(last) => last.next(),
            Some(_) | None => clock,
        };
        self.sent = Some(stamp);
        stamp
    }

    /// Whether a stamp of this sender, whose signature is right, is not after the last one. In time mode a last one that
    /// is outside the window itself does not count: the sender's clock was set.
    #[must_use]
    pub fn is_old(&self, plan: &SignaturePlan, sender: IpAddr, stamp: Stamp, clock: Stamp) -> bool {
        let last = self.heard.iter().find(|(known, _)| *known == sender);
        last.is_some_and(|(_, last)| {
            let counts = plan.anti_replay == AntiReplay::Monotonic || last.is_within(plan.window, clock);
            counts && !stamp.is_after(*last)
        })
    }

    /// An advert of this sender with this stamp was accepted.
    pub fn accept(&mut self, sender: IpAddr, stamp: Stamp) {
        self.heard.retain(|(known, _)| *known != sender);
        if self.heard.len() == SENDERS {
            self.heard.remove(0);
        }
        self.heard.push((sender, stamp));
    }
}

#[cfg(test)]
mod tests;
