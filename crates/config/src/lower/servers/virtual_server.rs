//! `virtual_server`: its own words.

use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::address::Family;
use mainstay_core::director::plan::SorryServerPlan;
use mainstay_core::director::{VirtualServerKey, VirtualServerPlan};
use mainstay_core::ipvs::{
    Forwarding, Granularity, MAX_WEIGHT, Persistence, Protocol, Scheduler, SchedulerFlags, ServiceKey,
};

use super::super::Lowering;
use super::super::values::{LONGEST_TIMER, address, integer, number, required, seconds, switch};
use super::group::Member;
use super::real::Above;
use super::timing::Timing;
use super::{forwarding, group, real, settle, shown};
use crate::suggest;
use crate::tree::{Span, Statement};

/// Seconds of persistence when none are said (keepalived's `IPVS_SVC_PERSISTENT_TIMEOUT`).
pub(super) const PERSISTENCE_S: u32 = 360;

/// What the words of a virtual server say, before anything is filled in.
#[derive(Debug, Default)]
pub(super) struct Said<'s> {
    pub(super) timing: Timing,
    pub(super) family: Option<Family>,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) flags: SchedulerFlags,
    pub(super) one_packet: Option<Span>,
    pub(super) forwarding: Option<Forwarding>,
    /// There is a line about the method, good or bad.
    pub(super) persistence_s: Option<u32>,
    pub(super) granularity: Option<&'s Statement>,
    pub(super) engine: Option<Arc<str>>,
    pub(super) protocol: Option<(Protocol, Span)>,
    pub(super) inhibit_on_failure: bool,
    pub(super) ha_suspend: Option<Span>,
    pub(super) host: Option<&'s str>,
    pub(super) label: Option<String>,
    pub(super) omega: bool,
    pub(super) quorum: Option<(u32, Span)>,
    pub(super) hysteresis: Option<(u32, Span)>,
    pub(super) weight: Option<u32>,
    pub(super) sorry: Option<&'s Statement>,
    pub(super) sorry_inhibit: bool,
    pub(super) sorry_forwarding: Option<Forwarding>,
    pub(super) quorum_up: Option<&'s Statement>,
    pub(super) quorum_down: Option<&'s Statement>,
    pub(super) smtp_alert: Option<bool>,
    pub(super) panic_threshold: Option<u8>,
    pub(super) drain: Option<Duration>,
}

/// Who a virtual server is, as its first words say.
pub(super) enum Who {
    Address(IpAddr, u16),
    Mark(u32),
    Group(String, Vec<Member>),
}

