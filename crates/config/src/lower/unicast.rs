//! To whom adverts go and where they come from: `unicast_*`, `mcast_*`.

use std::net::IpAddr;

use mainstay_core::address::Family;
use mainstay_core::router::plan::{Destination, UnicastPeer};

use super::Lowering;
use super::values::{address, is_multicast, number, required};
use crate::tree::{Span, Statement, Word};

/// What an instance says about its peers.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// `mcast_src_ip` or `unicast_src_ip`: the last one counts.
    source: Option<(IpAddr, Word)>,
    /// `mcast_dst_ip`.
    group: Option<(IpAddr, Span)>,
    peers: Vec<(UnicastPeer, Word)>,
    ttl: Option<(u8, Span)>,
    check_source: bool,
    fault_without_peers: Option<Span>,
    /// The first word that only makes sense for unicast.
    keyword: Option<Span>,
}

impl Said {
    /// Takes in one statement; says whether it was one about peers.
    pub(crate) fn word(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
        let report = &mut lowering.report;
        match statement.keyword() {
            "mcast_src_ip" | "unicast_src_ip" => {
                if statement.keyword() == "unicast_src_ip" {
                    self.keyword.get_or_insert(statement.span());
                }
                let Some(word) = required(report, statement, "an address") else { return true };
                match address(&word.text) {
                    Some(source) => self.source = Some((source, word.clone())),
                    None => {
                        report
                            .complain("bad-address", word.span, format!("`{word}` is not an IP address"))
                            .because("the interface's own address is used");
                    }
                }
            }
            "mcast_dst_ip" => {
                let Some(word) = required(report, statement, "a multicast address") else { return true };
                match address(&word.text) {
                    Some(group) if is_multicast(group) => self.group = Some((group, word.span)),
                    _ => {
                        report
                            .complain(
                                "not-multicast",
                                word.span,
                                format!("`{word}` is not a multicast address"),
                            )
                            .because("the default group is used");
                    }
                }
            }
            "unicast_peer" => {
                self.keyword.get_or_insert(statement.span());
                for line in statement.children() {
                    self.peer(lowering, line);
                }
            }
            "unicast_ttl" => {
                if let Some(word) = required(report, statement, "a number") {
                    self.ttl = number(report, word, 0..=255).map(|ttl| (ttl, word.span));
                }
            }
            "check_unicast_src" => {
                self.keyword.get_or_insert(statement.span());
                self.check_source = true;
            }
            "unicast_fault_no_peer" => self.fault_without_peers = Some(statement.span()),
            "old_unicast_checksum" => {
                self.keyword.get_or_insert(statement.span());
                if statement.arguments().first().is_none_or(|word| word.text != "never") {
                    report.not_yet(
                        statement.span(),
                        "old_unicast_checksum",
                        "the checksum is that of keepalived 1.3.7 and later, and of the RFC",
                    );
                }
            }
            _ => return false,
        }
        true
    }

    /// `ADDRESS [min_ttl N] [max_ttl N]`.
    fn peer(&mut self, lowering: &mut Lowering<'_>, line: &Statement) {
        let report = &mut lowering.report;
        let word = &line.words[0];
        let Some(found) = address(&word.text) else {
            report
                .complain("bad-address", word.span, format!("`{word}` is not an IP address"))
                .because("expected the address of a peer; it is left out");
            return;
        };
        let (mut least, mut most) = (None, None);
        let mut words = line.arguments().iter();
        while let Some(option) = words.next() {
            let place = match option.text.as_str() {
                "min_ttl" => &mut least,
                "max_ttl" => &mut most,
                _ => {
                    report
                        .complain(
                            "unknown-option",
                            option.span,
                            format!("`{option}` is not an option of a peer"),
                        )
                        .because("expected min_ttl or max_ttl; one peer stands on a line");
                    continue;
                }
            };
            match words.next() {
                Some(value) => *place = number::<u8>(report, value, 0..=255),
                None => {
                    report
                        .complain("missing-value", option.span, format!("`{option}` is missing its value"))
                        .because("it is ignored");
                }
            }
        }
        let ttl_range =
            (least.is_some() || most.is_some()).then_some((least.unwrap_or(0), most.unwrap_or(255)));
        if let Some((least, most)) = ttl_range
            && least > most
        {
            report
                .complain("empty-range", word.span, format!("min_ttl {least} is above max_ttl {most}"))
                .because("every packet of this peer is dropped");
        }
        // keepalived: a range of TTLs makes the sender's address matter.
        self.check_source |= ttl_range.is_some();
        if self.peers.iter().any(|(other, _)| other.address == found) {
            report
                .complain("duplicate-peer", word.span, format!("`{word}` is in the list twice"))
                .because("the first one counts");
            return;
        }
        self.peers.push((UnicastPeer { address: found, ttl_range }, word.clone()));
    }

