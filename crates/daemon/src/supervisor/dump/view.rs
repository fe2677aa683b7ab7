//! What the files say of each instance: what it is asked to be and what it is, side by side.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mainstay_config::Model;
use mainstay_config::model::NotifyCommands;
use mainstay_core::address::{
    Family, InterfaceAddress, NextHop, Prefix, Route, RouteInsertion, Rule, RuleAction,
};
use mainstay_core::link::VirtualLink;
use mainstay_core::router::plan::{InstancePlan, Preempt, WantedState};
use mainstay_core::router::report::{Counters, InstanceReport};
use mainstay_core::router::{Report, State};
use mainstay_core::time::Instant;

use super::Cleared;

/// Everything there is to say at one moment.
pub struct View<'a> {
    /// The configuration.
    pub model: &'a Model,
    /// What the router told.
    pub report: &'a Report,
    /// Every instance that is both configured and running.
    pub instances: Vec<Instance<'a>>,
}

/// One instance.
pub struct Instance<'a> {
    /// What it is asked to be.
    pub plan: &'a InstancePlan,
    /// What it is.
    pub report: &'a InstanceReport,
    /// Who is told of it.
    pub notify: Option<&'a NotifyCommands>,
    /// Its sync group.
    pub group: Option<&'a str>,
    /// Its counters since they were last cleared.
    pub counters: Counters,
    /// When it came into its state, since 1970.
    pub since: Duration,
    /// The links that are made for any instance.
    made: &'a [Arc<VirtualLink>],
}

impl<'a> View<'a> {
    /// Puts together what belongs together.
    pub fn new(model: &'a Model, report: &'a Report, cleared: &Cleared) -> Self {
        let (now, wall) = (mainstay_system::clock::now(), SystemTime::now());
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let when = |at: Instant| wall.saturating_sub(now.saturating_since(at));
        let instances = report.instances.iter().filter_map(|instance| {
            let plan = model.router.instances.iter().find(|plan| plan.name == instance.name)?;
            let groups = &model.router.sync_groups;
            let group = groups.iter().find(|group| group.members.contains(&plan.name));
            let before = cleared.get(&plan.name).copied().unwrap_or_default();
            Some(Instance {
                plan,
                report: instance,
                notify: model.instance_notify.get(&plan.name),
                group: group.map(|group| group.name.as_str()),
                counters: since(instance.counters, before),
                since: when(instance.since),
                made: &model.router.virtual_links,
            })
        });
        Self { model, report, instances: instances.collect() }
    }
}

impl Instance<'_> {
    /// The link that is made for it: what its adverts take, or its first address is on.
    pub fn made_link(&self) -> Option<&VirtualLink> {
        let plan = self.plan;
        let first = plan.addresses.first().map(|address| &address.link);
        plan.interface.iter().chain(first).find_map(|name| self.made_named(name))
    }

    fn made_named(&self, name: &str) -> Option<&VirtualLink> {
        self.made.iter().map(Arc::as_ref).find(|link| link.name == name)
    }

    /// keepalived's word for its interface: the link that is made for it, if there is one.
    pub fn interface(&self) -> String {
        let made = self.made_link().map(|link| &link.name);
        made.or(self.plan.interface.as_ref()).cloned().unwrap_or_default()
    }

    /// It holds its addresses.
    pub fn holds(&self) -> bool {
        self.report.state == State::Master && !self.report.holds_back
    }

    /// The state it wants to be in.
    pub fn wanted(&self) -> State {
        match (self.report.state, self.plan.wanted) {
            (State::Master, _) | (State::Init, WantedState::Master) => State::Master,
            _ => State::Backup,
        }
    }

    /// `nopreempt`, and the delay otherwise.
    pub fn preempt(&self) -> (bool, Duration) {
        match self.plan.preempt {
            Preempt::Never => (false, Duration::ZERO),
            Preempt::After(delay) => (true, delay),
        }
    }

    /// `10.0.0.1/24 dev eth0 scope global label eth0:1 set`, as keepalived words it.
    pub fn address(&self, address: &InterfaceAddress) -> String {
        let longest = if address.address.is_ipv4() { 32 } else { 128 };
        let mut text = address.address.to_string();
        if address.prefix_length != longest {
            text += &format!("/{}", address.prefix_length);
        }
        let on = self.made_named(&address.link).map(|link| format!("@{}", link.parent)).unwrap_or_default();
        text += &format!(" dev {}{on} scope {}", address.link, scope(address.scope));
        if let Some(label) = &address.label {
            text += &format!(" label {label}");
        }
        if address.address.is_ipv6() {
            text += match address.preferred_lifetime_s {
                Some(0) => " deprecated",
                _ => " preferred_lft forever",
            };
        }
        if self.holds() {
            text += " set";
        }
        text
    }
}

