//! `vrrp_instance`: first its [`words`] into a draft, then the [`choices`] that follow from them.

mod choices;
mod words;

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::address::{InterfaceAddress, Route, Rule};
use mainstay_core::router::plan::{InstancePlan, MismatchPolicy, Version, WantedState};

use super::notify::Notify;
use super::trackers::{self, Placed};
use super::{
    Lowering, announce, authentication, lease, only_name, signature, strict, sync_group, unicast,
    virtual_addresses, vmac,
};
use crate::tree::{Span, Statement, Word};

/// Priority of who owns the addresses.
const OWNER: NonZeroU8 = NonZeroU8::MAX;

/// An instance as its words say it; `None` is "not said". Spans are for what is said about it later.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) interface: Option<Word>,
    pub(crate) version: Option<(Version, Span)>,
    pub(crate) peers: unicast::Said,
    pub(crate) announce: announce::Said,
    pub(crate) lease: lease::Said,
    pub(crate) accept_said: Option<Span>,
    pub(crate) no_accept_said: Option<Span>,
    pub(crate) preempt_delay: Option<(Duration, Span)>,
    pub(crate) down_timer_adverts: Option<(u8, Span)>,
    pub(crate) lower_priority_no_advert: Option<(bool, Span)>,
    pub(crate) higher_priority_send_advert: Option<(bool, Span)>,
    pub(crate) mismatch_policy: Option<(MismatchPolicy, Span)>,
    probe_before_take: Option<bool>,
    claim_watch: Option<bool>,
    pub(crate) addresses: Vec<(InterfaceAddress, Span)>,
    pub(crate) excluded: Vec<(InterfaceAddress, Span)>,
    pub(crate) routes: Vec<Route>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) no_addresses_wanted: bool,
    pub(crate) vmac: vmac::Said,
    order: usize,
    state: Option<(WantedState, Span)>,
    vrid: Option<NonZeroU8>,
    priority: Option<(NonZeroU8, Span)>,
    interval: Option<(Duration, Span)>,
    nopreempt: Option<Span>,
    strict: Option<bool>,
    ignore_interface_fault: bool,
    track_source: Option<Span>,
    promote_secondaries: Option<Span>,
    authentication: authentication::Said,
    signature: Option<signature::Said>,
    checksum_without_pseudo_header: Option<bool>,
    skip_address_check: Option<bool>,
    owner_ignores_adverts: Option<bool>,
    timer_expired_backup: Option<NonZeroU8>,
    trackers: Vec<Placed>,
    notify: Notify,
    receive_buffer: Option<u32>,
    native_ipv6: Option<Span>,
}

impl Draft {
    fn new(name: String, span: Span, order: usize) -> Self {
        Self {
            name,
            span,
            interface: None,
            version: None,
            peers: unicast::Said::default(),
            announce: announce::Said::default(),
            lease: lease::Said::default(),
            accept_said: None,
            no_accept_said: None,
            preempt_delay: None,
            down_timer_adverts: None,
            lower_priority_no_advert: None,
            higher_priority_send_advert: None,
            mismatch_policy: None,
            probe_before_take: None,
            claim_watch: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            no_addresses_wanted: false,
            vmac: vmac::Said::default(),
            order,
            state: None,
            vrid: None,
            priority: None,
            interval: None,
            nopreempt: None,
            strict: None,
            ignore_interface_fault: false,
            track_source: None,
            promote_secondaries: None,
            authentication: authentication::Said::default(),
            signature: None,
            checksum_without_pseudo_header: None,
            skip_address_check: None,
            owner_ignores_adverts: None,
            timer_expired_backup: None,
            trackers: Vec::new(),
            notify: Notify::default(),
            receive_buffer: None,
            native_ipv6: None,
        }
    }
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
    let mut draft = Draft::new(name, block.span(), order);
    for statement in block.children() {
        words::read(lowering, &mut draft, statement);
    }
    if let Some(plan) = finish(lowering, draft) {
        lowering.places.insert(plan.name.clone(), block.span());
        lowering.model.router.instances.push(plan);
    }
}

