//! `global_defs` and the words of the root: settings of the node, and the defaults of everything else.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use mainstay_core::address::Family;
use mainstay_core::router::plan::{AnnouncePlan, MismatchPolicy, Version};

use super::announce::{self, AnnounceDefaults};
use super::commands::{self, Purpose};
use super::values::{
    LONGEST_TIMER, address, integer, is_multicast, link_name, number, required, seconds, switch,
    whole_seconds,
};
use super::{Lowering, dumps, heartbeats, later, lease, mail, notify, scheduling, servers, snmp, windows};
use crate::model::{ReloadTime, TimedCommand};
use crate::tree::{Statement, Word};

/// Where `reload_file` is if it does not say.
const RELOAD_FILE: &str = "/run/keepalived.reload";

/// What instances and other blocks take from `global_defs`.
#[derive(Debug)]
pub(crate) struct Defaults {
    /// `default_interface`: for addresses that name none.
    pub(crate) interface: String,
    /// `vmac_prefix`: what names of links for virtual MAC addresses begin with.
    pub(crate) vmac_prefix: String,
    /// `vmac_addr_prefix`: the same of links that single addresses have.
    pub(crate) vmac_address_prefix: Option<String>,
    /// `vrrp_version`.
    pub(crate) version: Option<Version>,
    /// `vrrp_mcast_group4`.
    pub(crate) group4: Ipv4Addr,
    /// `vrrp_mcast_group6`.
    pub(crate) group6: Ipv6Addr,
    /// What was said about announcements.
    pub(crate) said: AnnounceDefaults,
    /// What comes of it.
    pub(crate) announce: AnnouncePlan,
    /// `vip_lease` and `only_if_peer_seen`.
    pub(crate) lease: lease::Said,
    /// What was said about heartbeats, also by instances.
    pub(crate) heartbeats: heartbeats::Said,
    /// `vrrp_down_timer_adverts`.
    pub(crate) down_timer_adverts: u8,
    /// `vrrp_lower_prio_no_advert`.
    pub(crate) lower_priority_no_advert: Option<bool>,
    /// `vrrp_higher_prio_send_advert`.
    pub(crate) higher_priority_send_advert: bool,
    /// `vrrp_owner_ignore_adverts`.
    pub(crate) owner_ignores_adverts: Option<bool>,
    /// `vrrp_check_unicast_src`.
    pub(crate) check_unicast_source: bool,
    /// `vrrp_skip_check_adv_addr`.
    pub(crate) skip_address_check: bool,
    /// `vrrp_strict`.
    pub(crate) strict: bool,
    /// `v3_checksum_as_v2`.
    pub(crate) checksum_without_pseudo_header: bool,
    /// `mismatch_policy`.
    pub(crate) mismatch_policy: MismatchPolicy,
    /// `probe_before_take`.
    pub(crate) probe_before_take: bool,
    /// `claim_watch`.
    pub(crate) claim_watch: bool,
    /// `reload_repeat`, before `reload_time_file` was read.
    reload_repeat: bool,
    /// Mail.
    pub(crate) mail: mail::Said,
    /// `iproute_usr_dir`.
    pub(crate) iproute_distribution: Option<PathBuf>,
    /// `iproute_etc_dir`.
    pub(crate) iproute_administrator: Option<PathBuf>,
    /// Instances that say themselves whether priority changes are told.
    pub(crate) said_priority_changes: BTreeSet<String>,
    /// Rules that were given a preference so far.
    pub(crate) automatic_preferences: u32,
    /// Scripts, read once it is known who runs them.
    scripts: Vec<Statement>,
    startup_timeout: Duration,
    shutdown_timeout: Duration,
    receive: scheduling::ReceiveBuffer,
}

impl Defaults {
    /// keepalived's defaults.
    pub(crate) fn new() -> Self {
        Self {
            interface: "eth0".to_owned(),
            vmac_prefix: "vrrp".to_owned(),
            vmac_address_prefix: None,
            version: None,
            group4: Ipv4Addr::new(224, 0, 0, 18),
            group6: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            said: AnnounceDefaults::default(),
            announce: AnnouncePlan::default(),
            lease: lease::Said::default(),
            heartbeats: heartbeats::Said::default(),
            down_timer_adverts: 3,
            lower_priority_no_advert: None,
            higher_priority_send_advert: false,
            owner_ignores_adverts: None,
            check_unicast_source: false,
            skip_address_check: false,
            strict: false,
            checksum_without_pseudo_header: false,
            mismatch_policy: MismatchPolicy::Take,
            probe_before_take: false,
            claim_watch: true,
            reload_repeat: false,
            mail: mail::Said::default(),
            iproute_distribution: None,
            iproute_administrator: None,
            said_priority_changes: BTreeSet::new(),
            automatic_preferences: 0,
            scripts: Vec::new(),
            startup_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            receive: scheduling::ReceiveBuffer::default(),
        }
    }

