//! Links for virtual addresses: `use_vmac`, `use_ipvlan`, `use_vmac_addr` and what goes with them.
//!
//! An instance with `use_vmac` has a link of its own on its interface, where its addresses go. Addresses on other
//! interfaces, or of the other family, stay where they are, unless `use_vmac_addr` (or `use_vmac` behind the address)
//! gives them a link of their own too.

use std::num::NonZeroU8;

use mainstay_core::address::{Family, InterfaceAddress, Prefix};
use mainstay_core::link::{IpvlanFlag, OwnAddress, VirtualKind, VirtualLink};
use mainstay_core::router::RouterPlan;
use mainstay_core::router::plan::LinkDelay;

use super::Lowering;
use super::names::Table;
use super::values::{link_name, prefix};
use crate::tree::{Span, Statement, Word};

/// What an instance says about its links.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// `use_vmac` or `use_ipvlan`: the last one counts.
    pub(crate) link: Option<Own>,
    /// `use_vmac_addr`.
    pub(crate) for_others: bool,
    /// `vmac_xmit_base`.
    pub(crate) transmit_base: Option<Span>,
    /// Addresses with `use_vmac` behind them.
    pub(crate) marked: Vec<Span>,
}

/// The link of an instance.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) span: Span,
    name: Option<Word>,
    pub(crate) kind: Kind,
    group: Option<u32>,
}

/// What kind of link.
#[derive(Debug)]
pub(crate) enum Kind {
    /// With a MAC address that was given, whole or without its last octet.
    Macvlan(Option<(Mac, Span)>),
    /// With an address of its own.
    Ipvlan { address: Option<Prefix>, flag: IpvlanFlag },
}

/// A MAC address as it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mac {
    Whole([u8; 6]),
    /// The VRID is the last octet.
    Prefix([u8; 5]),
}

impl Said {
    /// Takes in one statement; says whether it was one about links.
    pub(crate) fn word(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
        let span = statement.span();
        match statement.keyword() {
            "use_vmac" => self.link = Some(own(lowering, statement, Kind::Macvlan(None))),
            "use_ipvlan" => {
                let kind = Kind::Ipvlan { address: None, flag: IpvlanFlag::Bridge };
                self.link = Some(own(lowering, statement, kind));
            }
            "use_vmac_addr" => self.for_others = true,
            "vmac_xmit_base" => self.transmit_base = Some(span),
            _ => return false,
        }
        true
    }

    /// `strict_mode`: the RFC's MAC address, and adverts with it.
    pub(crate) fn make_strict(&mut self, lowering: &mut Lowering<'_>) {
        let report = &mut lowering.report;
        if let Some(span) = self.transmit_base.take() {
            report
                .complain("strict-reset", span, "strict mode sends adverts with the virtual MAC address")
                .because("vmac_xmit_base is ignored");
        }
        if let Some(Own { kind: Kind::Macvlan(mac), .. }) = &mut self.link
            && let Some((_, span)) = mac.take()
        {
            report
                .complain("strict-reset", span, "strict mode has the RFC's virtual MAC address")
                .because("the one that is given is ignored");
        }
    }
}

/// The options of `use_vmac` and `use_ipvlan`.
fn own(lowering: &mut Lowering<'_>, statement: &Statement, kind: Kind) -> Own {
    let mut own = Own { span: statement.span(), name: None, kind, group: None };
    let mut words = statement.arguments().iter();
    while let Some(word) = words.next() {
        match (word.text.as_str(), &mut own.kind) {
            ("name", _) => match words.next() {
                Some(name) => own.name = valid_name(lowering, name),
                None => missing(lowering, word),
            },
            ("group", _) => match words.next() {
                Some(group) => own.group = link_group(lowering, group),
                None => missing(lowering, word),
            },
            // The kernel tells us of every link by itself.
            ("netlink_notify_msg", Kind::Macvlan(_)) => {}
            ("bridge", Kind::Ipvlan { flag, .. }) => *flag = IpvlanFlag::Bridge,
            ("private", Kind::Ipvlan { flag, .. }) => *flag = IpvlanFlag::Private,
            ("vepa", Kind::Ipvlan { flag, .. }) => *flag = IpvlanFlag::Vepa,
            (text, Kind::Macvlan(given)) if text.contains(':') => {
                *given = mac(lowering, word).map(|mac| (mac, word.span));
            }
            (text, Kind::Ipvlan { address, .. }) if looks_like_address(text) => {
                *address = prefix(&mut lowering.report, word);
            }
            _ if own.name.is_none() => own.name = valid_name(lowering, word),
            _ => {
                let keyword = statement.keyword();
                lowering
                    .report
                    .complain("unknown-option", word.span, format!("`{word}` is not an option of {keyword}"))
                    .because("it is ignored");
            }
        }
    }
    own
}

fn missing(lowering: &mut Lowering<'_>, word: &Word) {
    lowering
        .report
        .complain("missing-value", word.span, format!("`{word}` is missing its value"))
        .because("it is ignored");
}

fn valid_name(lowering: &mut Lowering<'_>, word: &Word) -> Option<Word> {
    link_name(&mut lowering.report, word).map(|_| word.clone())
}

