//! What a rule does, expression by expression, in the kernel's own terms: load something into a register, compare it,
//! look it up, act.
//!
//! A rule ends at the first expression that does not hold.

use super::message::Attributes;

/// A register of four bytes (`NFT_REG32_00` and up); longer values use several in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(u32);

/// The registers there are room for: an interface, an IPv6 address and a port fit.
pub const R: [Register; 6] =
    [Register(8), Register(9), Register(10), Register(11), Register(12), Register(13)];

/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;

/// What can be asked of a packet besides its bytes (`enum nft_meta_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// `EtherType`, two bytes in network order.
    Protocol = 1,
    /// Index of the link it leaves by, four bytes in host order.
    OutputLink = 5,
    /// Name of the link it came in by, sixteen bytes.
    InputName = 6,
    /// Name of the link it leaves by, sixteen bytes.
    OutputName = 7,
    /// Protocol behind the IP header and its extensions, one byte.
    Transport = 16,
}

/// Where an offset is counted from (`enum nft_payload_bases`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The Ethernet header.
    Link = 0,
    /// The IP or ARP header.
    Network = 1,
    /// What is behind the IP header and its extensions.
    Transport = 2,
}

/// What becomes of the packet, or where the rules go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The packet is gone.
    Drop,
    /// The packet passes this chain.
    Accept,
    /// Back to the chain we came from.
    Return,
    /// Rules of another chain.
    Jump(&'a str),
}

impl Verdict<'_> {
    /// Writes it as `NFTA_DATA_VERDICT`.
    pub fn write(self, data: &mut Attributes<'_>) {
        // `NF_DROP`, `NF_ACCEPT`, `NFT_RETURN`, `NFT_JUMP`, in two's complement.
        let code: i32 = match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Return => -5,
            Self::Jump(_) => -3,
        };
        data.nested(2, |verdict| {
            verdict.bytes(1, &code.to_be_bytes());
            if let Self::Jump(chain) = self {
                verdict.text(2, chain);
            }
        });
    }
}

/// A list of expressions being written.
pub struct Expressions<'a, 'b>(pub &'a mut Attributes<'b>);

impl Expressions<'_, '_> {
    fn push(&mut self, name: &str, write: impl FnOnce(&mut Attributes<'_>)) {
        // NFTA_LIST_ELEM of NFTA_EXPR_NAME, NFTA_EXPR_DATA.
        self.0.nested(1, |expression| {
            expression.text(1, name);
            expression.nested(2, write);
        });
    }

    /// Loads what is known of the packet.
    pub fn meta(&mut self, key: Meta, into: Register) -> &mut Self {
        self.push("meta", |data| {
            data.u32(1, into.0);
            data.u32(2, key as u32);
        });
        self
    }

    /// Loads bytes of the packet.
    pub fn payload(&mut self, base: Base, offset: u32, length: u32, into: Register) -> &mut Self {
        self.push("payload", |data| {
            data.u32(1, into.0);
            data.u32(2, base as u32);
            data.u32(3, offset);
            data.u32(4, length);
        });
        self
    }

    /// Overwrites bytes of the packet with those of a register.
    pub fn overwrite(&mut self, base: Base, offset: u32, length: u32, from: Register) -> &mut Self {
        self.push("payload", |data| {
            data.u32(2, base as u32);
            data.u32(3, offset);
            data.u32(4, length);
            data.u32(5, from.0);
        });
        self
    }

    /// Goes on if the register holds these bytes.
    pub fn equals(&mut self, register: Register, value: &[u8]) -> &mut Self {
        self.push("cmp", |data| {
            data.u32(1, register.0);
            data.u32(2, 0);
            data.nested(3, |inner| inner.bytes(1, value));
        });
        self
    }

    /// Clears the bits of two bytes in a register that are not in `mask`.
    pub fn mask(&mut self, register: Register, mask: [u8; 2]) -> &mut Self {
        self.push("bitwise", |data| {
            data.u32(1, register.0);
            data.u32(2, register.0);
            data.u32(3, 2);
            data.nested(4, |inner| inner.bytes(1, &mask));
            data.nested(5, |inner| inner.bytes(1, &[0; 2]));
        });
        self
    }

    /// Puts bytes into a register.
    pub fn constant(&mut self, register: Register, value: &[u8]) -> &mut Self {
        self.push("immediate", |data| {
            data.u32(1, register.0);
            data.nested(2, |inner| inner.bytes(1, value));
        });
        self
    }

    /// Goes on if the register's value is in the set.
    pub fn is_in(&mut self, set: &str, register: Register) -> &mut Self {
        self.push("lookup", |data| {
            data.text(1, set);
            data.u32(2, register.0);
        });
        self
    }

    /// Goes on if the register's value is not in the set.
    pub fn is_not_in(&mut self, set: &str, register: Register) -> &mut Self {
        self.push("lookup", |data| {
            data.text(1, set);
            data.u32(2, register.0);
            // NFT_LOOKUP_F_INV.
            data.u32(5, 1);
        });
        self
    }

    /// Does what the map says of the register's value, if it says something.
    pub fn verdict_map(&mut self, map: &str, register: Register) -> &mut Self {
        self.push("lookup", |data| {
            data.text(1, map);
            data.u32(2, register.0);
            data.u32(3, VERDICT);
        });
        self
    }

    /// Goes on if the packet is for an address this host has on the link the packet came in by.
    pub fn is_for_the_link(&mut self, scratch: Register) -> &mut Self {
        // Result: type of the address; asked: destination, incoming link.
        const ADDRESS_TYPE: u32 = 3;
        const DESTINATION_AND_LINK: u32 = 1 << 1 | 1 << 3;
        self.push("fib", |data| {
            data.u32(1, scratch.0);
            data.u32(2, ADDRESS_TYPE);
            data.u32(3, DESTINATION_AND_LINK);
        });
        self.equals(scratch, &u32::from(libc::RTN_LOCAL).to_ne_bytes())
    }

    /// Puts the register's value into the set, or makes what is there last that long from now.
    pub fn update(&mut self, set: &str, register: Register, timeout_ms: u64) -> &mut Self {
        self.push("dynset", |data| {
            data.text(1, set);
            data.u32(3, 1);
            data.u32(4, register.0);
            data.u64(6, timeout_ms);
        });
        self
    }

    /// Takes the register's value out of the set.
    pub fn delete(&mut self, set: &str, register: Register) -> &mut Self {
        self.push("dynset", |data| {
            data.text(1, set);
            data.u32(3, 2);
            data.u32(4, register.0);
        });
        self
    }

    /// Ends the rule.
    pub fn verdict(&mut self, verdict: Verdict<'_>) {
        self.push("immediate", |data| {
            data.u32(1, VERDICT);
            data.nested(2, |inner| verdict.write(inner));
        });
    }
}
