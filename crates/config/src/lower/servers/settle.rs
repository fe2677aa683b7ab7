//! What keepalived fills in, forces or sets back when a virtual server is complete.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mainstay_core::address::Family;
use mainstay_core::director::{RealServerPlan, ServerObject, VirtualServerKey, VirtualServerPlan};
use mainstay_core::ipvs::{DestinationKey, Forwarding, Persistence, Protocol, Scheduler, ServiceKey};

use super::super::Lowering;
use super::real::{Above, Lowered};
use super::virtual_server::{Said, Who};
use super::{scripts, shown};
use crate::tree::Statement;

/// The protocol; UDP if none is said.
pub(super) fn protocol(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    who: &Who,
    said: &Said<'_>,
) -> Protocol {
    match (who, said.protocol) {
        (Who::Mark(_), Some((protocol, span))) => {
            lowering
                .report
                .complain("protocol-with-fwmark", span, "a virtual server of a firewall mark has no protocol")
                .because("it is ignored");
            protocol
        }
        (Who::Mark(_), None) => Protocol::Tcp,
        (Who::Address(..) | Who::Group(..), Some((protocol, _))) => protocol,
        (Who::Group(_, members), None) if members.iter().all(is_mark) => Protocol::Tcp,
        (Who::Address(..) | Who::Group(..), None) => {
            lowering
                .report
                .complain("no-protocol", block.span(), "this virtual server names no protocol")
                .because("UDP is used; say `protocol TCP` or `protocol UDP`");
            Protocol::Udp
        }
    }
}

const fn is_mark(member: &super::group::Member) -> bool {
    matches!(member, super::group::Member::Mark(..))
}

/// The scheduler; `wlc` if none is said.
pub(super) fn scheduler(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    key: &VirtualServerKey,
    said: &Said<'_>,
) -> Scheduler {
    said.scheduler.clone().unwrap_or_else(|| {
        lowering
            .report
            .complain("no-scheduler", block.span(), format!("{} names no scheduler", shown(key)))
            .because("wlc is used; say `lvs_sched`");
        Scheduler::WeightedLeastConnection
    })
}

/// The forwarding method; NAT if none is said.
pub(super) fn forwarding(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    key: &VirtualServerKey,
    said: &Said<'_>,
) -> Forwarding {
    said.forwarding.unwrap_or_else(|| {
        lowering
            .report
            .complain("no-forwarding", block.span(), format!("{} names no forwarding method", shown(key)))
            .because("NAT is used; say `lvs_method`");
        Forwarding::Masquerade
    })
}

/// The one family of the services; `None` if they are of both.
pub(super) fn family(services: &[ServiceKey]) -> Option<Family> {
    let mut families = services.iter().map(ServiceKey::family);
    let first = families.next()?;
    families.all(|family| family == first).then_some(first)
}

/// Real servers that can be: of the family, each once, at a port the method allows.
pub(super) fn real_servers(
    lowering: &mut Lowering<'_>,
    lowered: Vec<Lowered<'_>>,
    above: &Above<'_>,
    services: &[ServiceKey],
    family: Option<Family>,
    protocol: Protocol,
) -> Vec<RealServerPlan> {
    let mut seen: BTreeSet<DestinationKey> = BTreeSet::new();
    let mut kept = Vec::with_capacity(lowered.len());
    for mut real in lowered {
        let tunnelled = matches!(real.plan.forwarding, Forwarding::Tunnel(_));
        let foreign = family.is_some_and(|family| Family::of(real.plan.key.address) != family);
        if foreign && !tunnelled {
            lowering
                .report
                .complain(
                    "mixed-families",
                    real.address.span,
                    format!("`{}` is not of the family of {}", real.address, shown(above.key)),
                )
                .because("the real server is left out");
            continue;
        }
        force_port(lowering, &mut real, above, services);
        // Without NAT the port is that of each service: one address is one destination, whatever its port says.
        let port = if real.plan.forwarding == Forwarding::Masquerade { real.plan.key.port } else { 0 };
        if !seen.insert(DestinationKey { port, ..real.plan.key }) {
            lowering
                .report
                .warn(
                    "duplicate-real-server",
                    real.address.span,
                    format!("{} has {} twice", shown(above.key), real.plan.key),
                )
                .because("the first one counts");
            continue;
        }
        let object = ServerObject::RealServer { real: real.plan.key, protocol, of: above.key.clone() };
        scripts::notify(lowering, object, real.notify_up, real.notify_down, real.smtp_alert);
        kept.push(real.plan);
    }
    kept
}

