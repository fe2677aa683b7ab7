//! Lines of `virtual_routes` and `static_routes`: what `ip route add` takes.

use std::net::IpAddr;

use mainstay_core::address::{Family, NextHop, Prefix, Route, RouteInsertion};

use super::metrics::{self, encapsulation};
use super::names::Table;
use super::values::{address, any_base, bad_address, following, prefix};
use super::{Lowering, static_entries};
use crate::tree::{Span, Statement, Word};

/// `RTPROT_KEEPALIVED`: who installs our routes and rules.
pub(crate) const KEEPALIVED: u8 = 18;

/// `RTN_UNICAST`.
const UNICAST: u8 = 1;

/// The table `main`.
const MAIN: u32 = 254;

/// Route types, `RTN_*`.
const TYPES: [(&str, u8); 11] = [
    ("unicast", UNICAST),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
    ("throw", 9),
    ("nat", 10),
    ("xresolve", 11),
];

/// A route under construction.
struct Draft {
    route: Route,
    /// Set once a word has decided the family.
    family: Option<Family>,
    destination: Option<Prefix>,
    /// `default` was said before the family was known.
    is_default: bool,
    first: NextHop,
    more: Vec<NextHop>,
    protocol_span: Option<Span>,
}

/// Lowers one line; `None` after a mistake, as in keepalived.
pub(crate) fn lower(lowering: &mut Lowering<'_>, line: &Statement, is_static: bool) -> Option<Route> {
    let mut draft = Draft {
        route: Route {
            family: Family::V4,
            kind: UNICAST,
            destination: Prefix { address: IpAddr::from([0, 0, 0, 0]), length: 0 },
            preferred_source: None,
            hops: Vec::new(),
            table: MAIN,
            scope: None,
            tos: 0,
            protocol: KEEPALIVED,
            metric: 0,
            metrics: Vec::new(),
            congestion_control: None,
            realms: None,
            expires_s: None,
            preference: None,
            ttl_propagate: None,
            new_destination: None,
            insertion: RouteInsertion::Prepend,
            tracked: true,
            track_group: None,
        },
        family: None,
        destination: None,
        is_default: false,
        first: NextHop { weight: 1, ..NextHop::default() },
        more: Vec::new(),
        protocol_span: None,
    };
    let mut words = line.words.iter();
    while let Some(word) = words.next() {
        option(lowering, &mut draft, word, &mut words, is_static)?;
    }
    finish(lowering, line, draft)
}

fn option(
    lowering: &mut Lowering<'_>,
    draft: &mut Draft,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
    is_static: bool,
) -> Option<()> {
    let text = word.text.as_str();
    if let Some((_, kind)) = TYPES.iter().find(|(name, _)| *name == text) {
        draft.route.kind = *kind;
        return Some(());
    }
    if let Some(number) = metrics::number_of(text) {
        return metrics::metric(lowering, &mut draft.route, number, word, words);
    }
    match text {
        "inet" | "ip" => family(lowering, draft, Family::V4, word)?,
        "inet6" | "ip6" => family(lowering, draft, Family::V6, word)?,
        "default" => draft.is_default = true,
        "to" => {
            let value = following(&mut lowering.report, word, words, "a destination")?;
            destination(lowering, draft, value)?;
        }
        "src" => {
            let value = following(&mut lowering.report, word, words, "an address")?;
            let source = known_address(lowering, value)?;
            family(lowering, draft, Family::of(source), value)?;
            draft.route.preferred_source = Some(source);
        }
        "via" | "gw" | "or" => gateway(lowering, draft, word, words)?,
        "dev" | "oif" => draft.first.link = Some(link(lowering, word, words)?),
        "table" => draft.route.table = named(lowering, Table::Tables, word, words)?,
        "vrf" => {
            let value = following(&mut lowering.report, word, words, "an interface")?;
            lowering.report.not_yet(
                value.span,
                "vrf",
                "the route goes into its own table; name the table of the VRF with `table`",
            );
        }
        "scope" => draft.route.scope = u8::try_from(named(lowering, Table::Scopes, word, words)?).ok(),
        "tos" | "dsfield" => {
            draft.route.tos = u8::try_from(named(lowering, Table::ServiceTypes, word, words)?).ok()?;
        }
        "protocol" => {
            draft.route.protocol = u8::try_from(named(lowering, Table::Protocols, word, words)?).ok()?;
            draft.protocol_span = Some(word.span);
        }
        "metric" | "priority" | "preference" => draft.route.metric = plain(lowering, word, words)?,
        "realms" => {
            let value = following(&mut lowering.report, word, words, "realms")?;
            let realms = lowering.names.realms(&value.text);
            draft.route.realms = Some(expected(lowering, realms, value, "[FROM/]TO")?);
        }
        "weight" => draft.first.weight = weight(lowering, word, words)?,
        "onlink" => draft.first.onlink = true,
        "encap" => draft.first.encapsulation = Some(encapsulation(lowering, word, words)?),
        "nexthop" => hops(lowering, draft, words)?,
        "expires" => {
            draft.route.expires_s = Some(plain(lowering, word, words)?);
            ipv6_only(lowering, draft, word)?;
        }
        "pref" => {
            let value = following(&mut lowering.report, word, words, "low, medium or high")?;
            let preference = match value.text.as_str() {
                "medium" => Some(0),
                "high" => Some(1),
                "low" => Some(3),
                _ => None,
            };
            draft.route.preference = Some(expected(lowering, preference, value, "low, medium or high")?);
            ipv6_only(lowering, draft, word)?;
        }
        "ttl-propagate" => {
            let value = following(&mut lowering.report, word, words, "enabled or disabled")?;
            let propagate = match value.text.as_str() {
                "enabled" => Some(true),
                "disabled" => Some(false),
                _ => None,
            };
            draft.route.ttl_propagate = Some(expected(lowering, propagate, value, "enabled or disabled")?);
        }
        "as" => {
            let mut value = following(&mut lowering.report, word, words, "an address")?;
            if value.text == "to" {
                value = following(&mut lowering.report, word, words, "an address")?;
            }
            draft.route.new_destination = Some(known_address(lowering, value)?);
        }
        "add" => draft.route.insertion = RouteInsertion::Add,
        "append" => draft.route.insertion = RouteInsertion::Append,
        "prepend" => draft.route.insertion = RouteInsertion::Prepend,
        "no_track" => draft.route.tracked = false,
        "track_group" if is_static => {
            draft.route.track_group = static_entries::track_group_of(lowering, word, words.next());
        }
        _ if text.starts_with(|first: char| first.is_ascii_hexdigit() || first == ':')
            && address(text.split('/').next().unwrap_or_default()).is_some() =>
        {
            destination(lowering, draft, word)?;
        }
        _ => {
            lowering
                .report
                .refuse(
                    "unknown-option",
                    word.span,
                    format!("`{word}` is neither a destination nor an option of a route"),
                )
                .because("the route is left out");
            return None;
        }
    }
    Some(())
}

