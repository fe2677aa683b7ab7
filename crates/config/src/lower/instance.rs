//! `vrrp_instance`: first its words into a draft, then the rules between them.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use mainstay_core::address::{Family, InterfaceAddress, Route, Rule};
use mainstay_core::router::plan::{InstancePlan, Preempt, Version, WantedState};

use super::addresses::{self, Place};
use super::notify::Notify;
use super::trackers::{self, Placed};
use super::values::{integer, link_name, number, required, seconds, switch};
use super::{
    Lowering, announce, authentication, global, only_name, routes, rules, strict, sync_group, unicast,
    virtual_addresses,
};
use crate::tree::{Span, Statement, Word};

/// Priority of who owns the addresses.
const OWNER: NonZeroU8 = NonZeroU8::MAX;

/// Longest interval of version 3: twelve bits of centiseconds.
const LONGEST_V3_INTERVAL: Duration = Duration::from_millis(40_950);

/// An instance as its words say it; `None` is "not said". Spans are for what is said about it later.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) interface: Option<Word>,
    pub(crate) version: Option<(Version, Span)>,
    pub(crate) peers: unicast::Said,
    pub(crate) announce: announce::Said,
    pub(crate) accept_said: Option<Span>,
    pub(crate) no_accept_said: Option<Span>,
    pub(crate) preempt_delay: Option<(Duration, Span)>,
    pub(crate) down_timer_adverts: Option<(u8, Span)>,
    pub(crate) lower_priority_no_advert: Option<(bool, Span)>,
    pub(crate) higher_priority_send_advert: Option<(bool, Span)>,
    pub(crate) addresses: Vec<(InterfaceAddress, Span)>,
    pub(crate) excluded: Vec<(InterfaceAddress, Span)>,
    pub(crate) routes: Vec<Route>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) no_addresses_wanted: bool,
    pub(crate) vmac: Option<Span>,
    order: usize,
    state: Option<(WantedState, Span)>,
    vrid: Option<NonZeroU8>,
    priority: Option<(NonZeroU8, Span)>,
    interval: Option<(Duration, Span)>,
    nopreempt: Option<Span>,
    strict: Option<bool>,
    ignore_interface_fault: bool,
    track_source: bool,
    promote_secondaries: Option<Span>,
    authentication: authentication::Said,
    checksum_without_pseudo_header: Option<bool>,
    skip_address_check: Option<bool>,
    owner_ignores_adverts: Option<bool>,
    timer_expired_backup: Option<NonZeroU8>,
    trackers: Vec<Placed>,
    notify: Notify,
    receive_buffer: Option<u32>,
    native_ipv6: Option<Span>,
    vmac_transmit_base: Option<Span>,
}

/// Lowers one block; whatever makes it unusable leaves it out.
pub(crate) fn lower(lowering: &mut Lowering<'_>, block: &Statement, order: usize) {
    let Some(name) = only_name(lowering, block) else { return };
    if lowering.model.router.instances.iter().any(|instance| instance.name == name) {
        lowering
            .report
            .refuse("duplicate-name", block.span(), format!("vrrp_instance `{name}` is defined twice"))
            .because("the first one counts; this one is left out");
        return;
    }
    let mut draft = Draft {
        name,
        span: block.span(),
        interface: None,
        version: None,
        peers: unicast::Said::default(),
        announce: announce::Said::default(),
        accept_said: None,
        no_accept_said: None,
        preempt_delay: None,
        down_timer_adverts: None,
        lower_priority_no_advert: None,
        higher_priority_send_advert: None,
        addresses: Vec::new(),
        excluded: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        no_addresses_wanted: false,
        vmac: None,
        order,
        state: None,
        vrid: None,
        priority: None,
        interval: None,
        nopreempt: None,
        strict: None,
        ignore_interface_fault: false,
        track_source: false,
        promote_secondaries: None,
        authentication: authentication::Said::default(),
        checksum_without_pseudo_header: None,
        skip_address_check: None,
        owner_ignores_adverts: None,
        timer_expired_backup: None,
        trackers: Vec::new(),
        notify: Notify::default(),
        receive_buffer: None,
        native_ipv6: None,
        vmac_transmit_base: None,
    };
    for statement in block.children() {
        read(lowering, &mut draft, statement);
    }
    if let Some(plan) = finish(lowering, draft) {
        lowering.places.insert(plan.name.clone(), block.span());
        lowering.model.router.instances.push(plan);
    }
}