/// Lowers one; `None` if it is left out. `order`: which block of the file it is.
pub(super) fn lower(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    order: usize,
) -> Option<VirtualServerPlan> {
    let who = who(lowering, block)?;
    let mut said = Said::default();
    for statement in block.children() {
        if !said.timing.word(&mut lowering.report, statement) {
            said.word(lowering, statement);
        }
    }
    let protocol = settle::protocol(lowering, block, &who, &said);
    let family = said.family.unwrap_or_else(|| family_of_marks(&who, block));
    let (key, services) = services(lowering, block, who, protocol, family)?;
    let reals = block.children().iter().filter(|statement| statement.keyword() == "real_server");
    if reals.clone().next().is_none() && said.sorry.is_none() {
        lowering
            .report
            .complain("no-real-servers", block.span(), format!("{} has no real server", shown(&key)))
            .because("it is left out");
        return None;
    }
    let scheduler = settle::scheduler(lowering, block, &key, &said);
    let forwarding = settle::forwarding(lowering, block, &key, &said);
    let above = Above {
        key: &key,
        port: services.first().map_or(0, ServiceKey::port),
        weight: said.weight.unwrap_or(1),
        forwarding,
        inhibit_on_failure: said.inhibit_on_failure,
        host: said.host,
        timing: said.timing,
        order,
    };
    let lowered: Vec<_> = reals.filter_map(|block| real::lower(lowering, block, &above)).collect();
    let family = settle::family(&services);
    let real_servers = settle::real_servers(lowering, lowered, &above, &services, family, protocol);
    if real_servers.is_empty() && said.sorry.is_none() {
        lowering
            .report
            .complain("no-real-servers", block.span(), format!("no real server of {} can be", shown(&key)))
            .because("it is left out");
        // The next one that has these services is the first.
        lowering.servers.taken.retain(|_, owner| *owner != key);
        return None;
    }
    let persistence = settle::persistence(lowering, &said, &services, family);
    let one_packet = settle::one_packet(lowering, &said, protocol, &key);
    let suspend_without = settle::suspend(lowering, &said, &key);
    let sorry_server = sorry_server(lowering, &said, &above);
    let object = mainstay_core::director::ServerObject::VirtualServer(key.clone());
    super::scripts::notify(lowering, object, said.quorum_up, said.quorum_down, said.smtp_alert);
    let mut plan = VirtualServerPlan {
        key,
        services,
        protocol,
        family,
        scheduler,
        flags: said.flags,
        one_packet,
        persistence,
        real_servers,
        sorry_server,
        quorum: 1,
        hysteresis: 0,
        alpha: said.timing.alpha(),
        omega: said.omega,
        suspend_without,
        label: said.label.clone(),
        panic_threshold: said.panic_threshold.unwrap_or(lowering.servers.panic_threshold),
        drain: said.drain.unwrap_or(lowering.servers.drain),
    };
    settle::sorry(lowering, block, &mut plan);
    settle::quorum(lowering, block, &said, &mut plan);
    Some(plan)
}

/// `IP [PORT]`, `fwmark N`, `group NAME`.
fn who(lowering: &mut Lowering<'_>, block: &Statement) -> Option<Who> {
    let first = required(&mut lowering.report, block, "an address, `fwmark` or `group`")?;
    let second = block.arguments().get(1);
    match first.text.as_str() {
        "fwmark" => {
            let Some(word) = second else {
                lowering
                    .report
                    .refuse("missing-value", first.span, "`fwmark` is missing its number")
                    .because("the virtual server is left out");
                return None;
            };
            group::mark(lowering, word).map(Who::Mark)
        }
        "group" => {
            let name = second.map_or("", |word| word.text.as_str());
            if let Some(members) = lowering.servers.groups.get(name) {
                return Some(Who::Group(name.to_owned(), members.clone()));
            }
            let names = lowering.servers.groups.keys().map(String::as_str);
            let near = suggest::nearest(name, names).map(str::to_owned);
            let said = lowering
                .report
                .refuse(
                    "unknown-group",
                    second.map_or(first.span, |word| word.span),
                    format!("there is no virtual_server_group `{name}`"),
                )
                .because("the virtual server is left out");
            if let Some(near) = near {
                said.suggest(near);
            }
            None
        }
        text => {
            let Some(found) = address(text) else {
                lowering
                    .report
                    .refuse("bad-address", first.span, format!("`{first}` is not an IP address"))
                    .because(
                        "expected an address, `fwmark N` or `group NAME`; the virtual server is left out",
                    );
                return None;
            };
            let port = match second {
                Some(word) => integer(&mut lowering.report, word, 0..=65_535)?,
                None => 0,
            };
            Some(Who::Address(found, u16::try_from(port).unwrap_or(0)))
        }
    }
}

/// The family of marks that say none: that of the addresses beside them in the group; of a mark alone that of the real
/// servers.
fn family_of_marks(who: &Who, block: &Statement) -> Family {
    let found = match who {
        Who::Group(_, members) => members.iter().find_map(|member| match member {
            Member::Address(address, _) => Some(Family::of(*address)),
            Member::Mark(_, family) => *family,
        }),
        Who::Address(..) | Who::Mark(_) => {
            let reals = block.children().iter().filter(|statement| statement.keyword() == "real_server");
            let mut addresses = reals.filter_map(|real| address(&real.arguments().first()?.text));
            addresses.next().map(Family::of)
        }
    };
    found.unwrap_or(Family::V4)
}