fn finish(lowering: &mut Lowering<'_>, line: &Statement, draft: Draft) -> Option<Route> {
    let Draft { mut route, family, destination, is_default, first, more, protocol_span } = draft;
    let family = family.unwrap_or(Family::V4);
    let any = match family {
        Family::V4 => IpAddr::from([0; 4]),
        Family::V6 => IpAddr::from([0; 16]),
    };
    route.family = family;
    route.destination = match destination {
        Some(destination) => destination,
        None if is_default => Prefix { address: any, length: 0 },
        None => {
            lowering
                .report
                .refuse("route-without-destination", line.span(), "the route has no destination")
                .because("the route is left out");
            return None;
        }
    };
    let has_first = first.gateway.is_some() || first.link.is_some() || first.encapsulation.is_some();
    let tracks_by_link = first.link.is_some();
    if has_first {
        route.hops.push(first);
    }
    route.hops.extend(more);
    if route.tracked {
        if !tracks_by_link {
            lowering
                .report
                .note("route-not-tracked", line.span(), "a route without an interface cannot be tracked")
                .because("its loss is no fault; say `no_track` to make that clear");
            route.tracked = false;
        } else if route.protocol != KEEPALIVED {
            lowering
                .report
                .complain("route-protocol", protocol_span, "a tracked route must have protocol keepalived")
                .because("protocol keepalived is used; say no_track to have another");
            route.protocol = KEEPALIVED;
        }
    }
    Some(route)
}

/// Sets the family, or complains that it was another one.
fn family(lowering: &mut Lowering<'_>, draft: &mut Draft, family: Family, word: &Word) -> Option<()> {
    match draft.family {
        Some(other) if other != family => {
            lowering
                .report
                .refuse(
                    "mixed-families",
                    word.span,
                    format!("`{word}` is {family}, but the route is {other}"),
                )
                .because("the route is left out");
            None
        }
        Some(_) | None => {
            draft.family = Some(family);
            Some(())
        }
    }
}

fn destination(lowering: &mut Lowering<'_>, draft: &mut Draft, value: &Word) -> Option<()> {
    if matches!(value.text.as_str(), "default" | "any" | "all") {
        draft.is_default = true;
        return Some(());
    }
    let found = prefix(&mut lowering.report, value)?;
    family(lowering, draft, Family::of(found.address), value)?;
    draft.destination = Some(found);
    Some(())
}

