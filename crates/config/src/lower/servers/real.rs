//! `real_server`.

use std::net::SocketAddr;

use mainstay_core::director::{RealServerPlan, VirtualServerKey};
use mainstay_core::ipvs::{DestinationKey, Forwarding, MAX_WEIGHT};

use super::super::Lowering;
use super::super::values::{address, bad_address, integer, number, required, switch};
use super::checker::{self, Around};
use super::forwarding;
use super::timing::Timing;
use crate::tree::{Statement, Word};

/// What a real server takes from its virtual server.
#[derive(Debug, Clone)]
pub(super) struct Above<'s> {
    /// The virtual server, for messages.
    pub(super) key: &'s VirtualServerKey,
    pub(super) port: u16,
    pub(super) weight: u32,
    pub(super) forwarding: Forwarding,
    pub(super) inhibit_on_failure: bool,
    pub(super) host: Option<&'s str>,
    pub(super) timing: Timing,
    pub(super) order: usize,
}

/// A real server with the words that are needed when all is known.
pub(super) struct Lowered<'s> {
    pub(super) plan: RealServerPlan,
    pub(super) address: &'s Word,
    /// The port, if it was written.
    pub(super) port: Option<&'s Word>,
    pub(super) notify_up: Option<&'s Statement>,
    pub(super) notify_down: Option<&'s Statement>,
    pub(super) smtp_alert: Option<bool>,
}

/// Address and port, as real and sorry servers are written; the port may be left out.
pub(super) fn endpoint(
    lowering: &mut Lowering<'_>,
    statement: &Statement,
    default_port: u16,
) -> Option<DestinationKey> {
    let word = required(&mut lowering.report, statement, "an address")?;
    let Some(address) = address(&word.text) else {
        bad_address(&mut lowering.report, word);
        return None;
    };
    let port = match statement.arguments().get(1) {
        Some(word) => integer(&mut lowering.report, word, 0..=65_535)?,
        None => i64::from(default_port),
    };
    Some(DestinationKey { address, port: u16::try_from(port).unwrap_or(0) })
}

/// Lowers one; `None` if it has no address.
pub(super) fn lower<'s>(
    lowering: &mut Lowering<'_>,
    block: &'s Statement,
    above: &Above<'s>,
) -> Option<Lowered<'s>> {
    let key = endpoint(lowering, block, above.port)?;
    let mut plan = RealServerPlan {
        key,
        weight: above.weight,
        forwarding: above.forwarding,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: above.inhibit_on_failure,
        label: None,
        unprovable: false,
        checkers: Vec::new(),
    };
    let mut timing = Timing::default();
    let mut host = above.host;
    let (mut notify_up, mut notify_down, mut smtp_alert) = (None, None, None);
    for statement in block.children() {
        if timing.word(&mut lowering.report, statement) {
            continue;
        }
        let first = statement.arguments().first();
        match statement.keyword() {
            "weight" => {
                if let Some(word) = first {
                    plan.weight =
                        number(&mut lowering.report, word, 0..=i64::from(MAX_WEIGHT)).unwrap_or(plan.weight);
                }
            }
            "lvs_method" => {
                plan.forwarding = forwarding::method(lowering, statement).unwrap_or(plan.forwarding)
            }
            "uthreshold" | "lthreshold" => {
                if let Some(word) = first
                    && let Some(threshold) = number(&mut lowering.report, word, 0..=i64::from(u32::MAX))
                {
                    match statement.keyword() {
                        "uthreshold" => plan.upper_threshold = threshold,
                        _ => plan.lower_threshold = threshold,
                    }
                }
            }
            "inhibit_on_failure" => {
                plan.inhibit_on_failure =
                    switch(&mut lowering.report, statement).unwrap_or(plan.inhibit_on_failure);
            }
            "notify_up" => notify_up = Some(statement),
            "notify_down" => notify_down = Some(statement),
            "smtp_alert" => smtp_alert = switch(&mut lowering.report, statement).or(smtp_alert),
            "virtualhost" => host = first.map(|word| word.text.as_str()),
            "snmp_name" => plan.label = first.map(|word| word.text.clone()),
            _ => {}
        }
    }
    if plan.upper_threshold > 0 && plan.lower_threshold > plan.upper_threshold {
        lowering
            .report
            .warn("thresholds", block.span(), format!("lthreshold of {} is above its uthreshold", key))
            .because("the kernel never takes it back into service once it was full");
    }
    let around = Around {
        real: SocketAddr::new(key.address, key.port),
        timing: timing.within(above.timing),
        host,
        order: above.order,
    };
    for statement in block.children() {
        checker::lower(lowering, statement, around, &mut plan);
    }
    let address = block.arguments().first()?;
    Some(Lowered { plan, address, port: block.arguments().get(1), notify_up, notify_down, smtp_alert })
}