/// The key and the services of a virtual server; `None` if another one has them that is not of the same group.
fn services(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    who: Who,
    protocol: Protocol,
    family: Family,
) -> Option<(VirtualServerKey, Vec<ServiceKey>)> {
    let (key, mut services) = match who {
        Who::Address(address, port) => {
            let service = ServiceKey::Address { protocol, address, port };
            (VirtualServerKey::Service(service), vec![service])
        }
        Who::Mark(mark) => {
            let service = ServiceKey::Mark { family, mark };
            (VirtualServerKey::Service(service), vec![service])
        }
        Who::Group(name, members) => {
            let services = members.iter().map(|member| member.service(protocol, family)).collect();
            let uses = lowering.servers.uses.entry(format!("{name} {protocol}")).or_default();
            let ordinal = *uses;
            *uses += 1;
            (VirtualServerKey::Group { name: name.as_str().into(), protocol, ordinal }, services)
        }
    };
    let before = services.len();
    let taken = &mut lowering.servers.taken;
    services.retain(|service| match taken.entry(*service) {
        Entry::Vacant(free) => {
            free.insert(key.clone());
            true
        }
        Entry::Occupied(owner) => *owner.get() != key && are_of_one_group(owner.get(), &key),
    });
    if services.len() < before {
        let what = if services.is_empty() { "it is left out" } else { "it does without those" };
        lowering
            .report
            .warn(
                "duplicate-service",
                block.span(),
                format!("{} has services that another virtual server has already", shown(&key)),
            )
            .because(format!("the first one counts: {what}"));
    }
    (!services.is_empty()).then_some((key, services))
}

/// Virtual servers of one group share its services.
fn are_of_one_group(one: &VirtualServerKey, other: &VirtualServerKey) -> bool {
    match (one, other) {
        (VirtualServerKey::Group { name, .. }, VirtualServerKey::Group { name: other, .. }) => name == other,
        (VirtualServerKey::Service(_), _) | (_, VirtualServerKey::Service(_)) => false,
    }
}

fn sorry_server(lowering: &mut Lowering<'_>, said: &Said<'_>, above: &Above<'_>) -> Option<SorryServerPlan> {
    let key = real::endpoint(lowering, said.sorry?, above.port)?;
    Some(SorryServerPlan {
        key,
        forwarding: said.sorry_forwarding.unwrap_or(above.forwarding),
        inhibit: said.sorry_inhibit,
    })
}

