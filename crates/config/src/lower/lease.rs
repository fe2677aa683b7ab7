//! The VIP lease: `vip_lease` and `only_if_peer_seen`, words of our own.

use std::time::Duration;

use mainstay_core::address::Family;
use mainstay_core::router::plan::{InstancePlan, LeasePlan};

use super::report::Report;
use super::values::{LONGEST_TIMER, boolean, seconds, switch};
use crate::tree::{Span, Statement};

/// So many IPv6 addresses fit into an advert of one packet on any link (1280 bytes, RFC 8200 section 5). A longer one
/// goes out in fragments, which the gate does not see as an advert.
const MOST_V6_ADDRESSES: usize = 76;

/// With a signature, so many.
const MOST_V6_ADDRESSES_SIGNED: usize = 75;

/// What was said about the lease, in `global_defs` or in an instance.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    lease: Option<(Wanted, Span)>,
    only_if_peer_seen: Option<bool>,
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    Off,
    On,
    For(Duration),
}

impl Said {
    /// Takes in one of the two words; says whether it was one.
    pub(crate) fn word(&mut self, report: &mut Report, statement: &Statement) -> bool {
        match statement.keyword() {
            "vip_lease" => {
                if let Some(wanted) = wanted(report, statement) {
                    self.lease = Some((wanted, statement.span()));
                }
            }
            "only_if_peer_seen" => {
                self.only_if_peer_seen = switch(report, statement).or(self.only_if_peer_seen);
            }
            _ => return false,
        }
        true
    }

    /// What an instance that says this means with these defaults.
    const fn over(self, defaults: Self) -> Self {
        Self {
            lease: if self.lease.is_some() { self.lease } else { defaults.lease },
            only_if_peer_seen: match self.only_if_peer_seen {
                Some(said) => Some(said),
                None => defaults.only_if_peer_seen,
            },
        }
    }

    /// The lease of a plan that is complete but for it.
    pub(crate) fn settle(
        self,
        report: &mut Report,
        defaults: Self,
        plan: &InstancePlan,
    ) -> Option<LeasePlan> {
        let said = self.over(defaults);
        if matches!(said.lease, Some((Wanted::Off, _))) {
            return None;
        }
        let asked_for = said.lease.map(|(_, span)| span);
        if let Some(obstacle) = obstacle(plan) {
            let message = format!("`{}` has no VIP lease: {obstacle}", plan.name);
            let said = match asked_for {
                Some(span) => report.warn("no-lease", span, message),
                None => report.note("no-lease", None, message),
            };
            said.because("its addresses are held as keepalived holds them");
            return None;
        }
        let length = match said.lease {
            Some((Wanted::For(length), span)) => checked(report, plan, length, span),
            Some((Wanted::On | Wanted::Off, _)) | None => usual_length(plan),
        };
        Some(LeasePlan { length, only_if_peer_seen: said.only_if_peer_seen.unwrap_or(true) })
    }
}

fn wanted(report: &mut Report, statement: &Statement) -> Option<Wanted> {
    let Some(word) = statement.arguments().first() else { return Some(Wanted::On) };
    match boolean(&word.text) {
        Some(true) => Some(Wanted::On),
        Some(false) => Some(Wanted::Off),
        None => seconds(report, word, Duration::from_millis(1)..=LONGEST_TIMER).map(Wanted::For),
    }
}

/// Why an instance can have no lease.
fn obstacle(plan: &InstancePlan) -> Option<&'static str> {
    let most = if plan.signature.is_some() { MOST_V6_ADDRESSES_SIGNED } else { MOST_V6_ADDRESSES };
    if plan.interface.is_none() {
        Some("it has no interface, and the gate watches adverts on one")
    } else if plan.down_timer_adverts < 2 {
        Some(
            "with `down_timer_adverts 1` peers take over after one advert, and a lease has to be shorter than that",
        )
    } else if plan.family == Family::V6 && plan.addresses.len() > most {
        Some("an advert of more than 75 or 76 IPv6 addresses may not fit one packet")
    } else {
        None
    }
}

/// Half an interval before the first peer can take over, whose skew time may be next to nothing: all but one of the
/// adverts it waits for may be lost or late without the lease noticing.
fn usual_length(plan: &InstancePlan) -> Duration {
    plan.advert_interval * (2 * u32::from(plan.down_timer_adverts) - 1) / 2
}

/// A length that was given: one advert may be lost, and peers must not be faster.
fn checked(report: &mut Report, plan: &InstancePlan, length: Duration, span: Span) -> Duration {
    let (shortest, longest) =
        (plan.advert_interval, plan.advert_interval * u32::from(plan.down_timer_adverts));
    if shortest < length && length < longest {
        return length;
    }
    let usual = usual_length(plan);
    report
        .refuse(
            "lease-out-of-range",
            span,
            format!("`{}` cannot have a VIP lease of {} s", plan.name, length.as_secs_f64()),
        )
        .because(format!(
            "expected more than {} s (one advert interval) and less than {} s (when peers take over); {} s is used",
            shortest.as_secs_f64(),
            longest.as_secs_f64(),
            usual.as_secs_f64()
        ));
    usual
}