    /// The group adverts of a family go to.
    pub(crate) const fn group(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.group4),
            Family::V6 => IpAddr::V6(self.group6),
        }
    }
}

/// Lowers a word that stands at the root of the file.
pub(crate) fn root_word(lowering: &mut Lowering<'_>, statement: &Statement) {
    match statement.keyword() {
        "net_namespace" => lowering.model.process.net_namespace = name(lowering, statement),
        "net_namespace_ipvs" | "namespace_with_ipsets" => {
            lowering.report.not_yet(
                statement.span(),
                statement.keyword(),
                "IPVS is programmed in the network namespace of the daemon",
            );
        }
        "instance" => lowering.model.process.instance = name(lowering, statement),
        "use_pid_dir" => lowering.model.process.use_pid_directory = true,
        "child_wait_time" => {
            if let Some(word) = required(&mut lowering.report, statement, "seconds") {
                lowering.model.process.child_wait =
                    whole_seconds(&mut lowering.report, word, 0..=i64::from(u32::MAX));
            }
        }
        "linkbeat_use_polling" => lowering.report.not_yet(
            statement.span(),
            "linkbeat_use_polling",
            "link state comes from the kernel's messages, which is as fast for every driver of today",
        ),
        _ => {}
    }
}

/// Lowers one `global_defs`; there may be several.
pub(crate) fn lower(lowering: &mut Lowering<'_>, block: &Statement) {
    for statement in block.children() {
        let handled = node(lowering, statement)
            || vrrp(lowering, statement)
            || scripts(lowering, statement)
            || scheduling::word(lowering, statement)
            || announce::global_word(lowering, statement)
            || lowering.defaults.lease.word(&mut lowering.report, statement)
            || heartbeats::global_word(lowering, statement)
            || dumps::word(&mut lowering.model.process.dumps, &mut lowering.report, statement)
            || lowering.defaults.mail.word(&mut lowering.report, statement)
            || snmp::word(lowering, statement)
            || servers::global_word(lowering, statement);
        if !handled {
            later::word(lowering, statement);
        }
    }
}

/// Fills in what depends on the whole of `global_defs`.
pub(crate) fn finish(lowering: &mut Lowering<'_>) {
    if lowering.model.process.router_id.is_empty() {
        lowering.model.process.router_id = lowering.host.node_name();
    }
    lowering.defaults.announce = lowering.defaults.said.plan();
    lowering.model.process.receive_buffer = lowering.defaults.receive.bytes();
    mail::finish(lowering);
    let statements = std::mem::take(&mut lowering.defaults.scripts);
    for statement in &statements {
        script(lowering, statement);
    }
}

/// Settings of the node as a whole.
fn node(lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
    let settings = &mut lowering.model.router.settings;
    match statement.keyword() {
        "router_id" => {
            if let Some(id) = name(lowering, statement) {
                lowering.model.process.router_id = id;
            }
        }
        "default_interface" => {
            if let Some(word) = complained(lowering, statement, "an interface")
                && let Some(link) = link_name(&mut lowering.report, word)
            {
                lowering.defaults.interface = link;
            }
        }
        "vmac_prefix" => {
            if let Some(word) = complained(lowering, statement, "the beginning of a name")
                && let Some(prefix) = link_name(&mut lowering.report, word)
            {
                lowering.defaults.vmac_prefix = prefix;
            }
        }
        "vmac_addr_prefix" => {
            if let Some(word) = complained(lowering, statement, "the beginning of a name") {
                lowering.defaults.vmac_address_prefix = link_name(&mut lowering.report, word);
            }
        }
        "dynamic_interfaces" => {
            settings.dynamic_interfaces = true;
            if let Some(word) = statement.arguments().first()
                && word.text != "allow_if_changes"
            {
                lowering
                    .report
                    .complain(
                        "unknown-option",
                        word.span,
                        format!("`{word}` is not an option of dynamic_interfaces"),
                    )
                    .because("expected `allow_if_changes`");
            }
        }
        "umask" => scheduling::umask(lowering, statement),
        "reload_time_file" => {
            let file = absolute(lowering, statement, "no reload is planned");
            let repeat = lowering.defaults.reload_repeat;
            lowering.model.process.reload_time = file.map(|file| ReloadTime { file, repeat });
        }
        "reload_repeat" => {
            lowering.defaults.reload_repeat = true;
            lowering.model.process.reload_time.iter_mut().for_each(|time| time.repeat = true);
        }
        "reload_file" => {
            lowering.model.process.reload_marker = match statement.arguments().first() {
                Some(_) => absolute(lowering, statement, "there is no such file"),
                None => Some(RELOAD_FILE.into()),
            };
        }
        "fifo_write_vrrp_states_on_reload" => lowering.model.process.states_on_reload = true,
        "reload_check_config" => lowering.model.process.reload_check_config = true,
        "iproute_usr_dir" => lowering.defaults.iproute_distribution = path(lowering, statement),
        "iproute_etc_dir" => lowering.defaults.iproute_administrator = path(lowering, statement),
        "log_unknown_vrids" => settings.log_unknown_vrids = true,
        "realtime" => scheduling::realtime(lowering, statement),
        "event_file" => {
            lowering.model.process.event_file =
                absolute(lowering, statement, "events are kept in memory only");
        }
        "metrics_listen" => windows::metrics_listen(lowering, statement),
        "record" => {
            let path = absolute(lowering, statement, "nothing is recorded");
            lowering.model.process.record = path.or(lowering.model.process.record.take());
        }
        _ => return false,
    }
    true
}