fn read(lowering: &mut Lowering<'_>, draft: &mut Draft, statement: &Statement) {
    let keyword = statement.keyword();
    if let Some(kind) = trackers::kind(keyword) {
        return trackers::lower(lowering, statement, kind, draft.order, &mut draft.trackers);
    }
    if draft.peers.word(lowering, statement)
        || draft.notify.word(lowering, statement)
        || draft.announce.word(&mut lowering.report, statement, keyword, 0)
        || blocks(lowering, draft, statement)
        || flags(lowering, draft, statement)
    {
        return;
    }
    let report = &mut lowering.report;
    let span = statement.span();
    match keyword {
        "state" => {
            if let Some(word) = required(report, statement, "MASTER or BACKUP") {
                draft.state = Some((state(lowering, word), word.span));
            }
        }
        "interface" => {
            if let Some(word) = required(report, statement, "an interface")
                && link_name(report, word).is_some()
            {
                draft.interface = Some(word.clone());
            }
        }
        "virtual_router_id" => {
            if let Some(word) = required(report, statement, "a number") {
                draft.vrid = number::<u8>(report, word, 1..=255).and_then(NonZeroU8::new);
            }
        }
        "priority" => {
            if let Some(word) = required(report, statement, "a number") {
                let found = number::<u8>(report, word, 1..=255).and_then(NonZeroU8::new);
                draft.priority = found.map(|priority| (priority, word.span));
            }
        }
        "version" => {
            if let Some(word) = required(report, statement, "2 or 3") {
                draft.version = global::version(report, word).map(|version| (version, word.span));
            }
        }
        "advert_int" => {
            let range = Duration::from_millis(10)..=Duration::from_secs(255);
            if let Some(word) = required(report, statement, "seconds") {
                draft.interval = seconds(report, word, range).map(|interval| (interval, word.span));
            }
        }
        "preempt_delay" => {
            let range = Duration::ZERO..=Duration::from_secs(1000);
            if let Some(word) = required(report, statement, "seconds") {
                draft.preempt_delay = seconds(report, word, range)
                    .filter(|delay| !delay.is_zero())
                    .map(|delay| (delay, word.span));
            }
        }
        "down_timer_adverts" => {
            if let Some(word) = required(report, statement, "a number") {
                draft.down_timer_adverts = number(report, word, 1..=100).map(|adverts| (adverts, word.span));
            }
        }
        "timer_expired_backup" | "thread_timer_expired" => {
            draft.timer_expired_backup = match statement.arguments().first() {
                Some(word) => number::<u8>(report, word, 1..=254).and_then(NonZeroU8::new),
                None => NonZeroU8::new(254),
            };
        }
        "kernel_rx_buf_size" => {
            if let Some(word) = required(report, statement, "bytes") {
                draft.receive_buffer = number(report, word, 0..=i64::from(u32::MAX));
            }
        }
        "debug" => {
            if let Some(word) = required(report, statement, "a number") {
                integer(report, word, 0..=4);
            }
        }
        "vrf" => report.not_yet(span, "vrf", "adverts go through the interface's own table"),
        _ => {}
    }
}

