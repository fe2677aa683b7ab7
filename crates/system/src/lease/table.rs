//! The table: which chains, rules and maps stand before the addresses.
//!
//! ```text
//! set gated4, gated6         every virtual address
//! set held4, held6           those whose gate is open; with a lease they expire
//! set announced4             pairs of each virtual address with itself
//! map adverts4, adverts6     link . destination . VRID of an advert -> the chain of its instance
//! map adverts-in-ah          the same for adverts inside an IPsec authentication header
//! chain ingress-LINK         hook, jumps to arriving
//! chain egress-LINK          hook, jumps to leaving
//! chain arriving             drops what asks for or goes to an address behind a closed gate
//! chain leaving              drops what says "it is at mine" of such an address; finds our own adverts
//! chain renew-INSTANCE       an advert of priority 0 closes the gate, any other opens it for the length of the lease
//! ```
//!
//! Everything here can be said in `nft`'s language too. (A map from the address to a number of the gate, and a set of
//! open numbers, would be one step for a gate of any size; the kernel takes it, but `nft list ruleset` of 1.0.6 then
//! fails an assertion. So a gate with many addresses has a step for each.)

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mainstay_core::lease::{Gate, GateId, GateLink, Guard};
use mainstay_core::vrrp::ah;

use super::expression::{Base, Expressions, Meta, R, Verdict};
use super::message::{Attributes, Batch, Kind, Verb};
use super::settle::{Stay, milliseconds};

/// The addresses whose gates are open: what survives when all else is made anew.
pub const HELD: [&str; 2] = [HELD4, HELD6];
const HELD4: &str = "held4";
const HELD6: &str = "held6";
const GATED4: &str = "gated4";
const GATED6: &str = "gated6";
const ANNOUNCED4: &str = "announced4";
const ADVERTS4: &str = "adverts4";
const ADVERTS6: &str = "adverts6";
const ADVERTS_IN_AH: &str = "adverts-in-ah";
const ARRIVING: &str = "arriving";
const LEAVING: &str = "leaving";

/// What `nft list` shows first.
const COMMENT: &str = "VIP leases of Mainstay; an advert that leaves opens the gate of its addresses";

/// Before anybody else sees what arrives (a firewall's counters included), and behind everybody who may stop an advert.
const INGRESS_PRIORITY: i32 = -500;
const EGRESS_PRIORITY: i32 = 500;

/// Addresses, and garbage of at most a second, that fit a set of open ones.
const HELD_SIZE: u32 = 1 << 18;

/// Addresses one rule opens or closes: the kernel takes 4096 bytes of expressions, and an IPv6 address is about 150.
const ADDRESSES: usize = 16;

/// Elements in one message: the list's length has 16 bits, and an element with a chain's name has at most 200 bytes.
const ELEMENTS: usize = 300;

/// Everything but what is open. Two equal layouts are the same chains and maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    ingress: BTreeSet<String>,
    egress: BTreeSet<String>,
    renewals: BTreeMap<GateId, Renewal>,
    adverts: BTreeMap<Advert, GateId>,
}

/// What an advert of a gate does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Renewal {
    chain: String,
    addresses: BTreeSet<IpAddr>,
    in_ah: bool,
    lease_ms: u64,
}

/// How an advert is told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Advert {
    link: u32,
    destination: IpAddr,
    vrid: u8,
    in_ah: bool,
}

/// What a table has besides the set of open gates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    pub chains: Vec<String>,
    pub sets: Vec<String>,
}