fn link_group(lowering: &mut Lowering<'_>, word: &Word) -> Option<u32> {
    let number = lowering.names.number(Table::LinkGroups, &word.text);
    if number.is_none() {
        lowering
            .report
            .complain("bad-group", word.span, format!("`{word}` is not a group of links"))
            .because("the link is in the group of its interface");
    }
    number
}

fn looks_like_address(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or_default();
    host.parse::<std::net::IpAddr>().is_ok()
}

/// Six octets, or five that the VRID follows.
fn mac(lowering: &mut Lowering<'_>, word: &Word) -> Option<Mac> {
    let octets: Option<Vec<u8>> = word
        .text
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).ok().filter(|_| (1..=2).contains(&octet.len())))
        .collect();
    let octets = octets.unwrap_or_default();
    let found = match (<[u8; 6]>::try_from(octets.as_slice()), <[u8; 5]>::try_from(octets.as_slice())) {
        (Ok(whole), _) => Some(Mac::Whole(whole)),
        (_, Ok(prefix)) => Some(Mac::Prefix(prefix)),
        _ => None,
    };
    let why = match octets.as_slice() {
        _ if found.is_none() => "is not a MAC address: six octets, or five that the VRID follows",
        [first, ..] if first & 1 == 1 => "is a multicast address",
        [0, 0, 0x5e, 0, 1 | 2, ..] => "is in the RFC's range, which has an address for each VRID",
        _ => return found,
    };
    lowering
        .report
        .complain("bad-mac", word.span, format!("`{word}` {why}"))
        .because("the RFC's virtual MAC address is used");
    None
}

/// A link that is made is believed up and down as its parent is: the kernel tells of both in one breath.
pub(crate) fn delay_like_parents(plan: &mut RouterPlan) {
    let of_parents = plan.virtual_links.iter().filter_map(|link| {
        let delay = plan.link_delays.iter().find(|delay| delay.interface == link.parent)?;
        Some(LinkDelay { interface: link.name.clone(), ..delay.clone() })
    });
    let of_parents: Vec<LinkDelay> = of_parents.collect();
    plan.link_delays.extend(of_parents);
}

/// What is known of an instance when its links are chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) family: Family,
    pub(crate) vrid: NonZeroU8,
    pub(crate) unicast: bool,
    /// It has addresses of IPv6, advertised or not.
    pub(crate) has_ipv6: bool,
    /// The configured source of its adverts, if that is link-local.
    pub(crate) link_local: Option<std::net::IpAddr>,
}

/// The links of one instance, as they are chosen.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// The first one is the instance's own, if it has one.
    made: Vec<VirtualLink>,
    has_own: bool,
    for_others: bool,
    marked: Vec<Span>,
    facts: Option<Facts>,
    /// The MAC address that was given, which all of them have.
    given: Option<Mac>,
}

/// Chooses the instance's own link, on its interface. `None` refuses the instance.
pub(crate) fn settle(
    lowering: &mut Lowering<'_>,
    said: Said,
    interface: Option<&str>,
    facts: Facts,
) -> Option<(Links, Option<String>)> {
    let Said { link, for_others, transmit_base, marked } = said;
    let mut links = Links { for_others, marked, facts: Some(facts), ..Links::default() };
    if let (None, Some(span)) = (&link, transmit_base) {
        lowering
            .report
            .complain("vmac-word", span, "`vmac_xmit_base` only goes with use_vmac")
            .because("it is ignored");
    }
    let adverts = interface.map(str::to_owned);
    let (Some(own), Some(parent)) = (link, interface) else { return Some((links, adverts)) };
    let by_parent = match (transmit_base, facts.unicast) {
        (None, true) => {
            lowering
                .report
                .complain("vmac-word", own.span, "unicast with use_vmac needs `vmac_xmit_base`")
                .because("it is set");
            true
        }
        (said, _) => said.is_some(),
    };
    let kind = match own.kind {
        Kind::Macvlan(given) => {
            links.given = given.map(|(mac, _)| mac);
            VirtualKind::Macvlan { mac: virtual_mac(links.given, facts) }
        }
        Kind::Ipvlan { flag, .. } => VirtualKind::Ipvlan(flag),
    };
    let own_address = match own.kind {
        Kind::Ipvlan { address: Some(address), .. } => OwnAddress::Is(address),
        Kind::Ipvlan { address: None, .. } => {
            if facts.family == Family::V4 {
                lowering
                    .report
                    .complain(
                        "ipvlan-without-address",
                        own.span,
                        "an ipvlan for IPv4 needs an address of its own",
                    )
                    .because("adverts have none to come from: the instance is in FAULT");
            }
            OwnAddress::None
        }
        Kind::Macvlan(_) if facts.family == Family::V4 || by_parent => OwnAddress::None,
        Kind::Macvlan(_) => match facts.link_local {
            Some(address) => OwnAddress::Is(Prefix { address, length: 64 }),
            None => OwnAddress::LinkLocalOfParent,
        },
    };
    let name = match own.name {
        Some(word) => {
            if is_taken(lowering, &links, &word.text) {
                lowering
                    .report
                    .refuse("duplicate-link", word.span, format!("another instance has the link `{word}`"))
                    .because("the instance is left out");
                return None;
            }
            word.text
        }
        None => {
            let prefix = lowering.defaults.vmac_prefix.clone();
            free_name(lowering, &links, &prefix, parent, kind)
        }
    };
    let ipv6 = facts.family == Family::V6 || facts.has_ipv6;
    links.made.push(VirtualLink {
        name: name.clone(),
        parent: parent.to_owned(),
        kind,
        group: own.group,
        family: facts.family,
        ipv6,
        own: own_address,
    });
    links.has_own = true;
    Some((links, if by_parent { adverts } else { Some(name) }))
}

