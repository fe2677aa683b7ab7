//! `no_accept`: virtual addresses that take no packets ([`NoAccept`]).
//!
//! A table of nftables, `inet mainstay`, drops what this machine would take in for them and what it would send from them.
//! Neighbour discovery passes (ARP does not come by there), and so does everything that is only forwarded.

use std::net::IpAddr;

use mainstay_core::address::NoAccept;

use crate::error::{Error, Result};
use crate::lease::expression::{Base, Expressions, Meta, R, Verdict};
use crate::lease::message::{Batch, Kind, Verb};
use crate::lease::socket::Netfilter;

/// Name of the table, in the family `inet`. It is ours alone.
const TABLE: &str = "mainstay";

const SET4: &str = "closed4";
const SET6: &str = "closed6";

/// `nft`'s own names of types (`enum datatypes`), which the kernel keeps for it.
const TYPE_IPV4: u32 = 7;
const TYPE_IPV6: u32 = 8;

/// keepalived's: just before ordinary filters.
const PRIORITY: i32 = -1;

/// Elements in one message: the list's length has 16 bits.
const ELEMENTS: usize = 1000;

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: [u8; 1] = [58];
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// A chain, with where the virtual address stands in what passes it.
struct Way {
    chain: &'static str,
    /// `NF_INET_LOCAL_IN`, `NF_INET_LOCAL_OUT`.
    hook: u32,
    offset4: u32,
    offset6: u32,
    link: Meta,
}

const WAYS: [Way; 2] = [
    Way { chain: "arriving", hook: 1, offset4: 16, offset6: 24, link: Meta::InputName },
    Way { chain: "leaving", hook: 3, offset4: 12, offset6: 8, link: Meta::OutputName },
];

/// Has these addresses, and no others, take no packets. None: the table is removed.
///
/// # Errors
/// When the kernel refuses; then everything is as it was before.
pub fn become_these(addresses: &[NoAccept]) -> Result<()> {
    let mut batch = Batch::for_inet();
    // Made, so that there is something to be removed, and made anew in the same transaction.
    make_table(&mut batch);
    batch.push(Verb::Remove, Kind::Table, TABLE, |table| table.text(1, TABLE));
    if !addresses.is_empty() {
        make_table(&mut batch);
        make_sets(addresses, &mut batch);
        WAYS.iter().for_each(|way| make_chain(way, addresses, &mut batch));
    }
    Netfilter::open().map_err(Error::of("open a netlink socket for", "nftables"))?.make(batch)
}

fn make_table(batch: &mut Batch) {
    batch.push(Verb::Make, Kind::Table, TABLE, |table| table.text(1, TABLE));
}

fn make_sets(addresses: &[NoAccept], batch: &mut Batch) {
    let anywhere = || addresses.iter().filter(|one| one.link.is_none()).map(|one| one.address);
    for (name, kind, length) in [(SET4, TYPE_IPV4, 4), (SET6, TYPE_IPV6, 16)] {
        batch.push(Verb::Make, Kind::Set, name, |set| {
            set.text(1, TABLE);
            set.text(2, name);
            set.u32(3, 0);
            set.u32(4, kind);
            set.u32(5, length);
            set.u32(10, 1);
        });
        let of_family: Vec<IpAddr> =
            anywhere().filter(|address| address.is_ipv4() == (length == 4)).collect();
        for some in of_family.chunks(ELEMENTS) {
            batch.push(Verb::Make, Kind::Element, name, |message| {
                message.text(1, TABLE);
                message.text(2, name);
                message.nested(3, |list| {
                    for address in some {
                        list.nested(1, |element| element.nested(1, |key| key.bytes(1, &octets(*address))));
                    }
                });
            });
        }
    }
}

fn make_chain(way: &Way, addresses: &[NoAccept], batch: &mut Batch) {
    batch.push(Verb::Make, Kind::Chain, way.chain, |chain| {
        chain.text(1, TABLE);
        chain.text(3, way.chain);
        chain.nested(4, |at| {
            at.u32(1, way.hook);
            at.bytes(2, &PRIORITY.to_be_bytes());
        });
        chain.text(7, "filter");
    });
    let mut rule = |write: &dyn Fn(&mut Expressions<'_, '_>)| {
        batch.push(Verb::Make, Kind::Rule, way.chain, |rule| {
            rule.text(1, TABLE);
            rule.text(2, way.chain);
            rule.nested(4, |list| write(&mut Expressions(list)));
        });
    };
    for kind in [NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT] {
        rule(&|rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &IPV6);
            rule.meta(Meta::Transport, R[0]).equals(R[0], &ICMPV6);
            rule.payload(Base::Transport, 0, 1, R[0]).equals(R[0], &[kind]).verdict(Verdict::Accept);
        });
    }
    for (protocol, offset, length, set) in [(IPV4, way.offset4, 4, SET4), (IPV6, way.offset6, 16, SET6)] {
        rule(&|rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &protocol);
            rule.payload(Base::Network, offset, length, R[0]).is_in(set, R[0]).verdict(Verdict::Drop);
        });
    }
    for one in addresses {
        let Some(link) = &one.link else { continue };
        rule(&|rule| {
            rule.meta(Meta::Protocol, R[0]).equals(R[0], &IPV6);
            rule.payload(Base::Network, way.offset6, 16, R[0]).equals(R[0], &octets(one.address));
            rule.meta(way.link, R[0]).equals(R[0], &name(link)).verdict(Verdict::Drop);
        });
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A link's name as the kernel compares it: sixteen bytes.
fn name(link: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(link.bytes().take(15)).for_each(|(place, byte)| *place = byte);
    bytes
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::lab;

    fn closed(address: &str, link: Option<&str>) -> NoAccept {
        NoAccept { address: lab::address(address), link: link.map(str::to_owned) }
    }

    fn pings(address: &str) -> bool {
        let arguments = ["-c", "1", "-W", "1", address];
        Command::new("ping").args(arguments).output().expect("ping is installed").status.success()
    }

    fn tables() -> String {
        let output = Command::new("nft").args(["list", "tables"]).output().expect("nft is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn packets_for_these_addresses_are_dropped_and_others_pass() {
        lab::in_new_namespace(|| {
            lab::ip("link set lo up");
            lab::link("x0");
            lab::ip("link set x0 up");
            for address in ["192.0.2.1/32", "192.0.2.2/32"] {
                lab::ip(&format!("address add {address} dev x0"));
            }
            for address in ["2001:db8::1/64", "2001:db8::2/64", "fe80::1/64", "fe80::2/64"] {
                lab::ip(&format!("address add {address} dev x0 nodad"));
            }
            let all = [closed("192.0.2.1", None), closed("2001:db8::1", None), closed("fe80::1", Some("lo"))];
            become_these(&all).expect("are closed");
            for (address, answers) in
                [("192.0.2.1", false), ("192.0.2.2", true), ("2001:db8::1", false), ("2001:db8::2", true)]
            {
                assert_eq!(pings(address), answers, "{address}");
            }
            // Asked from the machine itself a link-local address is behind lo.
            assert!(!pings("fe80::1%x0") && pings("fe80::2%x0"));
            become_these(&[closed("192.0.2.2", None)]).expect("another one");
            assert!(pings("192.0.2.1") && !pings("192.0.2.2"));
            become_these(&[]).expect("none");
            assert!(pings("192.0.2.2"));
            assert_eq!(tables(), "");
            become_these(&[]).expect("none, again");
        });
    }
}