impl Layout {
    /// What these gates need. A link that does not exist gets no chain: nothing comes in by it.
    pub fn of(gates: &[Gate], exists: impl Fn(&GateLink) -> bool) -> Self {
        let mut layout = Self {
            ingress: BTreeSet::new(),
            egress: BTreeSet::new(),
            renewals: BTreeMap::new(),
            adverts: BTreeMap::new(),
        };
        let mut names = BTreeSet::new();
        for gate in gates {
            for (link, _) in &gate.addresses {
                if exists(link) {
                    layout.ingress.insert(link.name.clone());
                    layout.egress.insert(link.name.clone());
                }
            }
            if exists(&gate.link) {
                layout.egress.insert(gate.link.name.clone());
            }
            for &destination in &gate.destinations {
                let Gate { vrid, in_ah, .. } = *gate;
                let advert = Advert { link: gate.link.index.0, destination, vrid, in_ah };
                layout.adverts.insert(advert, gate.id);
            }
            let mut chain = chain_name(&gate.instance, gate.id);
            while !names.insert(chain.clone()) {
                chain.push('+');
            }
            let addresses = gate.addresses.iter().map(|(_, address)| *address).collect();
            let lease_ms = milliseconds(gate.lease);
            let renewal = Renewal { chain, addresses, in_ah: gate.in_ah, lease_ms };
            layout.renewals.insert(gate.id, renewal);
        }
        layout
    }

    /// Writes everything into a table that has `old`, keeping the set of open gates.
    pub fn write(&self, table: Table<'_>, old: &Contents, gates: &[Gate], batch: &mut Batch) {
        table.make(batch);
        // Chains and maps hold each other. Without rules and elements nothing holds anything.
        table.remove_rules(batch);
        for set in &old.sets {
            table.remove_elements(set, batch);
            table.remove_set(set, batch);
        }
        for chain in &old.chains {
            table.remove_chain(chain, batch);
        }
        table.make_sets(batch);
        table.make_common_chains(batch);
        for link in &self.ingress {
            table.make_hook(&format!("ingress-{link}"), link, INGRESS, ARRIVING, batch);
        }
        for link in &self.egress {
            table.make_hook(&format!("egress-{link}"), link, EGRESS, LEAVING, batch);
        }
        for renewal in self.renewals.values() {
            table.make_renewal(renewal, batch);
        }
        self.write_addresses(table, batch);
        let leased: BTreeSet<_> =
            gates.iter().filter(|gate| gate.guard != Guard::Open).map(|gate| gate.id).collect();
        self.write_adverts(table, Verb::Make, |id| leased.contains(&id), batch);
    }

    fn write_addresses(&self, table: Table<'_>, batch: &mut Batch) {
        let all: BTreeSet<IpAddr> =
            self.renewals.values().flat_map(|renewal| &renewal.addresses).copied().collect();
        let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = all.iter().partition(|address| address.is_ipv4());
        for (set, addresses, times) in [(GATED4, &v4, 1), (GATED6, &v6, 1), (ANNOUNCED4, &v4, 2)] {
            table.change_elements(Verb::Make, set, addresses.iter(), batch, |element, address| {
                element.nested(1, |key| key.bytes(1, &octets(*address).repeat(times)));
            });
        }
    }

    /// The addresses of a gate.
    pub fn addresses(&self, id: GateId) -> impl Iterator<Item = IpAddr> {
        self.renewals.get(&id).into_iter().flat_map(|renewal| renewal.addresses.iter().copied())
    }

    /// Lets the adverts of some gates renew them, or no longer.
    pub fn write_adverts(
        &self,
        table: Table<'_>,
        verb: Verb,
        chosen: impl Fn(GateId) -> bool,
        batch: &mut Batch,
    ) {
        for map in [ADVERTS4, ADVERTS6, ADVERTS_IN_AH] {
            let adverts = self
                .adverts
                .iter()
                .filter(|(advert, id)| advert.map() == map && chosen(**id))
                .filter_map(|(advert, id)| Some((advert, &self.renewals.get(id)?.chain)));
            table.change_elements(verb, map, adverts, batch, |element, (advert, chain)| {
                element.nested(1, |key| key.bytes(1, &advert.key()));
                element.nested(2, |data| Verdict::Jump(chain).write(data));
            });
        }
    }
}