/// Blocks of addresses, routes, rules and keys.
fn blocks(lowering: &mut Lowering<'_>, draft: &mut Draft, statement: &Statement) -> bool {
    let lines = statement.children();
    match statement.keyword() {
        "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
            let place = if statement.keyword() == "virtual_ipaddress" {
                &mut draft.addresses
            } else {
                &mut draft.excluded
            };
            for line in lines {
                if let Some(address) = addresses::lower(lowering, line, Place::Virtual) {
                    place.push((address, line.span()));
                }
            }
        }
        "virtual_routes" => {
            draft.routes.extend(lines.iter().filter_map(|line| routes::lower(lowering, line, false)));
        }
        "virtual_rules" => {
            draft.rules.extend(lines.iter().filter_map(|line| rules::lower(lowering, line, false)));
        }
        "authentication" => draft.authentication.block(&mut lowering.report, statement),
        "auth_hmac" => authentication::hmac(lowering, statement),
        _ => return false,
    }
    true
}

/// Words that are switches.
fn flags(lowering: &mut Lowering<'_>, draft: &mut Draft, statement: &Statement) -> bool {
    let report = &mut lowering.report;
    let span = statement.span();
    match statement.keyword() {
        "nopreempt" => draft.nopreempt = Some(span),
        "preempt" => draft.nopreempt = None,
        "accept" => {
            draft.accept_said = Some(span);
            draft.no_accept_said = None;
        }
        "no_accept" => {
            draft.no_accept_said = Some(span);
            draft.accept_said = None;
        }
        "strict_mode" => draft.strict = switch(report, statement),
        "dont_track_primary" => draft.ignore_interface_fault = true,
        "track_src_ip" => draft.track_source = true,
        "promote_secondaries" => draft.promote_secondaries = Some(span),
        "no_virtual_ipaddress" => draft.no_addresses_wanted = true,
        "v3_checksum_as_v2" => draft.checksum_without_pseudo_header = switch(report, statement),
        // DIFFERS: in keepalived `skip_check_adv_addr false` sets it too.
        "skip_check_adv_addr" => draft.skip_address_check = switch(report, statement),
        "owner_ignore_adverts" => draft.owner_ignores_adverts = switch(report, statement),
        "lower_prio_no_advert" => {
            draft.lower_priority_no_advert = switch(report, statement).map(|value| (value, span));
        }
        "higher_prio_send_advert" => {
            draft.higher_priority_send_advert = switch(report, statement).map(|value| (value, span));
        }
        "native_ipv6" => draft.native_ipv6 = Some(span),
        "use_vmac" | "use_ipvlan" => {
            draft.vmac = Some(span);
            let instead = "adverts and addresses use the interface itself and its own MAC address";
            report.not_yet(span, statement.keyword(), instead);
        }
        "use_vmac_addr" => report.not_yet(span, "use_vmac_addr", "addresses go on their interfaces"),
        "vmac_xmit_base" => draft.vmac_transmit_base = Some(span),
        _ => return false,
    }
    true
}

/// `MASTER` or `BACKUP`; anything else is BACKUP.
fn state(lowering: &mut Lowering<'_>, word: &Word) -> WantedState {
    match word.text.as_str() {
        "MASTER" => WantedState::Master,
        "BACKUP" => WantedState::Backup,
        other => {
            let meant = if other.eq_ignore_ascii_case("master") { "MASTER" } else { "BACKUP" };
            lowering
                .report
                .complain("unknown-state", word.span, format!("there is no state `{other}`"))
                .because("expected MASTER or BACKUP; BACKUP is used")
                .suggest(meant);
            WantedState::Backup
        }
    }
}

