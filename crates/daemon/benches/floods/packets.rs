//! Packets no honest daemon would send. They are put together by hand, so that a mistake in our own parser or emitter
//! cannot hide in them.

use super::arena::{ATTACKER, PASSWORD, VIRTUAL_ADDRESS, VRID, VRRP_GROUP};

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Priority 254, but the checksum is not right.
    BadChecksum,
    /// Priority 254, but it came through a router: TTL 64.
    Ttl64,
    /// Priority 254, for a virtual router nobody here has.
    UnknownVrid,
    /// Priority 254, of the other protocol version.
    WrongVersion,
    /// Priority 254, says it has five addresses and has one.
    CountLies,
    /// Six bytes.
    Truncated,
    /// Bytes that mean nothing.
    RandomBytes,
    /// Version 3: correct, priority 50, another interval. Version 2: priority 254, another interval.
    OtherInterval,
    /// Version 2, priority 254, another password.
    WrongPassword,
}

impl Kind {
    /// Those that make sense against version 3.
    pub const VERSION_3: [Self; 8] = [
        Self::BadChecksum,
        Self::Ttl64,
        Self::UnknownVrid,
        Self::WrongVersion,
        Self::CountLies,
        Self::Truncated,
        Self::RandomBytes,
        Self::OtherInterval,
    ];
    /// Those that only version 2 can tell.
    pub const VERSION_2: [Self; 2] = [Self::WrongPassword, Self::OtherInterval];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadChecksum => "bad checksum",
            Self::Ttl64 => "TTL 64",
            Self::UnknownVrid => "unknown VRID",
            Self::WrongVersion => "wrong version",
            Self::CountLies => "address count lies",
            Self::Truncated => "truncated",
            Self::RandomBytes => "random bytes",
            Self::OtherInterval => "other interval",
            Self::WrongPassword => "wrong password",
        }
    }

    /// TTL to send it with.
    pub const fn ttl(self) -> u8 {
        if matches!(self, Self::Ttl64) { 64 } else { 255 }
    }

    /// The `number`th packet of this kind, against daemons that speak this version with this interval.
    pub fn packet(self, version: u8, interval_cs: u16, number: u32) -> Vec<u8> {
        let correct = |vrid, priority, count| {
            if version == 3 {
                version_3(vrid, priority, count, interval_cs)
            } else {
                version_2(vrid, priority, count, interval_cs / 100, *PASSWORD)
            }
        };
        match self {
            Self::BadChecksum => {
                let mut packet = correct(VRID, 254, 1);
                packet[6] ^= 0x55;
                packet
            }
            Self::Ttl64 => correct(VRID, 254, 1),
            Self::UnknownVrid => correct(VRID + 1, 254, 1),
            Self::WrongVersion if version == 3 => version_2(VRID, 254, 1, 1, [0; 8]),
            Self::WrongVersion => version_3(VRID, 254, 1, interval_cs),
            Self::CountLies => correct(VRID, 254, 5),
            Self::Truncated => correct(VRID, 254, 1)[..6].to_vec(),
            Self::RandomBytes => random_bytes(number),
            Self::OtherInterval if version == 3 => version_3(VRID, 50, 1, interval_cs * 3),
            Self::OtherInterval => version_2(VRID, 254, 1, interval_cs / 100 * 3, *PASSWORD),
            Self::WrongPassword => version_2(VRID, 254, 1, interval_cs / 100, *b"not this"),
        }
    }
}

/// RFC 5798: version and type, VRID, priority, count, interval in centiseconds, checksum, addresses.
fn version_3(vrid: u8, priority: u8, count: u8, interval_cs: u16) -> Vec<u8> {
    let [high, low] = interval_cs.to_be_bytes();
    let mut packet = vec![0x31, vrid, priority, count, high & 0x0f, low, 0, 0];
    packet.extend(VIRTUAL_ADDRESS.octets());
    let mut covered = Vec::new();
    covered.extend(ATTACKER.octets());
    covered.extend(VRRP_GROUP.octets());
    covered.extend([0, 112, 0, u8::try_from(packet.len()).expect("a dozen bytes")]);
    covered.extend(&packet);
    put_checksum(&mut packet, &covered);
    packet
}

/// RFC 2338: version and type, VRID, priority, count, authentication type, interval in seconds, checksum, addresses,
/// eight bytes of password.
fn version_2(vrid: u8, priority: u8, count: u8, interval_s: u16, password: [u8; 8]) -> Vec<u8> {
    let interval = u8::try_from(interval_s).expect("a few seconds");
    let mut packet = vec![0x21, vrid, priority, count, u8::from(password != [0; 8]), interval, 0, 0];
    packet.extend(VIRTUAL_ADDRESS.octets());
    packet.extend(password);
    let covered = packet.clone();
    put_checksum(&mut packet, &covered);
    packet
}

/// The Internet checksum of RFC 1071 over `covered`, whose length is even.
fn put_checksum(packet: &mut [u8], covered: &[u8]) {
    let mut sum: u32 = covered.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    packet[6] = high;
    packet[7] = low;
}

/// Twenty bytes that are different each time and the same in each run (a multiplicative generator).
fn random_bytes(number: u32) -> Vec<u8> {
    let mut state = u64::from(number) * 2 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..20).map(|_| next()).collect()
}