impl Advert {
    fn map(&self) -> &'static str {
        match (self.destination, self.in_ah) {
            (IpAddr::V4(_), false) => ADVERTS4,
            (IpAddr::V4(_), true) => ADVERTS_IN_AH,
            (IpAddr::V6(_), _) => ADVERTS6,
        }
    }

    /// As the rule puts it together: each field begins a register of four bytes.
    fn key(&self) -> Vec<u8> {
        let mut key = self.link.to_ne_bytes().to_vec();
        key.extend(octets(self.destination));
        key.extend([0, self.vrid, 0, 0]);
        key
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The set of open addresses that an address belongs to.
fn held_set(address: IpAddr) -> &'static str {
    if address.is_ipv4() { HELD4 } else { HELD6 }
}

/// `renew-` and the instance's name, if `nft` could read it back in; else its readable part and the gate's number.
fn chain_name(instance: &str, id: GateId) -> String {
    const LONGEST: usize = 100;
    let plain = |c: &char| c.is_ascii_alphanumeric() || ['_', '-', '.', '/'].contains(c);
    let kept: String = instance.chars().filter(plain).take(LONGEST).collect();
    if kept == instance { format!("renew-{kept}") } else { format!("renew-{kept}-{:08x}", id.0) }
}

/// Where a chain hooks in (`enum nf_dev_hooks`), and when.
type Hook = (u32, i32);
const INGRESS: Hook = (0, INGRESS_PRIORITY);
const EGRESS: Hook = (1, EGRESS_PRIORITY);

/// `EtherType`s and protocol numbers, as packets have them.
const ARP: [u8; 2] = [0x08, 0x06];
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: [u8; 1] = [58];
const AH: [u8; 1] = [ah::PROTOCOL];
const VRRP: [u8; 1] = [112];
const NEIGHBOUR_SOLICITATION: [u8; 1] = [135];
const NEIGHBOUR_ADVERTISEMENT: [u8; 1] = [136];

/// Offsets of RFC 826, RFC 791, RFC 8200, RFC 4861 section 4.3 (behind an IPv6 header without extensions, which nobody
/// puts before neighbour discovery), RFC 9568.
const ARP_SENDER: u32 = 14;
const ARP_TARGET: u32 = 24;
const IPV4_PROTOCOL: u32 = 9;
const IPV4_DESTINATION: u32 = 16;
const IPV6_NEXT_HEADER: u32 = 6;
const IPV6_DESTINATION: u32 = 24;
const ND_TARGET: u32 = 48;
const VRRP_PRIORITY: u32 = 2;
/// RFC 2402 section 2: the first byte says what follows the header.
const AH_LENGTH: u32 = ah::HEADER as u32;

/// `nft`'s own names of types (`enum datatypes`), which the kernel keeps for it; fields of a key have six bits each.
mod types {
    pub const IPV4: u32 = 7;
    pub const IPV6: u32 = 8;
    pub const PORT: u32 = 13;
    pub const LINK: u32 = 20;
    pub const VERDICT: u32 = 0xffff_ff00;

    pub const fn together(fields: &[u32]) -> u32 {
        let (mut all, mut place) = (0, 0);
        while place < fields.len() {
            all = all << 6 | fields[place];
            place += 1;
        }
        all
    }
}

/// `enum nft_set_flags`.
const SET_IS_MAP: u32 = 0x8;
const SET_HAS_TIMEOUTS: u32 = 0x10;
const SET_IS_CHANGED_BY_RULES: u32 = 0x20;

/// A table of the netdev family, by name.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a>(pub &'a str);