/// The rules between the words, in keepalived's order.
fn finish(lowering: &mut Lowering<'_>, mut draft: Draft) -> Option<InstancePlan> {
    let name = draft.name.clone();
    let interface = choices::interface(lowering, &draft);
    let vrid = draft.vrid.or_else(|| {
        lowering
            .report
            .refuse("missing-vrid", draft.span, format!("`{name}` has no virtual_router_id"))
            .because("expected `virtual_router_id` with 1 to 255; the instance is left out");
        None
    });
    let family = choices::family(lowering, &mut draft);
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
    let mut version = choices::version(lowering, &draft, family, strict);
    if strict {
        draft.vmac.make_strict(lowering);
        if !strict::apply(lowering, &mut draft, family, &mut version, wanted, owner) {
            return None;
        }
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
    let preempt = choices::preempt(lowering, &draft, wanted, owner);
    let interval = choices::interval(lowering, &draft, version);
    choices::promoted_anyway(lowering, &draft);
    let interface = interface?;
    let facts = vmac::Facts {
        family,
        vrid: vrid?,
        unicast: draft.peers.is_unicast(),
        has_ipv6: draft.addresses.iter().chain(&draft.excluded).any(|(own, _)| own.address.is_ipv6()),
        link_local: draft.peers.source().filter(|source| source.is_ipv6() && is_link_local(*source)),
    };
    let said = std::mem::take(&mut draft.vmac);
    let (mut links, adverts) = vmac::settle(lowering, said, interface.as_deref(), facts)?;
    let in_group = sync_group::forbids_weights(lowering, &name);
    let placed = choices::own_interface_left_out(lowering, std::mem::take(&mut draft.trackers), &draft);
    let mut trackers = trackers::settle(lowering, placed, owner, in_group);
    let settled =
        virtual_addresses::settle(lowering, &mut draft, family, version, strict, &mut links, &mut trackers);
    let addresses = settled?;
    if let (Some(signature), Some(span)) = (&draft.signature, draft.authentication.span()) {
        lowering
            .report
            .complain(
                "auth-twice",
                span,
                format!("`{name}` has auth_hmac and the authentication of version 2"),
            )
            .because(format!("only auth_hmac is used (line {})", signature.span.line));
        draft.authentication = authentication::Said::default();
    }
    let authentication =
        std::mem::take(&mut draft.authentication).finish(&mut lowering.report, (version, family), strict);
    let signature = draft.signature.take().map(|said| said.finish(&mut lowering.report, interval, strict));
    let (source, destination) = std::mem::take(&mut draft.peers).finish(lowering, &name, family)?;
    let track_source = draft.track_source.is_some() && source.is_some();
    if let (Some(span), None) = (draft.track_source, source) {
        lowering
            .report
            .warn("track-source-without-source", span, "`track_src_ip` needs mcast_src_ip or unicast_src_ip")
            .because("it is ignored");
    }
    let accept = choices::accept(&draft, strict, owner);
    let defaults = &lowering.defaults;
    let announce = draft.announce.over(defaults.announce);
    let notify_deleted = draft.notify.deleted;
    let priority_changes = draft.notify.priority_changes;
    if priority_changes.is_some() {
        lowering.defaults.said_priority_changes.insert(name.clone());
    }
    let defaults = &lowering.defaults;
    let mut plan = InstancePlan {
        name: name.clone(),
        vrid: vrid?,
        version,
        family,
        interface: adverts,
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
        signature,
        checksum_without_pseudo_header: draft
            .checksum_without_pseudo_header
            .unwrap_or(defaults.checksum_without_pseudo_header),
        skip_address_check: draft.skip_address_check.unwrap_or(defaults.skip_address_check),
        strict,
        probe_before_take: draft.probe_before_take.unwrap_or(defaults.probe_before_take),
        claim_watch: draft.claim_watch.unwrap_or(defaults.claim_watch),
        mismatch_policy: draft.mismatch_policy.map_or(defaults.mismatch_policy, |(policy, _)| policy),
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
        lease: None,
    };
    plan.lease = draft.lease.settle(&mut lowering.report, lowering.defaults.lease, &plan);
    lowering.model.router.virtual_links.extend(links.into_made().map(Arc::new));
    if let Some(commands) = draft.notify.finish(lowering) {
        lowering.model.instance_notify.insert(name, commands);
    }
    Some(plan)
}

/// Whether an address is link-local.
pub(crate) const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