/// The rules between the words, in keepalived's order.
fn finish(lowering: &mut Lowering<'_>, mut draft: Draft) -> Option<InstancePlan> {
    let name = draft.name.clone();
    let interface = interface(lowering, &draft);
    let vrid = draft.vrid.or_else(|| {
        lowering
            .report
            .refuse("missing-vrid", draft.span, format!("`{name}` has no virtual_router_id"))
            .because("the instance is left out")
            .suggest("virtual_router_id NUMBER");
        None
    });
    let family = family(lowering, &mut draft);
    let owner_by_state = draft.priority.is_none() && matches!(draft.state, Some((WantedState::Master, _)));
    let priority = match draft.priority {
        Some((priority, _)) => priority,
        None if owner_by_state => OWNER,
        None => NonZeroU8::new(100).unwrap_or(OWNER),
    };
    let owner = priority == OWNER;
    let mut wanted = match draft.state {
        Some((state, _)) => state,
        None if owner => WantedState::Master,
        None => WantedState::Backup,
    };
    let strict = draft.strict.unwrap_or(lowering.defaults.strict);
    let mut version = version(lowering, &draft, family, strict);
    if strict && !strict::apply(lowering, &mut draft, family, &mut version, wanted, owner) {
        return None;
    }
    if wanted == WantedState::Master && !owner && draft.authentication.is_ah() && version == Version::V2 {
        lowering
            .report
            .complain(
                "ah-with-master",
                draft.state.map(|(_, span)| span),
                format!("`{name}`: state MASTER does not go with AH"),
            )
            .because("BACKUP is used");
        wanted = WantedState::Backup;
    }
    let preempt = preempt(lowering, &draft, wanted, owner);
    let interval = interval(lowering, &draft, version);
    vmac(lowering, &draft);
    let in_group = sync_group::forbids_weights(lowering, &name);
    let placed = own_interface_left_out(lowering, std::mem::take(&mut draft.trackers), &draft);
    let mut trackers = trackers::settle(lowering, placed, owner, in_group);
    let addresses = virtual_addresses::settle(lowering, &mut draft, family, version, strict, &mut trackers)?;
    let authentication =
        std::mem::take(&mut draft.authentication).finish(&mut lowering.report, version, strict);
    let (source, destination) = std::mem::take(&mut draft.peers).finish(lowering, &name, family)?;
    let track_source = draft.track_source && source.is_some();
    let accept = accept(lowering, &draft, strict, owner);
    let defaults = &lowering.defaults;
    let announce = draft.announce.over(defaults.announce);
    let notify_deleted = draft.notify.deleted;
    let priority_changes = draft.notify.priority_changes;
    if priority_changes.is_some() {
        lowering.defaults.said_priority_changes.insert(name.clone());
    }
    let defaults = &lowering.defaults;
    let plan = InstancePlan {
        name: name.clone(),
        vrid: vrid?,
        version,
        family,
        interface: interface?,
        ignore_interface_fault: draft.ignore_interface_fault,
        source,
        track_source,
        destination,
        wanted,
        priority,
        advert_interval: interval,
        down_timer_adverts: draft
            .down_timer_adverts
            .map_or(defaults.down_timer_adverts, |(adverts, _)| adverts),
        preempt,
        addresses: addresses.advertised,
        excluded_addresses: addresses.excluded,
        routes: addresses.routes,
        rules: addresses.rules,
        promote_secondaries: draft.promote_secondaries.is_some(),
        authentication,
        checksum_without_pseudo_header: draft
            .checksum_without_pseudo_header
            .unwrap_or(defaults.checksum_without_pseudo_header),
        skip_address_check: draft.skip_address_check.unwrap_or(defaults.skip_address_check),
        strict,
        accept,
        lower_priority_no_advert: draft
            .lower_priority_no_advert
            .map(|(value, _)| value)
            .or(defaults.lower_priority_no_advert)
            .unwrap_or(strict),
        higher_priority_send_advert: draft
            .higher_priority_send_advert
            .map_or(defaults.higher_priority_send_advert, |(value, _)| value),
        owner_ignores_adverts: owner
            && draft.owner_ignores_adverts.or(defaults.owner_ignores_adverts).unwrap_or(strict),
        timer_expired_backup: draft.timer_expired_backup,
        announce,
        trackers,
        notify_priority_changes: priority_changes
            .unwrap_or(lowering.model.router.settings.notify_priority_changes),
        notify_deleted,
        receive_buffer: draft.receive_buffer,
    };
    if let Some(commands) = draft.notify.finish(lowering) {
        lowering.model.instance_notify.insert(name, commands);
    }
    Some(plan)
}