/// Defaults of the instances.
fn vrrp(lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
    let defaults = &mut lowering.defaults;
    let report = &mut lowering.report;
    match statement.keyword() {
        "vrrp_version" => {
            if let Some(word) = required(report, statement, "2 or 3") {
                defaults.version = version(report, word);
            }
        }
        "vrrp_mcast_group4" => {
            if let Some(IpAddr::V4(group)) = group(lowering, statement, Family::V4) {
                lowering.defaults.group4 = group;
            }
        }
        "vrrp_mcast_group6" => {
            if let Some(IpAddr::V6(group)) = group(lowering, statement, Family::V6) {
                lowering.defaults.group6 = group;
            }
        }
        "vrrp_down_timer_adverts" => {
            if let Some(word) = required(report, statement, "a number")
                && let Some(adverts) = number(report, word, 1..=100)
            {
                defaults.down_timer_adverts = adverts;
            }
        }
        "vrrp_lower_prio_no_advert" => defaults.lower_priority_no_advert = switch(report, statement),
        "vrrp_higher_prio_send_advert" => {
            defaults.higher_priority_send_advert = switch(report, statement).unwrap_or(false);
        }
        "vrrp_owner_ignore_adverts" => defaults.owner_ignores_adverts = switch(report, statement),
        "vrrp_check_unicast_src" => defaults.check_unicast_source = true,
        "vrrp_skip_check_adv_addr" => {
            defaults.skip_address_check = switch(report, statement).unwrap_or(false);
        }
        "vrrp_strict" => defaults.strict = switch(report, statement).unwrap_or(false),
        // DIFFERS: keepalived ignores the value and switches it on in any case.
        "v3_checksum_as_v2" => {
            defaults.checksum_without_pseudo_header = switch(report, statement).unwrap_or(false);
        }
        "vrrp_notify_priority_changes" => {
            lowering.model.router.settings.notify_priority_changes =
                switch(report, statement).unwrap_or(false);
        }
        "vrrp_startup_delay" | "vrrp_delay_after_boot" => {
            let shortest = Duration::from_millis(1);
            if let Some(word) = required(report, statement, "seconds")
                && let Some(delay) = seconds(report, word, shortest..=LONGEST_TIMER)
            {
                let settings = &mut lowering.model.router.settings;
                if statement.keyword() == "vrrp_startup_delay" {
                    settings.startup_delay = delay;
                } else {
                    settings.delay_after_boot = delay;
                }
            }
        }
        "probe_before_take" => {
            defaults.probe_before_take = switch(report, statement).unwrap_or(defaults.probe_before_take);
        }
        "claim_watch" => {
            defaults.claim_watch = switch(report, statement).unwrap_or(defaults.claim_watch);
        }
        "mismatch_policy" => {
            if let Some(policy) = mismatch_policy(report, statement) {
                defaults.mismatch_policy = policy;
            }
        }
        "vrrp_rx_bufs_policy" | "vrrp_rx_bufs_multiplier" => defaults.receive.word(report, statement),
        _ => return false,
    }
    true
}

