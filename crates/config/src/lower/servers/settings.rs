//! Words of `global_defs` about virtual servers.

use mainstay_core::director::plan::{AtStop, SyncPlan};
use mainstay_core::ipvs::{SyncDaemon, SyncRole, Timeouts};
use mainstay_core::time::Duration;

use super::super::Lowering;
use super::super::global::complained;
use super::super::values::{
    LONGEST_TIMER, address, integer, is_multicast, number, required, seconds, switch,
};
use crate::tree::{Statement, Word};

/// Takes in one statement; says whether it was one of these.
pub(crate) fn word(lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
    let report = &mut lowering.report;
    match statement.keyword() {
        "lvs_flush" => lowering.model.director.settings.flush = true,
        "lvs_flush_on_stop" | "lvs_flush_onstop" => {
            lowering.model.director.settings.at_stop = at_stop(lowering, statement);
        }
        "lvs_timeouts" => lvs_timeouts(lowering, statement),
        "lvs_sync_daemon" => lowering.model.director.settings.sync = lvs_sync_daemon(lowering, statement),
        "rs_init_notifies" => {
            lowering.model.director.settings.initial_notifies = switch(report, statement).unwrap_or(false);
        }
        "checker_log_all_failures" => {
            lowering.servers.log_all_failures = switch(report, statement).unwrap_or(false);
        }
        "panic_threshold" => {
            if let Some(word) = required(report, statement, "a percentage") {
                lowering.servers.panic_threshold = number(report, word, 0..=100).unwrap_or(0);
            }
        }
        "drain" => {
            if let Some(word) = required(report, statement, "seconds") {
                let range = Duration::ZERO..=LONGEST_TIMER;
                lowering.servers.drain = seconds(report, word, range).unwrap_or_default();
            }
        }
        _ => return false,
    }
    true
}

fn at_stop(lowering: &mut Lowering<'_>, statement: &Statement) -> AtStop {
    match statement.arguments().first() {
        None => AtStop::Flush,
        Some(word) if word.text == "VS" => AtStop::FlushOurs,
        Some(word) => {
            lowering
                .report
                .complain(
                    "unknown-option",
                    word.span,
                    format!("`{word}` is not an option of lvs_flush_on_stop"),
                )
                .because("expected `VS` or nothing; everything is flushed");
            AtStop::Flush
        }
    }
}

/// `IF [[inst] VRRP] [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]`.
fn lvs_sync_daemon(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<SyncPlan> {
    let mut daemon = plain_daemon(complained(lowering, statement, "an interface")?);
    let mut instance = None;
    let mut id = None;
    let mut words = statement.arguments()[1..].iter();
    while let Some(word) = words.next() {
        let option = word.text.as_str();
        if !matches!(option, "inst" | "id" | "maxlen" | "port" | "ttl" | "group") {
            instance = Some(word.text.clone());
            continue;
        }
        let Some(value) = words.next() else { break };
        let report = &mut lowering.report;
        match option {
            "inst" => instance = Some(value.text.clone()),
            "id" => id = number(report, value, 0..=255),
            "maxlen" => daemon.max_length = number(report, value, 1..=65_507),
            "port" => daemon.port = number(report, value, 1..=65_535),
            "ttl" => daemon.ttl = number(report, value, 1..=255),
            _ => daemon.group = address(&value.text).filter(|group| is_multicast(*group)),
        }
        if option == "group" && daemon.group.is_none() {
            bad_group(lowering, value);
        }
    }
    lowering.servers.sync_place = Some((statement.span(), id.is_some()));
    daemon.id = id.unwrap_or(0);
    Some(SyncPlan { daemon, instance })
}

/// With the kernel's own choices and id 0.
fn plain_daemon(interface: &Word) -> SyncDaemon {
    SyncDaemon {
        role: SyncRole::Master,
        interface: interface.text.clone(),
        id: 0,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    }
}

fn bad_group(lowering: &mut Lowering<'_>, word: &Word) {
    lowering
        .report
        .complain("not-multicast", word.span, format!("`{word}` is not a multicast address"))
        .because("the kernel's group is used");
}

/// `[tcp S] [tcpfin S] [udp S]`.
fn lvs_timeouts(lowering: &mut Lowering<'_>, statement: &Statement) {
    if statement.arguments().len() < 2 {
        let bare = Statement { words: statement.words[..1].to_vec(), ..statement.clone() };
        complained(lowering, &bare, "a timeout");
        return;
    }
    let mut timeouts = Timeouts::default();
    let mut words = statement.arguments().iter();
    while let Some(word) = words.next() {
        let place = match word.text.as_str() {
            "tcp" => &mut timeouts.tcp_s,
            "tcpfin" => &mut timeouts.tcp_fin_s,
            "udp" => &mut timeouts.udp_s,
            _ => {
                lowering
                    .report
                    .complain(
                        "unknown-option",
                        word.span,
                        format!("`{word}` is not an option of lvs_timeouts"),
                    )
                    .because("expected tcp, tcpfin or udp with seconds");
                continue;
            }
        };
        let Some(value) = words.next() else { break };
        if let Some(seconds) = integer(&mut lowering.report, value, 0..=2_678_400) {
            *place = u32::try_from(seconds).unwrap_or(0);
        }
    }
    lowering.model.director.settings.timeouts = timeouts;
}

/// `lvs_sync_daemon_interface` in a `vrrp_instance`, from before there was the global keyword, which wins; of several the
/// first. The id is 0 and not the VRID.
pub(super) fn sync_daemons_of_instances(lowering: &mut Lowering<'_>, statements: &[Statement]) {
    let instances = statements.iter().filter(|statement| statement.keyword() == "vrrp_instance");
    let words = instances.flat_map(|instance| instance.children().iter().map(move |word| (instance, word)));
    let mut said = words.filter(|(_, word)| word.keyword() == "lvs_sync_daemon_interface");
    let Some((instance, word)) = said.next().filter(|_| lowering.servers.sync_place.is_none()) else {
        return;
    };
    let (Some(name), Some(interface)) = (instance.arguments().first(), word.arguments().first()) else {
        return;
    };
    lowering.servers.sync_place = Some((word.span(), true));
    lowering.model.director.settings.sync =
        Some(SyncPlan { daemon: plain_daemon(interface), instance: Some(name.text.clone()) });
}

/// The instance the synchronisation follows is known now; its VRID is the id unless one was said.
pub(super) fn finish(lowering: &mut Lowering<'_>) {
    let Some((span, id_said)) = lowering.servers.sync_place else { return };
    let Some(sync) = &mut lowering.model.director.settings.sync else { return };
    let Some(name) = &sync.instance else { return };
    match lowering.model.router.instances.iter().find(|instance| instance.name == *name) {
        Some(instance) if !id_said => sync.daemon.id = instance.vrid.get(),
        Some(_) => {}
        None => {
            lowering
                .report
                .complain("unknown-instance", span, format!("there is no vrrp_instance `{name}`"))
                .because("connections are not synchronised");
            lowering.model.director.settings.sync = None;
        }
    }
}
