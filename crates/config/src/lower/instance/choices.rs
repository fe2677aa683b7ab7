//! What follows from the words of a `vrrp_instance`: each choice with its rule.

use std::time::Duration;

use mainstay_core::address::Family;
use mainstay_core::router::plan::{Preempt, TrackerTarget, Version, WantedState};

use super::super::Lowering;
use super::super::trackers::Placed;
use super::Draft;

/// Longest interval of version 3: twelve bits of centiseconds.
const LONGEST_V3_INTERVAL: Duration = Duration::from_millis(40_950);

/// The link adverts go through; `None` refuses the instance.
pub(super) fn interface(lowering: &mut Lowering<'_>, draft: &Draft) -> Option<Option<String>> {
    let name = &draft.name;
    let Some(word) = &draft.interface else {
        if draft.peers.is_unicast() && draft.peers.has_source() {
            return Some(None);
        }
        lowering
            .report
            .refuse("missing-interface", draft.span, format!("`{name}` has no interface"))
            .because("only unicast with unicast_src_ip can do without; the instance is left out");
        return None;
    };
    if lowering.host.interface(&word.text).is_some_and(|facts| facts.loopback) {
        lowering
            .report
            .refuse("loopback", word.span, format!("`{word}` is a loopback interface"))
            .because("no other router can be reached through it; the instance is left out");
        return None;
    }
    // DIFFERS: keepalived does not start, unless `dynamic_interfaces` is set, and leaves it to the service manager to
    // try again. At boot the interface may be a second late: the instance waits for it, the others run.
    lowering.interface_exists(
        word,
        &format!("`{name}`"),
        "the instance is in FAULT until it appears; keepalived would not start at all",
    );
    Some(Some(word.text.clone()))
}

/// The family of the first virtual address decides, else peers and source, else IPv4.
pub(super) fn family(lowering: &mut Lowering<'_>, draft: &mut Draft) -> Family {
    let family = draft
        .addresses
        .first()
        .map(|(address, _)| Family::of(address.address))
        .or_else(|| draft.peers.family())
        .or_else(|| draft.native_ipv6.map(|_| Family::V6))
        .unwrap_or(Family::V4);
    if let (Some(span), Family::V4) = (draft.native_ipv6, family) {
        lowering
            .report
            .complain("native-ipv6", span, "`native_ipv6` does not go with IPv4 addresses")
            .because("the instance is IPv4");
    }
    family
}

pub(super) fn version(lowering: &mut Lowering<'_>, draft: &Draft, family: Family, strict: bool) -> Version {
    let said = draft.version.map(|(version, _)| version);
    match (family, said) {
        (Family::V6, None) => Version::V3,
        (Family::V6, Some(Version::V2)) if !strict => {
            lowering
                .report
                .warn(
                    "version-2-with-ipv6",
                    draft.version.map(|(_, span)| span),
                    format!("`{}`: VRRP version 2 is not defined for IPv6", draft.name),
                )
                .because("only keepalived speaks it")
                .suggest("3");
            Version::V2
        }
        (_, Some(version)) => version,
        (Family::V4, None) => lowering.defaults.version.unwrap_or(Version::V2),
    }
}

pub(super) fn preempt(
    lowering: &mut Lowering<'_>,
    draft: &Draft,
    wanted: WantedState,
    owner: bool,
) -> Preempt {
    let report = &mut lowering.report;
    let mut nopreempt = draft.nopreempt;
    if let Some(span) = nopreempt
        && (owner || wanted == WantedState::Master)
    {
        let why = if owner { "priority 255" } else { "state MASTER" };
        report
            .complain("nopreempt-with-master", span, format!("`nopreempt` does not work with {why}"))
            .because("it is cleared: this node takes the addresses back when it returns; say `state BACKUP` on both nodes");
        nopreempt = None;
    }
    let mut delay = Duration::ZERO;
    if let Some((wanted_delay, span)) = draft.preempt_delay {
        let why = if nopreempt.is_some() {
            Some("nopreempt")
        } else if owner || wanted == WantedState::Master {
            Some("state MASTER")
        } else {
            None
        };
        match why {
            Some(why) => {
                report
                    .complain("preempt-delay", span, format!("`preempt_delay` does not work with {why}"))
                    .because("it is cleared");
            }
            None => delay = wanted_delay,
        }
    }
    if nopreempt.is_some() { Preempt::Never } else { Preempt::After(delay) }
}

/// Version 2 has whole seconds, version 3 centiseconds up to 40.95 s.
pub(super) fn interval(lowering: &mut Lowering<'_>, draft: &Draft, version: Version) -> Duration {
    let Some((said, span)) = draft.interval else { return Duration::from_secs(1) };
    let (unit_ms, most) = match version {
        Version::V2 => (1000, Duration::from_secs(255)),
        Version::V3 => (10, LONGEST_V3_INTERVAL),
    };
    let report = &mut lowering.report;
    if said > most {
        report
            .complain("advert-interval", span, format!("VRRP version 3 cannot wait {} s", said.as_secs_f64()))
            .because(format!("{} s is used", most.as_secs_f64()));
        return most;
    }
    let micros = u64::try_from(said.as_micros()).unwrap_or(u64::MAX);
    let unit = unit_ms * 1000;
    let rounded = Duration::from_micros(((micros + unit / 2) / unit).max(1) * unit);
    if rounded != said {
        let what = match version {
            Version::V2 => "VRRP version 2 counts whole seconds; version 3 counts hundredths",
            Version::V3 => "VRRP version 3 counts hundredths of a second",
        };
        report
            .complain("advert-interval", span, what)
            .because(format!("{} s is used", rounded.as_secs_f64()))
            .suggest(rounded.as_secs_f64().to_string());
    }
    rounded
}

/// Whether packets for the virtual addresses are taken: always by an owner, in strict mode only if that is said.
pub(super) const fn accept(draft: &Draft, strict: bool, owner: bool) -> bool {
    owner || if strict { draft.accept_said.is_some() } else { draft.no_accept_said.is_none() }
}

/// A link with a virtual MAC address has `promote_secondaries` set in any case.
pub(super) fn promoted_anyway(lowering: &mut Lowering<'_>, draft: &Draft) {
    if let (Some(_), Some(span)) = (&draft.vmac.link, draft.promote_secondaries) {
        lowering.report.complain("vmac-word", span, "`promote_secondaries` is always set with use_vmac");
    }
}

/// The own interface is tracked anyway.
pub(super) fn own_interface_left_out(
    lowering: &mut Lowering<'_>,
    placed: Vec<Placed>,
    draft: &Draft,
) -> Vec<Placed> {
    let Some(own) = &draft.interface else { return placed };
    let mut kept = Vec::new();
    for tracker in placed {
        if matches!(&tracker.tracker.target, TrackerTarget::Interface(name) if *name == own.text) {
            lowering
                .report
                .complain("own-interface", tracker.span, format!("`{own}` is the instance's own interface"))
                .because("it is tracked in any case (see dont_track_primary)");
        } else {
            kept.push(tracker);
        }
    }
    kept
}