impl Table<'_> {
    /// Makes the table and the sets of open addresses, unless they exist.
    fn make(self, batch: &mut Batch) {
        batch.push(Verb::Make, Kind::Table, self.0, |table| {
            table.text(1, self.0);
            table.bytes(6, &comment(COMMENT));
        });
        for (set, key) in [(HELD4, (types::IPV4, 4)), (HELD6, (types::IPV6, 16))] {
            self.make_set(set, key, None, SET_HAS_TIMEOUTS | SET_IS_CHANGED_BY_RULES, batch);
        }
    }

    /// Removes the table with everything in it.
    pub fn remove(self, batch: &mut Batch) {
        batch.push(Verb::Remove, Kind::Table, self.0, |table| table.text(1, self.0));
    }

    fn remove_rules(self, batch: &mut Batch) {
        batch.push(Verb::Remove, Kind::Rule, "any", |rules| rules.text(1, self.0));
    }

    fn remove_elements(self, set: &str, batch: &mut Batch) {
        batch.push(Verb::Remove, Kind::Element, set, |elements| {
            elements.text(1, self.0);
            elements.text(2, set);
        });
    }

    fn remove_set(self, name: &str, batch: &mut Batch) {
        batch.push(Verb::Remove, Kind::Set, name, |set| {
            set.text(1, self.0);
            set.text(2, name);
        });
    }

    fn remove_chain(self, name: &str, batch: &mut Batch) {
        batch.push(Verb::Remove, Kind::Chain, name, |chain| {
            chain.text(1, self.0);
            chain.text(3, name);
        });
    }

    /// A set has keys of a type and a length in bytes; a map has data of a type and a length as well.
    fn make_set(self, name: &str, key: (u32, u32), data: Option<(u32, u32)>, flags: u32, batch: &mut Batch) {
        batch.push(Verb::Make, Kind::Set, name, |set| {
            set.text(1, self.0);
            set.text(2, name);
            set.u32(3, flags | if data.is_some() { SET_IS_MAP } else { 0 });
            set.u32(4, key.0);
            set.u32(5, key.1);
            if let Some((kind, length)) = data {
                set.u32(6, kind);
                set.u32(7, length);
            }
            if HELD.contains(&name) {
                set.nested(9, |description| description.u32(1, HELD_SIZE));
            }
            // A number to refer to sets that have no name. All of ours have one, but the kernel wants it.
            set.u32(10, 1);
        });
    }

    fn make_sets(self, batch: &mut Batch) {
        use types::{IPV4, IPV6, LINK, PORT, VERDICT, together};
        // The VRID is shown as a port: the only type of `nft` that prints a small number as a number.
        let advert = |address| together(&[LINK, address, PORT]);
        self.make_set(GATED4, (IPV4, 4), None, 0, batch);
        self.make_set(GATED6, (IPV6, 16), None, 0, batch);
        self.make_set(ANNOUNCED4, (together(&[IPV4, IPV4]), 8), None, 0, batch);
        self.make_set(ADVERTS4, (advert(IPV4), 12), Some((VERDICT, 16)), 0, batch);
        self.make_set(ADVERTS_IN_AH, (advert(IPV4), 12), Some((VERDICT, 16)), 0, batch);
        self.make_set(ADVERTS6, (advert(IPV6), 24), Some((VERDICT, 16)), 0, batch);
    }

    fn make_hook(self, name: &str, link: &str, (hook, priority): Hook, into: &str, batch: &mut Batch) {
        batch.push(Verb::Make, Kind::Chain, name, |chain| {
            chain.text(1, self.0);
            chain.text(3, name);
            chain.nested(4, |at| {
                at.u32(1, hook);
                at.bytes(2, &priority.to_be_bytes());
                at.text(3, link);
            });
            chain.text(7, "filter");
        });
        self.make_rule(name, "", batch, |rule| rule.verdict(Verdict::Jump(into)));
    }

    fn make_chain(self, name: &str, batch: &mut Batch) {
        batch.push(Verb::Make, Kind::Chain, name, |chain| {
            chain.text(1, self.0);
            chain.text(3, name);
        });
    }

    fn make_rule(
        self,
        chain: &str,
        says: &str,
        batch: &mut Batch,
        write: impl FnOnce(&mut Expressions<'_, '_>),
    ) {
        batch.push(Verb::Make, Kind::Rule, chain, |rule| {
            rule.text(1, self.0);
            rule.text(2, chain);
            rule.nested(4, |list| write(&mut Expressions(list)));
            if !says.is_empty() {
                rule.bytes(7, &comment(says));
            }
        });
    }

    fn make_common_chains(self, batch: &mut Batch) {
        self.make_chain(ARRIVING, batch);
        self.make_chain(LEAVING, batch);
        // A node that does not hold the address must hear who does, and one that does never answers this.
        self.make_rule(ARRIVING, "announcements of others", batch, |rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &ARP);
            rule.payload(Base::Network, ARP_SENDER, 4, R[0]).payload(Base::Network, ARP_TARGET, 4, R[1]);
            rule.is_in(ANNOUNCED4, R[0]).verdict(Verdict::Return);
        });
        self.make_rule(ARRIVING, "who has an address behind a closed gate", batch, |rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &ARP).payload(Base::Network, ARP_TARGET, 4, R[0]);
            rule.is_in(GATED4, R[0]).is_not_in(HELD4, R[0]).verdict(Verdict::Drop);
        });
        self.make_rule(ARRIVING, "the same over IPv6", batch, |rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &IPV6);
            rule.meta(Meta::Transport, R[0]).equals(R[0], &ICMPV6);
            rule.payload(Base::Transport, 0, 1, R[0]).equals(R[0], &NEIGHBOUR_SOLICITATION);
            rule.payload(Base::Network, ND_TARGET, 16, R[0]);
            rule.is_in(GATED6, R[0]).is_not_in(HELD6, R[0]).verdict(Verdict::Drop);
        });
        for (protocol, offset, length, gated, held) in
            [(IPV4, IPV4_DESTINATION, 4, GATED4, HELD4), (IPV6, IPV6_DESTINATION, 16, GATED6, HELD6)]
        {
            // Asked last, because it costs most: a packet that is only forwarded, or for a real server that has the
            // address on lo, is none of the gate's business.
            self.make_rule(ARRIVING, "packets for it, if this link has it", batch, |rule| {
                rule.meta(Meta::Protocol, R[0]).equals(R[0], &protocol);
                rule.payload(Base::Network, offset, length, R[0]);
                rule.is_in(gated, R[0]).is_not_in(held, R[0]);
                rule.is_for_the_link(R[0]).verdict(Verdict::Drop);
            });
        }

        self.make_rule(LEAVING, "it is at mine, said of a closed gate's address", batch, |rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &ARP).payload(Base::Network, ARP_SENDER, 4, R[0]);
            rule.is_in(GATED4, R[0]).is_not_in(HELD4, R[0]).verdict(Verdict::Drop);
        });
        self.make_rule(LEAVING, "the same over IPv6", batch, |rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &IPV6);
            rule.meta(Meta::Transport, R[0]).equals(R[0], &ICMPV6);
            rule.payload(Base::Transport, 0, 1, R[0]).equals(R[0], &NEIGHBOUR_ADVERTISEMENT);
            rule.payload(Base::Network, ND_TARGET, 16, R[0]);
            rule.is_in(GATED6, R[0]).is_not_in(HELD6, R[0]).verdict(Verdict::Drop);
        });
        for (protocol, next, offset, length, map) in [
            (IPV4, IPV4_PROTOCOL, IPV4_DESTINATION, 4, ADVERTS4),
            (IPV6, IPV6_NEXT_HEADER, IPV6_DESTINATION, 16, ADVERTS6),
        ] {
            let vrid = R[1 + length as usize / 4];
            self.make_rule(LEAVING, "adverts of ours, by link, destination, VRID", batch, |rule| {
                rule.meta(Meta::Protocol, R[0]).equals(R[0], &protocol);
                rule.payload(Base::Network, next, 1, R[0]).equals(R[0], &VRRP);
                rule.meta(Meta::OutputLink, R[0]).payload(Base::Network, offset, length, R[1]);
                // Version and type are in the first byte, the VRID in the second.
                rule.payload(Base::Transport, 0, 2, vrid).mask(vrid, [0, 0xff]);
                rule.verdict_map(map, R[0]);
            });
        }
        self.make_rule(LEAVING, "adverts inside an authentication header", batch, |rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &IPV4);
            rule.payload(Base::Network, IPV4_PROTOCOL, 1, R[0]).equals(R[0], &AH);
            rule.payload(Base::Transport, 0, 1, R[0]).equals(R[0], &VRRP);
            rule.meta(Meta::OutputLink, R[0]).payload(Base::Network, IPV4_DESTINATION, 4, R[1]);
            rule.payload(Base::Transport, AH_LENGTH, 2, R[2]).mask(R[2], [0, 0xff]);
            rule.verdict_map(ADVERTS_IN_AH, R[0]);
        });
    }

    fn make_renewal(self, renewal: &Renewal, batch: &mut Batch) {
        let Renewal { chain, addresses, in_ah, lease_ms } = renewal;
        let message = if *in_ah { AH_LENGTH } else { 0 };
        let given_up = |rule: &mut Expressions<'_, '_>| {
            rule.payload(Base::Transport, message + VRRP_PRIORITY, 1, R[0]).equals(R[0], &[0]);
        };
        let addresses: Vec<IpAddr> = addresses.iter().copied().collect();
        self.make_chain(chain, batch);
        for some in addresses.chunks(ADDRESSES) {
            self.make_rule(chain, "priority 0: given up", batch, |rule| {
                given_up(rule);
                for &address in some {
                    rule.constant(R[0], &octets(address)).delete(held_set(address), R[0]);
                }
            });
        }
        self.make_rule(chain, "", batch, |rule| {
            given_up(rule);
            rule.verdict(Verdict::Return);
        });
        for some in addresses.chunks(ADDRESSES) {
            // `nft` 1.0.6 shows the addresses of such a rule as numbers.
            let words: Vec<String> = some.iter().map(IpAddr::to_string).collect();
            self.make_rule(chain, &words.join(" "), batch, |rule| {
                for &address in some {
                    rule.constant(R[0], &octets(address)).update(held_set(address), R[0], *lease_ms);
                }
            });
        }
    }

    /// Closes the gate before some addresses.
    pub fn remove_held(self, addresses: &[IpAddr], batch: &mut Batch) {
        for set in HELD {
            let of = addresses.iter().filter(|address| held_set(**address) == set);
            self.change_elements(Verb::Remove, set, of, batch, |element, address| {
                element.nested(1, |key| key.bytes(1, &octets(*address)));
            });
        }
    }

    /// Opens the gate before some addresses.
    pub fn add_held(self, stays: &[(IpAddr, Stay)], batch: &mut Batch) {
        for set in HELD {
            let of = stays.iter().filter(|(address, _)| held_set(*address) == set);
            self.change_elements(Verb::Make, set, of, batch, |element, (address, stay)| {
                element.nested(1, |key| key.bytes(1, &octets(*address)));
                if let Stay::Leased { lease_ms, rest_ms } = *stay {
                    element.u64(4, lease_ms);
                    element.u64(5, rest_ms);
                }
            });
        }
    }

    /// Adds elements to a set or removes them, in as many messages as needed.
    fn change_elements<T: Copy>(
        self,
        verb: Verb,
        set: &str,
        elements: impl Iterator<Item = T>,
        batch: &mut Batch,
        write: impl Fn(&mut Attributes<'_>, T),
    ) {
        let elements: Vec<T> = elements.collect();
        for chunk in elements.chunks(ELEMENTS) {
            batch.push(verb, Kind::Element, set, |message| {
                message.text(1, self.0);
                message.text(2, set);
                message.nested(3, |list| {
                    chunk.iter().for_each(|item| list.nested(1, |element| write(element, *item)));
                });
            });
        }
    }
}

/// User data that `nft` shows as a comment: kind 0, length, text of at most 128 bytes with a zero behind it.
fn comment(text: &str) -> Vec<u8> {
    let text: Vec<u8> = text.bytes().take(127).chain([0]).collect();
    let length = u8::try_from(text.len()).unwrap_or(0);
    [&[0, length], text.as_slice()].concat()
}
