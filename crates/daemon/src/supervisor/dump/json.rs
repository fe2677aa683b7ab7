//! `keepalived.json`: for programs, with keepalived's keys in keepalived's order.

use std::time::Duration;

use mainstay_config::model::{Command, JsonVersion};
use mainstay_core::address::InterfaceAddress;
use mainstay_core::router::State;
use mainstay_core::router::plan::Authentication;
use serde::Serialize;
use serde_json::Number;

use super::view::{self, Instance, View};

/// The whole document.
///
/// Version 1 is a list of instances; version 2 has them beside the tracked processes.
pub fn text(view: &View<'_>, version: JsonVersion) -> String {
    let vrrp: Vec<_> =
        view.instances.iter().map(|instance| One { data: data(instance), stats: stats(instance) }).collect();
    let written = match version {
        JsonVersion::One => serde_json::to_string_pretty(&vrrp),
        JsonVersion::Two => {
            serde_json::to_string_pretty(&Everything { vrrp, track_process: processes(view) })
        }
    };
    // Plain values always can be written.
    written.unwrap_or_default() + "\n"
}

#[derive(Serialize)]
struct Everything {
    vrrp: Vec<One>,
    track_process: Vec<Process>,
}

#[derive(Serialize)]
struct One {
    data: Data,
    stats: Stats,
}

#[derive(Serialize)]
struct Process {
    name: String,
    quorum: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    quorum_max: Option<u32>,
    have_quorum: bool,
}

/// keepalived writes numbers where others write yes and no, and both here and there; so do we.
#[derive(Serialize)]
struct Data {
    iname: String,
    dont_track_primary: u8,
    skip_check_adv_addr: u8,
    strict_mode: u8,
    vmac_ifname: String,
    ifp_ifname: String,
    master_priority: u8,
    last_transition: f64,
    garp_delay: Number,
    garp_refresh: Number,
    garp_rep: u32,
    garp_refresh_rep: u32,
    garp_lower_prio_delay: Number,
    garp_lower_prio_rep: u32,
    lower_prio_no_advert: u8,
    higher_prio_send_advert: u8,
    vrid: u8,
    base_priority: u8,
    effective_priority: u8,
    vipset: bool,
    promote_secondaries: bool,
    adver_int: Number,
    master_adver_int: Number,
    accept: u8,
    nopreempt: bool,
    preempt_delay: Number,
    state: u8,
    wantstate: u8,
    version: u8,
    smtp_alert: bool,
    notify_deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_backup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_master: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_stop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_deleted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_master_rx_lower_pri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vips: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evips: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vroutes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vrules: Vec<String>,
    auth_type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_data: Option<&'static str>,
    /// Ours: why it is in its state.
    reason: String,
}

#[derive(Serialize)]
struct Stats {
    advert_rcvd: u64,
    advert_sent: u64,
    become_master: u64,
    release_master: u64,
    packet_len_err: u64,
    advert_interval_err: u64,
    ip_ttl_err: u64,
    invalid_type_rcvd: u64,
    addr_list_err: u64,
    invalid_authtype: u64,
    authtype_mismatch: u64,
    auth_failure: u64,
    /// Since keepalived 2.4; here only for an instance that has `auth_hmac`.
    #[serde(flatten)]
    signatures: Option<Signatures>,
    pri_zero_rcvd: u64,
    pri_zero_sent: u64,
}

#[derive(Serialize)]
struct Signatures {
    auth_ext_missing: u64,
    auth_ext_malformed: u64,
    auth_ext_unknown_key: u64,
    auth_ext_invalid_hmac: u64,
    auth_ext_stale: u64,
    auth_ext_replay: u64,
}