impl Links {
    /// Puts an address on the link it belongs on, in place of its interface.
    pub(crate) fn place(&mut self, lowering: &mut Lowering<'_>, address: &mut InterfaceAddress, span: Span) {
        let Some(facts) = self.facts else { return };
        let family = Family::of(address.address);
        let kind = VirtualKind::Macvlan { mac: virtual_mac(self.given, Facts { family, ..facts }) };
        let is_own = self
            .made
            .first()
            .is_some_and(|own| self.has_own && own.parent == address.link && own.family == family);
        if !(is_own || self.for_others || self.marked.contains(&span)) {
            return;
        }
        // With a MAC address that was given both families share a link.
        let known = match self.made.first() {
            Some(own) if is_own => Some(own),
            _ => self.made.iter().find(|link| link.parent == address.link && link.kind == kind),
        };
        if let Some(link) = known {
            address.link.clone_from(&link.name);
            return;
        }
        let prefix = lowering.defaults.vmac_address_prefix.clone();
        let prefix = prefix.unwrap_or_else(|| lowering.defaults.vmac_prefix.clone());
        let name = free_name(lowering, self, &prefix, &address.link, kind);
        let own = if family == Family::V6 { OwnAddress::LinkLocalOfParent } else { OwnAddress::None };
        let parent = std::mem::replace(&mut address.link, name.clone());
        let ipv6 = family == Family::V6;
        self.made.push(VirtualLink { name, parent, kind, group: None, family, ipv6, own });
    }

    /// Whether this link is one of them.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.made.iter().any(|link| link.name == name)
    }

    /// All of them.
    pub(crate) fn into_made(self) -> impl Iterator<Item = VirtualLink> {
        self.made.into_iter()
    }
}

/// RFC 9568 section 7.3, or what was given.
fn virtual_mac(given: Option<Mac>, facts: Facts) -> [u8; 6] {
    let vrid = facts.vrid.get();
    match given {
        Some(Mac::Whole(mac)) => mac,
        Some(Mac::Prefix([a, b, c, d, e])) => [a, b, c, d, e, vrid],
        None => [0, 0, 0x5e, 0, if facts.family == Family::V4 { 1 } else { 2 }, vrid],
    }
}

fn is_taken(lowering: &Lowering<'_>, links: &Links, name: &str) -> bool {
    links.has(name) || lowering.model.router.virtual_links.iter().any(|link| link.name == name)
}

/// `PREFIX.VRID`, or the next that is free: `PREFIX6.VRID` for IPv6, then `PREFIX1.VRID` and so on. A link that is there
/// and is just like it was made by a run before, and is the one.
fn free_name(
    lowering: &Lowering<'_>,
    links: &Links,
    prefix: &str,
    parent: &str,
    kind: VirtualKind,
) -> String {
    let Some(Facts { vrid, .. }) = links.facts else { return prefix.to_owned() };
    let is_six = matches!(kind, VirtualKind::Macvlan { mac: [0, 0, 0x5e, 0, 2, _] });
    let is_ours = |name: &str| match kind {
        VirtualKind::Macvlan { mac } => lowering.host.is_virtual_mac_link(name, parent, mac),
        VirtualKind::Ipvlan(_) => false,
    };
    let of_others = |name: &str| lowering.host.interface(name).is_some() && !is_ours(name);
    let not_taken = |name: &String| !is_taken(lowering, links, name);
    candidates(prefix, vrid, is_six)
        .take(LOOKED_FOR)
        .find(|name| not_taken(name) && !of_others(name))
        // The machine is full of such names: whoever makes the link will say that it has another kind.
        .or_else(|| candidates(prefix, vrid, is_six).find(not_taken))
        .unwrap_or_else(|| prefix.to_owned())
}

/// Names that are looked for on the machine.
const LOOKED_FOR: usize = 300;

/// `IFNAMSIZ` without its terminator.
const LONGEST: usize = 15;

fn candidates(prefix: &str, vrid: NonZeroU8, is_six: bool) -> impl Iterator<Item = String> + '_ {
    let six = is_six.then(|| "6".to_owned());
    let numbers = (1..=u16::MAX).map(|number| number.to_string());
    std::iter::once(String::new()).chain(six).chain(numbers).map(move |number| {
        let rest = format!("{number}.{vrid}");
        let short: String = prefix.chars().take(LONGEST.saturating_sub(rest.len())).collect();
        short + &rest
    })
}
