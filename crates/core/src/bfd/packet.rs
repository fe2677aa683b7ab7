//! The control packet on the wire: parse and emit (RFC 5880 section 4.1). All numbers are big-endian.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! |Vers | Diag    |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! | My Discriminator                                              |
//! | Your Discriminator                                            |
//! | Desired Min TX Interval, microseconds                         |
//! | Required Min RX Interval, microseconds                        |
//! | Required Min Echo RX Interval, microseconds                   |
//! +---------------------------------------------------------------+
//! ```

use core::num::{NonZeroU8, NonZeroU32};

use super::{BfdRejection, Diagnostic, State};
use crate::time::Duration;

/// Bytes of a control packet without authentication.
pub const LENGTH: usize = 24;

/// Least length of one with authentication: type and length of that section come on top.
const AUTHENTICATED: u8 = 26;

const VERSION: u8 = 1;
const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// A control packet whose fields make sense in themselves. Intervals have microseconds; longer than 4,294 s there is
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlPacket {
    /// State of the sender's session.
    pub state: State,
    /// Why the sender's session last went down.
    pub diagnostic: Diagnostic,
    /// The sender wants an answer at once, with `is_final`.
    pub poll: bool,
    /// The answer to a poll.
    pub is_final: bool,
    /// The sender's BFD lives on when its control plane does not.
    pub control_plane_independent: bool,
    /// The sender asks for no packets as long as both are up.
    pub demand: bool,
    /// How many missing packets mean that the sender is gone.
    pub multiplier: NonZeroU8,
    /// The sender's number for the session.
    pub my_discriminator: NonZeroU32,
    /// The receiver's number for the session, as far as the sender knows it.
    pub your_discriminator: Option<NonZeroU32>,
    /// The shortest time between packets that the sender would like to keep.
    pub desired_min_tx: Duration,
    /// The shortest time between packets that the sender can take; zero: it wants none.
    pub required_min_rx: Duration,
    /// The shortest time between echo packets that the sender sends back; zero: it sends none back.
    pub required_min_echo_rx: Duration,
}

/// Reads a control packet: the checks of RFC 5880 section 6.8.6 that need no session.
///
/// Bytes behind the length that the packet says of itself do not count.
///
/// # Errors
/// Why it is to be discarded.
pub fn parse(bytes: &[u8]) -> Result<ControlPacket, BfdRejection> {
    let fields: &[u8; LENGTH] = bytes.first_chunk().ok_or(BfdRejection::Truncated)?;
    let [first, flags, multiplier, length, ..] = *fields;
    if first >> 5 != VERSION {
        return Err(BfdRejection::Version);
    }
    let has = |bit: u8| flags & bit != 0;
    let least = if has(AUTHENTICATION) { AUTHENTICATED } else { LENGTH as u8 };
    if length < least {
        return Err(BfdRejection::Length);
    }
    if usize::from(length) > bytes.len() {
        return Err(BfdRejection::Truncated);
    }
    let multiplier = NonZeroU8::new(multiplier).ok_or(BfdRejection::Multiplier)?;
    if has(MULTIPOINT) {
        return Err(BfdRejection::Multipoint);
    }
    let word = |at: usize| u32::from_be_bytes([fields[at], fields[at + 1], fields[at + 2], fields[at + 3]]);
    let interval = |at: usize| Duration::from_micros(word(at).into());
    let my_discriminator = NonZeroU32::new(word(4)).ok_or(BfdRejection::MyDiscriminator)?;
    let your_discriminator = NonZeroU32::new(word(8));
    let state = State::of_number(flags >> 6);
    if your_discriminator.is_none() && !matches!(state, State::Down | State::AdminDown) {
        return Err(BfdRejection::State);
    }
    if has(AUTHENTICATION) {
        return Err(BfdRejection::Authenticated);
    }
    Ok(ControlPacket {
        state,
        diagnostic: Diagnostic::of_number(first),
        poll: has(POLL),
        is_final: has(FINAL),
        control_plane_independent: has(CONTROL_PLANE_INDEPENDENT),
        demand: has(DEMAND),
        multiplier,
        my_discriminator,
        your_discriminator,
        desired_min_tx: interval(12),
        required_min_rx: interval(16),
        required_min_echo_rx: interval(20),
    })
}

/// Writes a control packet. An interval that does not fit its field becomes the longest that does.
#[must_use]
pub fn emit(packet: &ControlPacket) -> [u8; LENGTH] {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let mut bytes = [0; LENGTH];
    bytes[0] = VERSION << 5 | packet.diagnostic.number();
    bytes[1] = packet.state.number() << 6
        | flag(packet.poll, POLL)
        | flag(packet.is_final, FINAL)
        | flag(packet.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
        | flag(packet.demand, DEMAND);
    bytes[2] = packet.multiplier.get();
    bytes[3] = LENGTH as u8;
    let words = [
        packet.my_discriminator.get(),
        packet.your_discriminator.map_or(0, NonZeroU32::get),
        microseconds(packet.desired_min_tx),
        microseconds(packet.required_min_rx),
        microseconds(packet.required_min_echo_rx),
    ];
    for (place, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn microseconds(interval: Duration) -> u32 {
    u32::try_from(interval.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