fn data(instance: &Instance<'_>) -> Data {
    let (plan, report) = (instance.plan, instance.report);
    let addresses = |addresses: &[std::sync::Arc<InterfaceAddress>]| {
        addresses.iter().map(|address| instance.address(address)).collect()
    };
    let script = |choose: fn(&mainstay_config::model::NotifyCommands) -> &Option<Command>| {
        let command = instance.notify.and_then(|notify| choose(notify).as_ref());
        command.map(|command| format!("'{}'", command.arguments.join(" ")))
    };
    let (preempts, preempt_delay) = instance.preempt();
    let announce = plan.announce;
    Data {
        iname: plan.name.clone(),
        dont_track_primary: plan.ignore_interface_fault.into(),
        skip_check_adv_addr: plan.skip_address_check.into(),
        strict_mode: plan.strict.into(),
        vmac_ifname: instance.made_link().map(|link| link.name.clone()).unwrap_or_default(),
        ifp_ifname: instance.interface(),
        // Of the master it hears: none while it is master itself.
        master_priority: if report.state == State::Master { 0 } else { report.master_priority },
        last_transition: (instance.since.as_micros() as f64) / 1e6,
        garp_delay: seconds(announce.delay),
        garp_refresh: seconds(announce.refresh),
        garp_rep: announce.repeat,
        garp_refresh_rep: announce.refresh_repeat,
        garp_lower_prio_delay: seconds(announce.lower_priority_delay),
        garp_lower_prio_rep: announce.lower_priority_repeat,
        lower_prio_no_advert: plan.lower_priority_no_advert.into(),
        higher_prio_send_advert: plan.higher_priority_send_advert.into(),
        vrid: plan.vrid.get(),
        base_priority: report.base_priority,
        effective_priority: report.effective_priority,
        vipset: instance.holds(),
        promote_secondaries: plan.promote_secondaries,
        adver_int: seconds(plan.advert_interval),
        master_adver_int: seconds(report.master_advert_interval),
        accept: plan.accept.into(),
        nopreempt: !preempts,
        preempt_delay: seconds(preempt_delay),
        state: number(report.state),
        wantstate: number(instance.wanted()),
        version: plan.version.number(),
        smtp_alert: instance.notify.is_some_and(|notify| notify.smtp_alert),
        notify_deleted: plan.notify_deleted,
        script_backup: script(|notify| &notify.backup),
        script_master: script(|notify| &notify.master),
        script_fault: script(|notify| &notify.fault),
        script_stop: script(|notify| &notify.stop),
        script_deleted: script(|notify| &notify.deleted),
        script: script(|notify| &notify.generic),
        script_master_rx_lower_pri: script(|notify| &notify.master_rx_lower_priority),
        vips: addresses(&plan.addresses),
        evips: addresses(&plan.excluded_addresses),
        vroutes: plan.routes.iter().map(|route| view::route(route)).collect(),
        vrules: plan.rules.iter().map(|rule| view::rule(rule)).collect(),
        auth_type: match plan.authentication {
            Authentication::None => 0,
            Authentication::Pass(_) => 1,
            Authentication::Ah(_) => 2,
        },
        // keepalived shows the password before 2.4.
        auth_data: (plan.authentication != Authentication::None).then_some("********"),
        reason: report.cause.to_string(),
    }
}

fn stats(instance: &Instance<'_>) -> Stats {
    let counters = &instance.counters;
    Stats {
        advert_rcvd: counters.adverts_received,
        advert_sent: counters.adverts_sent,
        become_master: counters.became_master,
        release_master: counters.released_master,
        packet_len_err: counters.packet_length_errors,
        advert_interval_err: counters.advert_interval_errors,
        ip_ttl_err: counters.ttl_errors,
        invalid_type_rcvd: counters.invalid_type,
        addr_list_err: counters.address_list_errors,
        invalid_authtype: counters.invalid_auth_type,
        authtype_mismatch: counters.auth_type_mismatch,
        auth_failure: counters.auth_failures,
        signatures: instance.plan.signature.as_ref().map(|_| Signatures {
            auth_ext_missing: counters.signatures_missing,
            auth_ext_malformed: counters.signatures_malformed,
            auth_ext_unknown_key: counters.signature_keys_unknown,
            auth_ext_invalid_hmac: counters.signatures_wrong,
            auth_ext_stale: counters.signatures_stale,
            auth_ext_replay: counters.signatures_replayed,
        }),
        pri_zero_rcvd: counters.priority_zero_received,
        pri_zero_sent: counters.priority_zero_sent,
    }
}

fn processes(view: &View<'_>) -> Vec<Process> {
    let up = |name: &str| {
        let name = format!("process {name}");
        view.report.trackers.iter().any(|tracker| tracker.name == name && tracker.up == Some(true))
    };
    let plans = view.model.router.processes.iter();
    plans
        .map(|plan| Process {
            name: plan.name.clone(),
            quorum: plan.quorum,
            quorum_max: plan.quorum_max,
            have_quorum: up(&plan.name),
        })
        .collect()
}

/// A whole number of seconds as such, as keepalived writes it.
fn seconds(time: Duration) -> Number {
    if time.subsec_nanos() == 0 {
        return time.as_secs().into();
    }
    Number::from_f64(time.as_secs_f64()).unwrap_or_else(|| time.as_secs().into())
}

const fn number(state: State) -> u8 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
    }
}