/// Only NAT changes ports: everywhere else the port of the virtual server is the port of the real server.
fn force_port(
    lowering: &mut Lowering<'_>,
    real: &mut Lowered<'_>,
    above: &Above<'_>,
    services: &[ServiceKey],
) {
    if real.plan.forwarding == Forwarding::Masquerade {
        return;
    }
    let port = match (above.key, services) {
        (VirtualServerKey::Service(_), [ServiceKey::Address { port, .. }]) => port,
        (VirtualServerKey::Service(_), _) => &0,
        // Each service of a group has its own; the real server keeps the name it was given.
        (VirtualServerKey::Group { .. }, _) => return,
    };
    if let Some(word) = real.port
        && *port != 0
        && real.plan.key.port != *port
    {
        lowering
            .report
            .complain("real-server-port", word.span, format!("port {word} is not {port}"))
            .because(format!("only NAT changes ports; {port} is used for {}", shown(above.key)));
    }
    real.plan.key.port = *port;
}

/// The persistence; a service of every port cannot be without.
pub(super) fn persistence(
    lowering: &mut Lowering<'_>,
    said: &Said<'_>,
    services: &[ServiceKey],
    family: Option<Family>,
) -> Option<Persistence> {
    let every_port = |service: &ServiceKey| matches!(service, ServiceKey::Address { port: 0, .. });
    let forced = services.iter().any(every_port);
    said.persistence(lowering, family, forced)
}

/// `ops`: for UDP and marks only.
pub(super) fn one_packet(
    lowering: &mut Lowering<'_>,
    said: &Said<'_>,
    protocol: Protocol,
    key: &VirtualServerKey,
) -> bool {
    let Some(span) = said.one_packet else { return false };
    let by_mark = matches!(key, VirtualServerKey::Service(ServiceKey::Mark { .. }));
    if protocol == Protocol::Udp || by_mark {
        return true;
    }
    lowering
        .report
        .complain("ops-without-udp", span, format!("`ops` is for UDP, and {} is {protocol}", shown(key)))
        .because("it is ignored");
    false
}

/// `ha_suspend`: the address to look for.
///
/// DIFFERS: with a group keepalived never finds the address and checks nothing; here `ha_suspend` has no effect then.
pub(super) fn suspend(
    lowering: &mut Lowering<'_>,
    said: &Said<'_>,
    key: &VirtualServerKey,
) -> Option<IpAddr> {
    let span = said.ha_suspend?;
    match key {
        VirtualServerKey::Service(ServiceKey::Address { address, .. }) => Some(*address),
        VirtualServerKey::Service(ServiceKey::Mark { .. }) | VirtualServerKey::Group { .. } => {
            lowering
                .report
                .warn("suspend-without-address", span, format!("{} has no one address", shown(key)))
                .because("`ha_suspend` has no effect: it is always checked");
            None
        }
    }
}

/// A sorry server that is a real server as well must be inhibited as that is.
pub(super) fn sorry(lowering: &mut Lowering<'_>, block: &Statement, plan: &mut VirtualServerPlan) {
    let port = plan.services.first().map_or(0, ServiceKey::port);
    let Some(sorry) = &mut plan.sorry_server else { return };
    if sorry.forwarding != Forwarding::Masquerade {
        sorry.key.port = port;
    }
    let same = plan.real_servers.iter().find(|real| real.key == sorry.key);
    if let Some(same) = same
        && same.inhibit_on_failure != sorry.inhibit
    {
        lowering
            .report
            .complain(
                "sorry-server-inhibit",
                block.span(),
                format!("the sorry server {} is a real server too, and inhibited otherwise", sorry.key),
            )
            .because("the setting of the real server is used for both");
        sorry.inhibit = same.inhibit_on_failure;
    }
}

/// A quorum that can be reached, and a dead band below it.
pub(super) fn quorum(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    said: &Said<'_>,
    plan: &mut VirtualServerPlan,
) {
    let total: u64 = plan.real_servers.iter().map(|real| u64::from(real.weight)).sum();
    let (mut quorum, span) = said.quorum.unwrap_or((1, block.span()));
    if u64::from(quorum) > total && said.quorum.is_some() {
        // Not more than the quorum, which is a number of 32 bits.
        let reduced = u32::try_from(total).unwrap_or(quorum).max(1);
        lowering
            .report
            .complain(
                "quorum-out-of-reach",
                span,
                format!("quorum {quorum} is more than all weights of {} together", shown(&plan.key)),
            )
            .because(format!("{reduced} is used"));
        quorum = reduced;
    }
    let (mut hysteresis, span) = said.hysteresis.unwrap_or((0, span));
    if hysteresis >= quorum {
        lowering
            .report
            .complain(
                "hysteresis-too-large",
                span,
                format!("hysteresis {hysteresis} is not less than quorum {quorum}"),
            )
            .because(format!("{} is used", quorum - 1));
        hysteresis = quorum - 1;
    }
    plan.quorum = quorum;
    plan.hysteresis = hysteresis;
}