/// Scripts, and who runs them.
fn scripts(lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
    match statement.keyword() {
        "script_user" => {
            if statement.arguments().is_empty() {
                complained(lowering, statement, "a user");
                lowering.commands.user = Some(None);
            } else {
                let who = statement.arguments();
                lowering.commands.user = Some(commands::named_identity(lowering, who, Purpose::Check));
            }
        }
        "enable_script_security" => lowering.commands.secure = true,
        "set_supplementary_groups" => {
            lowering.model.process.supplementary_groups =
                switch(&mut lowering.report, statement).unwrap_or(false);
        }
        "use_symlink_paths" => {
            lowering.commands.keep_links = switch(&mut lowering.report, statement).unwrap_or(false);
        }
        "startup_script_timeout" | "shutdown_script_timeout" => {
            if let Some(word) = required(&mut lowering.report, statement, "seconds")
                && let Some(timeout) = whole_seconds(&mut lowering.report, word, 1..=1000)
            {
                if statement.keyword() == "startup_script_timeout" {
                    lowering.defaults.startup_timeout = timeout;
                } else {
                    lowering.defaults.shutdown_timeout = timeout;
                }
            }
        }
        "startup_script"
        | "shutdown_script"
        | "notify_fifo"
        | "notify_fifo_script"
        | "vrrp_notify_fifo"
        | "vrrp_notify_fifo_script"
        | "lvs_notify_fifo"
        | "lvs_notify_fifo_script" => {
            if complained(lowering, statement, "what to run").is_some() {
                let twice =
                    lowering.defaults.scripts.iter().any(|other| other.keyword() == statement.keyword());
                if twice {
                    lowering
                        .report
                        .complain(
                            "duplicate-keyword",
                            statement.span(),
                            format!("`{}` is given twice", statement.keyword()),
                        )
                        .because("the first one counts");
                } else {
                    lowering.defaults.scripts.push(statement.clone());
                }
            }
        }
        _ => return false,
    }
    true
}

fn script(lowering: &mut Lowering<'_>, statement: &Statement) {
    match statement.keyword() {
        "startup_script" => {
            let timeout = lowering.defaults.startup_timeout;
            lowering.model.startup_script = commands::command(lowering, statement, Purpose::Notification)
                .map(|command| TimedCommand { command, timeout });
        }
        "shutdown_script" => {
            let timeout = lowering.defaults.shutdown_timeout;
            lowering.model.shutdown_script = commands::command(lowering, statement, Purpose::Notification)
                .map(|command| TimedCommand { command, timeout });
        }
        _ => notify::fifo(lowering, statement),
    }
}

/// `2` or `3`.
pub(crate) fn version(report: &mut super::report::Report, word: &Word) -> Option<Version> {
    match integer(report, word, 2..=3)? {
        2 => Some(Version::V2),
        _ => Some(Version::V3),
    }
}

/// `take` or `hold`.
pub(crate) fn mismatch_policy(
    report: &mut super::report::Report,
    statement: &Statement,
) -> Option<MismatchPolicy> {
    let word = required(report, statement, "take or hold")?;
    match word.text.as_str() {
        "take" => Some(MismatchPolicy::Take),
        "hold" => Some(MismatchPolicy::Hold),
        other => {
            report
                .warn("unknown-policy", word.span, format!("there is no mismatch_policy `{other}`"))
                .because("expected take or hold; the line is ignored");
            None
        }
    }
}

fn group(lowering: &mut Lowering<'_>, statement: &Statement, family: Family) -> Option<IpAddr> {
    let word = required(&mut lowering.report, statement, "a multicast address")?;
    let found = address(&word.text).filter(|group| Family::of(*group) == family && is_multicast(*group));
    if found.is_none() {
        lowering
            .report
            .complain("not-multicast", word.span, format!("`{word}` is not an {family} multicast address"))
            .because("the default group is used");
    }
    found
}

/// A path that does not depend on the working directory, which is nobody's business; `instead` is what happens without one.
fn absolute(lowering: &mut Lowering<'_>, statement: &Statement, instead: &str) -> Option<PathBuf> {
    let word = required(&mut lowering.report, statement, "a path")?;
    let path = PathBuf::from(&word.text);
    if path.is_absolute() {
        return Some(path);
    }
    let what = format!("`{word}` does not begin with /");
    lowering.report.complain("relative-path", word.span, what).because(instead);
    None
}

fn path(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<PathBuf> {
    required(&mut lowering.report, statement, "a path").map(|word| PathBuf::from(&word.text))
}

/// A name whose absence is only complained about.
fn name(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<String> {
    complained(lowering, statement, "a name").map(|word| word.text.clone())
}

/// The word after a keyword whose absence is only complained about.
pub(crate) fn complained<'s>(
    lowering: &mut Lowering<'_>,
    statement: &'s Statement,
    what: &str,
) -> Option<&'s Word> {
    let word = statement.arguments().first();
    if word.is_none() {
        lowering
            .report
            .complain(
                "missing-value",
                statement.span(),
                format!("`{}` is missing {what}", statement.keyword()),
            )
            .because("it is ignored");
    }
    word
}
