//! The addresses, routes and rules of an instance, once its interface and family are known.

use std::sync::Arc;

use mainstay_core::address::{Family, InterfaceAddress, Route, Rule};
use mainstay_core::router::plan::{Tracker, TrackerTarget, Version};

use super::Lowering;
use super::instance::{Draft, is_link_local};
use super::vmac::Links;
use crate::tree::Span;

/// The count of an advert is one byte.
const MOST_ADVERTISED: usize = 255;

/// What an instance brings while it is master.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) advertised: Vec<Arc<InterfaceAddress>>,
    pub(crate) excluded: Vec<Arc<InterfaceAddress>>,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) rules: Vec<Arc<Rule>>,
}

/// Fills in interfaces, sorts out families, counts, and adds what has to be tracked. `None` refuses the instance.
pub(crate) fn settle(
    lowering: &mut Lowering<'_>,
    draft: &mut Draft,
    family: Family,
    version: Version,
    strict: bool,
    links: &mut Links,
    trackers: &mut Vec<Tracker>,
) -> Option<Settled> {
    let own = draft.interface.as_ref().map(|word| word.text.clone());
    let (mut advertised, foreign): (Vec<_>, Vec<_>) = std::mem::take(&mut draft.addresses)
        .into_iter()
        .partition(|(address, _)| Family::of(address.address) == family);
    for (address, span) in &foreign {
        // DIFFERS: keepalived 2.2.7 drops them.
        lowering
            .report
            .complain(
                "mixed-families",
                *span,
                format!("`{}` is not {family} as the first address is", address.address),
            )
            .because("it is treated as one of virtual_ipaddress_excluded: it comes and goes, but is not advertised");
    }
    let most = room(lowering, own.as_deref(), family, version).min(MOST_ADVERTISED);
    let surplus = if advertised.len() > most {
        lowering
            .report
            .complain(
                "too-many-addresses",
                advertised[most].1,
                format!("an advert has room for {most} addresses"),
            )
            .because(format!(
                "{} more come and go with the others, but are not advertised",
                advertised.len() - most
            ));
        advertised.split_off(most)
    } else {
        Vec::new()
    };
    if !enough(lowering, draft, &advertised, version, strict) {
        return None;
    }
    if strict
        && family == Family::V6
        && advertised.first().is_some_and(|(first, _)| !is_link_local(first.address))
    {
        lowering
            .report
            .complain("strict-link-local", advertised[0].1, "the first IPv6 address must be link-local")
            .because("the RFC wants it; it is used all the same");
    }
    let excluded: Vec<_> =
        foreign.into_iter().chain(surplus).chain(std::mem::take(&mut draft.excluded)).collect();
    let mut seen: Vec<InterfaceAddress> = Vec::new();
    let mut fill = |lowering: &mut Lowering<'_>, list: Vec<(InterfaceAddress, Span)>| {
        let mut filled = Vec::new();
        for (mut address, span) in list {
            if address.link.is_empty() {
                address.link = own.clone().unwrap_or_else(|| lowering.defaults.interface.clone());
            }
            links.place(lowering, &mut address, span);
            let twice = seen.iter().any(|other| {
                other.address == address.address
                    && other.link == address.link
                    && other.prefix_length == address.prefix_length
            });
            if twice {
                lowering
                    .report
                    .complain(
                        "duplicate-address",
                        span,
                        format!("`{}` is in the instance twice", address.address),
                    )
                    .because("the first one counts");
                continue;
            }
            seen.push(address.clone());
            filled.push(Arc::new(address));
        }
        filled
    };
    let advertised = fill(lowering, advertised);
    let excluded = fill(lowering, excluded);
    let routes: Vec<_> = std::mem::take(&mut draft.routes).into_iter().map(Arc::new).collect();
    let rules: Vec<_> = std::mem::take(&mut draft.rules).into_iter().map(Arc::new).collect();
    let settled = Settled { advertised, excluded, routes, rules };
    follow_links(&settled, own.as_deref(), links, trackers);
    Some(settled)
}

/// How many addresses fit in one advert on this link.
fn room(lowering: &Lowering<'_>, own: Option<&str>, family: Family, version: Version) -> usize {
    let mtu = own.and_then(|name| lowering.host.interface(name)).map_or(1500, |facts| facts.mtu as usize);
    let (headers, address) = match family {
        // IPv4 20, VRRP 8, and 8 of authentication in version 2.
        Family::V4 => (28 + if version == Version::V2 { 8 } else { 0 }, 4),
        // IPv6 40, VRRP 8.
        Family::V6 => (48, 16),
    };
    mtu.saturating_sub(headers) / address
}

/// Whether there are enough addresses: version 3 and strict mode need one.
fn enough(
    lowering: &mut Lowering<'_>,
    draft: &Draft,
    advertised: &[(InterfaceAddress, Span)],
    version: Version,
    strict: bool,
) -> bool {
    if !advertised.is_empty() || draft.no_addresses_wanted {
        return true;
    }
    let message = format!("`{}` has no virtual address", draft.name);
    if version == Version::V3 || strict {
        let who = if strict { "strict mode" } else { "VRRP version 3" };
        lowering
            .report
            .refuse("no-address", draft.span, message)
            .because(format!("{who} needs one, or `no_virtual_ipaddress`; the instance is left out"));
        return false;
    }
    lowering
        .report
        .complain("no-address", draft.span, message)
        .because("it elects a master of nothing; say `no_virtual_ipaddress` if that is meant");
    true
}

/// Links of tracked addresses, routes and rules are followed as the own link is: without them they cannot be held.
/// (Those that are made for the instance are followed without being asked to.)
fn follow_links(settled: &Settled, own: Option<&str>, made: &Links, trackers: &mut Vec<Tracker>) {
    let addresses = settled.advertised.iter().chain(&settled.excluded);
    let of_addresses = addresses.filter(|address| address.tracked).map(|address| address.link.as_str());
    let of_routes = settled
        .routes
        .iter()
        .filter(|route| route.tracked)
        .flat_map(|route| route.hops.iter().filter_map(|hop| hop.link.as_deref()));
    let of_rules = settled
        .rules
        .iter()
        .filter(|rule| rule.tracked)
        .flat_map(|rule| [rule.input_link.as_deref(), rule.output_link.as_deref()].into_iter().flatten());
    for link in of_addresses.chain(of_routes).chain(of_rules) {
        let known = own == Some(link)
            || made.has(link)
            || trackers.iter().any(|tracker| {
                matches!(&tracker.target, TrackerTarget::Interface(name) if name == link)
                    && tracker.weight == 0
            });
        if !known {
            trackers.push(Tracker {
                target: TrackerTarget::Interface(link.to_owned()),
                weight: 0,
                reverse: false,
            });
        }
    }
}