/// The link adverts go through; `None` refuses the instance.
fn interface(lowering: &mut Lowering<'_>, draft: &Draft) -> Option<Option<String>> {
    let name = &draft.name;
    let Some(word) = &draft.interface else {
        if draft.peers.is_unicast() && draft.peers.has_source() {
            return Some(None);
        }
        lowering
            .report
            .refuse("missing-interface", draft.span, format!("`{name}` has no interface"))
            .because("only unicast with unicast_src_ip can do without; the instance is left out")
            .suggest("interface NAME");
        return None;
    };
    if lowering.host.interface(&word.text).is_some_and(|facts| facts.loopback) {
        lowering
            .report
            .refuse("loopback", word.span, format!("`{word}` is a loopback interface"))
            .because("no other router can be reached through it; the instance is left out");
        return None;
    }
    lowering
        .interface_exists(
            word,
            &format!("`{name}`"),
            "the instance is left out; keepalived would not start at all",
        )
        .then(|| Some(word.text.clone()))
}

/// The family of the first virtual address decides, else peers and source, else IPv4.
fn family(lowering: &mut Lowering<'_>, draft: &mut Draft) -> Family {
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

fn version(lowering: &mut Lowering<'_>, draft: &Draft, family: Family, strict: bool) -> Version {
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
                .suggest("version 3");
            Version::V2
        }
        (_, Some(version)) => version,
        (Family::V4, None) => lowering.defaults.version.unwrap_or(Version::V2),
    }
}

fn preempt(lowering: &mut Lowering<'_>, draft: &Draft, wanted: WantedState, owner: bool) -> Preempt {
    let report = &mut lowering.report;
    let mut nopreempt = draft.nopreempt;
    if let Some(span) = nopreempt
        && (owner || wanted == WantedState::Master)
    {
        let why = if owner { "priority 255" } else { "state MASTER" };
        report
            .complain("nopreempt-with-master", span, format!("`nopreempt` does not work with {why}"))
            .because("it is cleared: this node takes the addresses back when it returns")
            .suggest("state BACKUP");
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
fn interval(lowering: &mut Lowering<'_>, draft: &Draft, version: Version) -> Duration {
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
            Version::V2 => "VRRP version 2 counts whole seconds",
            Version::V3 => "VRRP version 3 counts hundredths of a second",
        };
        report
            .complain("advert-interval", span, what)
            .because(format!("{} s is used", rounded.as_secs_f64()))
            .suggest("version 3");
    }
    rounded
}

fn accept(lowering: &mut Lowering<'_>, draft: &Draft, strict: bool, owner: bool) -> bool {
    let accept = owner || if strict { draft.accept_said.is_some() } else { draft.no_accept_said.is_none() };
    if !accept {
        lowering.report.not_yet(
            draft.no_accept_said.unwrap_or(draft.span),
            if strict { "strict mode without accept" } else { "no_accept" },
            "packets to the virtual addresses are not dropped by a firewall",
        );
    }
    accept
}

/// What goes with virtual MAC addresses only.
fn vmac(lowering: &mut Lowering<'_>, draft: &Draft) {
    let report = &mut lowering.report;
    match (draft.vmac, draft.vmac_transmit_base) {
        (None, Some(span)) => {
            report
                .complain("vmac-word", span, "`vmac_xmit_base` only goes with use_vmac")
                .because("it is ignored");
        }
        (Some(span), None) if draft.peers.is_unicast() => {
            report
                .complain("vmac-word", span, "unicast with use_vmac needs vmac_xmit_base")
                .suggest("vmac_xmit_base");
        }
        (None, None) | (Some(_), _) => {}
    }
    if let (Some(_), Some(span)) = (draft.vmac, draft.promote_secondaries) {
        report.complain("vmac-word", span, "`promote_secondaries` is always set with use_vmac");
    }
}

/// The own interface is tracked anyway.
fn own_interface_left_out(lowering: &mut Lowering<'_>, placed: Vec<Placed>, draft: &Draft) -> Vec<Placed> {
    use mainstay_core::router::plan::TrackerTarget;
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

/// Whether an address is link-local.
pub(crate) const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
