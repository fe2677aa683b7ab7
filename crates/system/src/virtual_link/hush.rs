//! Keeps a macvlan from showing its MAC address while another router is master.
//!
//! A link that joins a multicast group says so to the switches (IGMP, MLD), and asks for routers. With the virtual MAC
//! address as its source, such a report from a backup would teach the switches that the master is here. Where packets
//! leave the link, the reports get the parent's MAC address, and the questions for routers are dropped.
//!
//! Each link has a table of its own, `netdev mainstay-LINK`, which is made and removed in one transaction. It needs
//! the egress hook of Linux 5.16.

use crate::error::{Error, Result};
use crate::lease::expression::{Base, Expressions, Meta, R, Verdict};
use crate::lease::message::{Batch, Kind, Verb};
use crate::lease::socket::Netfilter;

const CHAIN: &str = "leaving";

/// Before the gates of the VIP lease and everybody else.
const PRIORITY: i32 = -500;

/// `NF_NETDEV_EGRESS`.
const EGRESS: u32 = 1;

/// Source address in an Ethernet header.
const SOURCE: u32 = 6;

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const IGMP: [u8; 1] = [2];
const ICMPV6: [u8; 1] = [58];
const IPV4_PROTOCOL: u32 = 9;

/// Reports of RFC 2710 and RFC 3810: listener report, listener done, version 2 listener report.
const LISTENER_REPORTS: [u8; 3] = [131, 132, 143];
const ROUTER_SOLICITATION: u8 = 133;

fn table(link: &str) -> String {
    format!("mainstay-{link}")
}

/// Begins, or begins anew, for a link that exists.
///
/// # Errors
/// When the kernel has no such tables.
pub fn begin(link: &str, of_parent: [u8; 6]) -> Result<()> {
    let table = table(link);
    let mut batch = Batch::new();
    // What a predecessor left goes; making it first lets the removal find something.
    make_table(&table, &mut batch);
    batch.push(Verb::Remove, Kind::Table, &table, |message| message.text(1, &table));
    make_table(&table, &mut batch);
    batch.push(Verb::Make, Kind::Chain, CHAIN, |chain| {
        chain.text(1, &table);
        chain.text(3, CHAIN);
        chain.nested(4, |at| {
            at.u32(1, EGRESS);
            at.bytes(2, &PRIORITY.to_be_bytes());
            at.text(3, link);
        });
        chain.text(7, "filter");
    });
    make_rule(&table, &mut batch, |rule| {
        rule.meta(Meta::Protocol, R[0]).equals(R[0], &IPV4);
        rule.payload(Base::Network, IPV4_PROTOCOL, 1, R[0]).equals(R[0], &IGMP);
        rule.constant(R[0], &of_parent).overwrite(Base::Link, SOURCE, 6, R[0]);
    });
    for kind in LISTENER_REPORTS {
        make_rule(&table, &mut batch, |rule| {
            is_icmpv6(rule, kind);
            rule.constant(R[0], &of_parent).overwrite(Base::Link, SOURCE, 6, R[0]);
        });
    }
    make_rule(&table, &mut batch, |rule| {
        is_icmpv6(rule, ROUTER_SOLICITATION);
        rule.verdict(Verdict::Drop);
    });
    open(link)?.make(batch)
}

/// Ends, if it was begun.
///
/// # Errors
/// When the kernel refuses.
pub fn end(link: &str) -> Result<()> {
    let table = table(link);
    let mut batch = Batch::new();
    make_table(&table, &mut batch);
    batch.push(Verb::Remove, Kind::Table, &table, |message| message.text(1, &table));
    open(link)?.make(batch)
}

fn open(link: &str) -> Result<Netfilter> {
    Netfilter::open().map_err(Error::of("open a netlink socket for the nftables of", link))
}

fn make_table(table: &str, batch: &mut Batch) {
    batch.push(Verb::Make, Kind::Table, table, |message| message.text(1, table));
}

fn make_rule(table: &str, batch: &mut Batch, write: impl FnOnce(&mut Expressions<'_, '_>)) {
    batch.push(Verb::Make, Kind::Rule, CHAIN, |rule| {
        rule.text(1, table);
        rule.text(2, CHAIN);
        rule.nested(4, |list| write(&mut Expressions(list)));
    });
}

fn is_icmpv6(rule: &mut Expressions<'_, '_>, kind: u8) {
    rule.meta(Meta::Protocol, R[0]).equals(R[0], &IPV6);
    rule.meta(Meta::Transport, R[0]).equals(R[0], &ICMPV6);
    rule.payload(Base::Transport, 0, 1, R[0]).equals(R[0], &[kind]);
}