impl<'s> Said<'s> {
    /// Takes in one statement.
    fn word(&mut self, lowering: &mut Lowering<'_>, statement: &'s Statement) {
        let first = statement.arguments().first();
        let report = &mut lowering.report;
        match statement.keyword() {
            "ip_family" => {
                if let Some(word) = first {
                    self.family = group::family(lowering, word);
                }
            }
            "lvs_sched" | "lb_algo" => {
                self.scheduler = forwarding::scheduler(lowering, statement).or(self.scheduler.take());
            }
            "flag-1" => self.flags.first = true,
            "flag-2" => self.flags.second = true,
            "flag-3" => self.flags.third = true,
            "sh-fallback" => {
                self.flags.first |= self.scheduled_by(lowering, statement, &Scheduler::SourceHash)
            }
            "sh-port" => self.flags.second |= self.scheduled_by(lowering, statement, &Scheduler::SourceHash),
            "mh-fallback" => {
                self.flags.first |= self.scheduled_by(lowering, statement, &Scheduler::MaglevHash)
            }
            "mh-port" => self.flags.second |= self.scheduled_by(lowering, statement, &Scheduler::MaglevHash),
            "ops" => self.one_packet = Some(statement.span()),
            "lvs_method" | "lb_kind" => {
                self.forwarding = forwarding::method(lowering, statement).or(self.forwarding);
            }
            "persistence_engine" => self.engine = first.map(|word| word.text.as_str().into()),
            "persistence_timeout" => {
                self.persistence_s = match first {
                    None => Some(PERSISTENCE_S),
                    Some(word) => number(report, word, 1..=2_678_400).or(self.persistence_s),
                }
            }
            "persistence_granularity" => self.granularity = Some(statement),
            "protocol" => {
                let found = forwarding::protocol(lowering, statement);
                self.protocol = found.map(|protocol| (protocol, statement.span())).or(self.protocol);
            }
            "inhibit_on_failure" => self.inhibit_on_failure = true,
            "ha_suspend" => self.ha_suspend = Some(statement.span()),
            "smtp_alert" => self.smtp_alert = switch(report, statement).or(self.smtp_alert),
            "virtualhost" => self.host = first.map(|word| word.text.as_str()),
            "snmp_name" => self.label = first.map(|word| word.text.clone()),
            "omega" => self.omega = true,
            "quorum_up" => self.quorum_up = Some(statement),
            "quorum_down" => self.quorum_down = Some(statement),
            "sorry_server" => self.sorry = Some(statement),
            "sorry_server_inhibit" => {
                if self.sorry.is_none() {
                    report
                        .complain(
                            "no-sorry-server",
                            statement.span(),
                            "`sorry_server_inhibit` before `sorry_server`",
                        )
                        .because("keepalived ignores it there; put it after `sorry_server`");
                }
                self.sorry_inhibit = true;
            }
            "sorry_server_lvs_method" => self.sorry_forwarding = forwarding::method(lowering, statement),
            _ => self.number(lowering, statement),
        }
    }

    /// Takes in one statement with a number.
    fn number(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) {
        let report = &mut lowering.report;
        let Some(word) = statement.arguments().first() else { return };
        let most = i64::from(u32::MAX);
        match statement.keyword() {
            "quorum" => {
                self.quorum =
                    number(report, word, 1..=most).map(|quorum| (quorum, word.span)).or(self.quorum);
            }
            "hysteresis" => {
                let found = number(report, word, 0..=most).map(|hysteresis| (hysteresis, word.span));
                self.hysteresis = found.or(self.hysteresis);
            }
            "weight" => {
                self.weight = number(report, word, 1..=i64::from(MAX_WEIGHT)).or(self.weight);
            }
            "panic_threshold" => self.panic_threshold = number(report, word, 0..=100),
            "drain" => self.drain = seconds(report, word, Duration::ZERO..=LONGEST_TIMER),
            _ => {}
        }
    }

    /// `sh-port` and the like need their scheduler before them.
    fn scheduled_by(
        &self,
        lowering: &mut Lowering<'_>,
        statement: &Statement,
        scheduler: &Scheduler,
    ) -> bool {
        if self.scheduler.as_ref() == Some(scheduler) {
            return true;
        }
        lowering
            .report
            .complain(
                "flag-of-another-scheduler",
                statement.span(),
                format!("`{}` without `lvs_sched {scheduler}` before it", statement.keyword()),
            )
            .because("it is ignored");
        false
    }

    /// The persistence, if anything asks for it.
    pub(super) fn persistence(
        &self,
        lowering: &mut Lowering<'_>,
        family: Option<Family>,
        forced: bool,
    ) -> Option<Persistence> {
        let family = family.unwrap_or(Family::V4);
        let granularity: Option<Granularity> =
            self.granularity.and_then(|statement| forwarding::granularity(lowering, statement, family));
        let asked = self.persistence_s.is_some() || granularity.is_some();
        (asked || forced).then(|| Persistence {
            timeout_s: self.persistence_s.unwrap_or(PERSISTENCE_S),
            granularity: granularity.unwrap_or(Granularity::host(family)),
            engine: self.engine.clone(),
        })
    }
}