/// `via [inet|inet6] ADDRESS`, and its old spellings.
fn gateway(
    lowering: &mut Lowering<'_>,
    draft: &mut Draft,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<()> {
    match word.text.as_str() {
        "gw" => {
            lowering.report.complain("old-spelling", word.span, "`gw` is an old word").suggest("via");
        }
        "or" => {
            lowering.report.complain("old-spelling", word.span, "`or` is an old word").suggest("nexthop via");
        }
        _ => {}
    }
    let mut value = following(&mut lowering.report, word, words, "an address")?;
    let said = match value.text.as_str() {
        "inet" => Some(Family::V4),
        "inet6" => Some(Family::V6),
        _ => None,
    };
    if said.is_some() {
        value = following(&mut lowering.report, word, words, "an address")?;
    }
    let gateway = known_address(lowering, value)?;
    if draft.family.is_none() && draft.destination.is_none() {
        draft.family = Some(Family::of(gateway));
    } else {
        family(lowering, draft, Family::of(gateway), value)?;
    }
    if word.text == "or" {
        draft.more.push(NextHop { gateway: Some(gateway), weight: 1, ..NextHop::default() });
    } else {
        draft.first.gateway = Some(gateway);
    }
    Some(())
}

/// `nexthop via A dev I weight N onlink encap .. nexthop ..`: takes all words that are left.
fn hops(
    lowering: &mut Lowering<'_>,
    draft: &mut Draft,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<()> {
    let mut hop = NextHop { weight: 1, ..NextHop::default() };
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "nexthop" => {
                let next = NextHop { weight: 1, ..NextHop::default() };
                draft.more.push(std::mem::replace(&mut hop, next));
            }
            "via" => {
                let mut value = following(&mut lowering.report, word, words, "an address")?;
                if matches!(value.text.as_str(), "inet" | "inet6") {
                    value = following(&mut lowering.report, word, words, "an address")?;
                }
                let gateway = known_address(lowering, value)?;
                family(lowering, draft, Family::of(gateway), value)?;
                hop.gateway = Some(gateway);
            }
            "dev" | "oif" => hop.link = Some(link(lowering, word, words)?),
            "weight" => hop.weight = weight(lowering, word, words)?,
            "onlink" => hop.onlink = true,
            "encap" => hop.encapsulation = Some(encapsulation(lowering, word, words)?),
            "no_track" => draft.route.tracked = false,
            _ => {
                lowering
                    .report
                    .complain("unknown-option", word.span, format!("`{word}` is not an option of a next hop"))
                    .because("it and what follows it is ignored");
                words.by_ref().for_each(drop);
            }
        }
    }
    draft.more.push(hop);
    Some(())
}

fn link(lowering: &mut Lowering<'_>, word: &Word, words: &mut std::slice::Iter<'_, Word>) -> Option<String> {
    let value = following(&mut lowering.report, word, words, "an interface")?;
    lowering.interface_exists(value, "a route", "the route is left out").then(|| value.text.clone())
}

fn weight(lowering: &mut Lowering<'_>, word: &Word, words: &mut std::slice::Iter<'_, Word>) -> Option<u16> {
    let value = following(&mut lowering.report, word, words, "a number")?;
    super::values::number::<u16>(&mut lowering.report, value, 0..=256).map(|weight| weight.max(1))
}

fn known_address(lowering: &mut Lowering<'_>, value: &Word) -> Option<IpAddr> {
    let found = address(&value.text);
    if found.is_none() {
        bad_address(&mut lowering.report, value);
    }
    found
}

/// A word of one of iproute2's tables.
pub(crate) fn named(
    lowering: &mut Lowering<'_>,
    table: Table,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<u32> {
    let value = following(&mut lowering.report, word, words, "its value")?;
    let number = lowering.names.number(table, &value.text);
    let what = format!("a number or a name iproute2 knows for `{word}`");
    expected(lowering, number, value, &what)
}

/// A number in any base that fits in 32 bits.
pub(crate) fn plain(
    lowering: &mut Lowering<'_>,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<u32> {
    let value = following(&mut lowering.report, word, words, "a number")?;
    let number = any_base(&value.text).and_then(|number| u32::try_from(number).ok());
    expected(lowering, number, value, "a number of 32 bits")
}

/// Complains about a value that could not be understood.
pub(crate) fn expected<T>(
    lowering: &mut Lowering<'_>,
    value: Option<T>,
    word: &Word,
    what: &str,
) -> Option<T> {
    if value.is_none() {
        lowering
            .report
            .refuse("bad-value", word.span, format!("`{word}` is not understood"))
            .because(format!("expected {what}; the line is left out"));
    }
    value
}

fn ipv6_only(lowering: &mut Lowering<'_>, draft: &Draft, word: &Word) -> Option<()> {
    if draft.family == Some(Family::V4) {
        lowering
            .report
            .refuse("ipv6-only", word.span, format!("`{word}` is only for IPv6 routes"))
            .because("the route is left out");
        return None;
    }
    Some(())
}