/// How much was counted since.
fn since(now: Counters, then: Counters) -> Counters {
    let mut left = now;
    let fields: [(&mut u64, u64); 14] = [
        (&mut left.adverts_received, then.adverts_received),
        (&mut left.adverts_sent, then.adverts_sent),
        (&mut left.became_master, then.became_master),
        (&mut left.released_master, then.released_master),
        (&mut left.packet_length_errors, then.packet_length_errors),
        (&mut left.advert_interval_errors, then.advert_interval_errors),
        (&mut left.ttl_errors, then.ttl_errors),
        (&mut left.invalid_type, then.invalid_type),
        (&mut left.address_list_errors, then.address_list_errors),
        (&mut left.invalid_auth_type, then.invalid_auth_type),
        (&mut left.auth_type_mismatch, then.auth_type_mismatch),
        (&mut left.auth_failures, then.auth_failures),
        (&mut left.priority_zero_received, then.priority_zero_received),
        (&mut left.priority_zero_sent, then.priority_zero_sent),
    ];
    for (count, before) in fields {
        *count = count.saturating_sub(before);
    }
    left
}

/// A scope by its name in `rtnetlink(7)`.
fn scope(number: u8) -> String {
    match number {
        0 => "global".into(),
        200 => "site".into(),
        253 => "link".into(),
        254 => "host".into(),
        255 => "nowhere".into(),
        other => other.to_string(),
    }
}

/// A route in iproute2's words.
pub fn route(route: &Route) -> String {
    let insertion = match route.insertion {
        RouteInsertion::Prepend => "prepend",
        RouteInsertion::Append => "append",
        RouteInsertion::Add => "add",
    };
    let mut text = format!("{insertion} {}", prefix(route.destination));
    for hop in &route.hops {
        text += &self::hop(hop, route.hops.len() > 1);
    }
    if let Some(source) = route.preferred_source {
        text += &format!(" src {source}");
    }
    if route.table != 254 {
        text += &format!(" table {}", route.table);
    }
    if route.metric != 0 {
        text += &format!(" metric {}", route.metric);
    }
    text += &format!(" proto {}", route.protocol);
    if !route.tracked {
        text += " no_track";
    }
    text
}

fn hop(hop: &NextHop, is_one_of_many: bool) -> String {
    let mut text = if is_one_of_many { " nexthop".to_owned() } else { String::new() };
    if let Some(gateway) = hop.gateway {
        text += &format!(" via {} {gateway}", family(gateway));
    }
    if let Some(link) = &hop.link {
        text += &format!(" dev {link}");
    }
    if is_one_of_many {
        text += &format!(" weight {}", hop.weight);
    }
    text
}

const fn family(address: IpAddr) -> &'static str {
    match Family::of(address) {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}

fn prefix(prefix: Prefix) -> String {
    if prefix.length == 0 { "default".into() } else { format!("{}/{}", prefix.address, prefix.length) }
}

/// A rule in iproute2's words: its selectors, its preference and what it does.
pub fn rule(rule: &Rule) -> String {
    let mut words = Vec::new();
    let mut say = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            words.push(format!("{word} {value}"));
        }
    };
    let from = rule.from.map(prefix).or_else(|| rule.to.is_none().then(|| "all".to_owned()));
    say(if rule.not { "not from" } else { "from" }, from);
    say("to", rule.to.map(prefix));
    say("priority", rule.preference.map(|preference| preference.to_string()));
    say("tos", (rule.tos != 0).then(|| format!("{:#x}", rule.tos)));
    say("fwmark", rule.fwmark.map(|(mark, mask)| format!("{mark:#x}/{mask:#x}")));
    say("iif", rule.input_link.clone());
    say("oif", rule.output_link.clone());
    say("protocol", Some(rule.protocol.to_string()));
    words.push(match rule.action {
        RuleAction::Table(table) => format!("lookup {table}"),
        RuleAction::L3mdev => "l3mdev".into(),
        RuleAction::Goto(preference) => format!("goto {preference}"),
        RuleAction::Nop => "nop".into(),
        RuleAction::Blackhole => "blackhole".into(),
        RuleAction::Unreachable => "unreachable".into(),
        RuleAction::Prohibit => "prohibit".into(),
    });
    if !rule.tracked {
        words.push("no_track".into());
    }
    words.join(" ")
}