    /// The family that peers or source ask for, if there is no virtual address to tell.
    pub(crate) fn family(&self) -> Option<Family> {
        let peer = self.peers.first().map(|(peer, _)| peer.address);
        peer.or(self.source.as_ref().map(|(source, _)| *source)).map(Family::of)
    }

    /// Whether adverts go to peers.
    pub(crate) fn is_unicast(&self) -> bool {
        !self.peers.is_empty()
    }

    /// The address that was given to send from.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.source.as_ref().map(|(source, _)| *source)
    }

    /// Whether one was given.
    pub(crate) fn has_source(&self) -> bool {
        self.source.is_some()
    }

    /// The source and the destination; `None` if the instance can only be in fault.
    pub(crate) fn finish(
        mut self,
        lowering: &mut Lowering<'_>,
        name: &str,
        family: Family,
    ) -> Option<(Option<IpAddr>, Destination)> {
        let source = self.source.take().filter(|(source, word)| {
            of_family(lowering, *source, family, word.span, "the interface's own address is used")
        });
        let peers = std::mem::take(&mut self.peers);
        let had_peers = !peers.is_empty();
        let mut kept = Vec::new();
        for (peer, word) in peers {
            if !of_family(lowering, peer.address, family, word.span, "the peer is left out") {
                continue;
            }
            if source.as_ref().is_some_and(|(source, _)| *source == peer.address) {
                // DIFFERS: keepalived sends to itself. One list can so serve all nodes.
                lowering
                    .report
                    .note(
                        "own-address-as-peer",
                        word.span,
                        format!("`{word}` is this node's own source address"),
                    )
                    .because("it is not a peer of itself");
                continue;
            }
            kept.push(peer);
        }
        let source = source.map(|(source, _)| source);
        if !kept.is_empty() {
            if let Some((_, span)) = self.group {
                lowering
                    .report
                    .complain("group-with-unicast", span, "a multicast group does not go with unicast peers")
                    .because("adverts go to the peers only");
            }
            let check_source = self.check_source || lowering.defaults.check_unicast_source;
            let ttl = self.ttl.map(|(ttl, _)| ttl);
            return Some((source, Destination::Unicast { peers: kept, check_source, ttl }));
        }
        if let Some((_, span)) = self.ttl {
            lowering
                .report
                .complain("unicast-without-peers", span, "`unicast_ttl` needs unicast peers")
                .because("it is ignored");
        }
        if let Some(span) = self.fault_without_peers {
            lowering
                .report
                .refuse("unicast-without-peers", span, format!("`{name}` has no unicast peers"))
                .because("with unicast_fault_no_peer it would stay in FAULT; it is left out");
            return None;
        }
        if let Some(span) = self.keyword
            && (!had_peers || source.is_none())
        {
            lowering
                .report
                .complain(
                    "unicast-without-peers",
                    span,
                    format!("`{name}` has a unicast keyword, but no peers"),
                )
                .because("adverts go to the multicast group");
        }
        let group = self
            .group
            .filter(|(group, span)| of_family(lowering, *group, family, *span, "the default group is used"))
            .map_or_else(|| lowering.defaults.group(family), |(group, _)| group);
        Some((source, Destination::Multicast(group)))
    }
}

fn of_family(
    lowering: &mut Lowering<'_>,
    address: IpAddr,
    family: Family,
    span: Span,
    consequence: &str,
) -> bool {
    let same = Family::of(address) == family;
    if !same {
        lowering
            .report
            .complain(
                "mixed-families",
                span,
                format!("`{address}` is not {family} as the virtual addresses are"),
            )
            .because(consequence.to_owned());
    }
    same
}
