//! Routes, rules and addresses that somebody removed, or that the kernel would not take.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Router;
use super::action::{Action, Actions, Subject};
use super::reason::Reason;
use crate::address::{Family, InterfaceAddress, Route, RouteKey, Rule};
use crate::time::{Duration, Instant};

/// First wait before something the kernel refused is tried again; it doubles up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// Something the kernel would not give an instance: a fault until a link changes, a reload, or the next try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What, in words.
    pub what: String,
    /// Whether it is a fault now; between tries it is.
    pub standing: bool,
    /// When it is tried again.
    pub retry_at: Instant,
    wait: Duration,
}

impl Refusal {
    /// Refused at `now`, once more if `before` is the last time.
    #[must_use]
    pub fn new(now: Instant, what: String, before: Option<&Self>) -> Self {
        let wait = before.map_or(FIRST_RETRY, |before| (before.wait * 2).min(LONGEST_RETRY));
        Self { what, standing: true, retry_at: now + wait, wait }
    }
}

impl Router {
    pub(super) fn route_removed(&mut self, now: Instant, key: &RouteKey, actions: &mut Actions) {
        let lost: Vec<Arc<Route>> =
            self.holdings.routes().filter(|route| is_same_route(route, key)).cloned().collect();
        for route in lost {
            let what = alloc::format!("route to {}", route.destination);
            self.tell(now, Subject::Node, Reason::Restored(what), actions);
            actions.push(Action::AddRoute(route));
        }
    }

    pub(super) fn rule_removed(&mut self, now: Instant, preference: u32, table: u32, actions: &mut Actions) {
        let lost: Vec<Arc<Rule>> = self
            .holdings
            .rules()
            .filter(|rule| {
                rule.preference == Some(preference)
                    && match rule.action {
                        crate::address::RuleAction::Table(own) => own == table,
                        _ => true,
                    }
            })
            .cloned()
            .collect();
        for rule in lost {
            let what = alloc::format!("rule with preference {preference}");
            self.tell(now, Subject::Node, Reason::Restored(what), actions);
            actions.push(Action::AddRule(rule));
        }
    }

    pub(super) fn address_refused(
        &mut self,
        now: Instant,
        address: &Arc<InterfaceAddress>,
        errno: i32,
        actions: &mut Actions,
    ) {
        let holders = |id: &usize| {
            let plan = &self.instances[*id].plan;
            let same =
                |own: &&Arc<InterfaceAddress>| own.address == address.address && own.link == address.link;
            plan.addresses.iter().chain(&plan.excluded_addresses).any(|own| same(&own) && own.tracked)
        };
        let concerned: Vec<usize> = (0..self.instances.len()).filter(holders).collect();
        let what = alloc::format!("address {address}");
        self.refused(now, &what, errno, concerned, address.track_group.as_deref(), actions);
    }

    pub(super) fn route_refused(
        &mut self,
        now: Instant,
        route: &Arc<Route>,
        errno: i32,
        actions: &mut Actions,
    ) {
        let holds =
            |id: &usize| self.instances[*id].plan.routes.iter().any(|own| own == route && own.tracked);
        let concerned: Vec<usize> = (0..self.instances.len()).filter(holds).collect();
        let what = alloc::format!("route to {}", route.destination);
        self.refused(now, &what, errno, concerned, route.track_group.as_deref(), actions);
    }

    pub(super) fn rule_refused(&mut self, now: Instant, rule: &Arc<Rule>, errno: i32, actions: &mut Actions) {
        let holds = |id: &usize| self.instances[*id].plan.rules.iter().any(|own| own == rule && own.tracked);
        let concerned: Vec<usize> = (0..self.instances.len()).filter(holds).collect();
        let what = match rule.preference {
            Some(preference) => alloc::format!("rule with preference {preference}"),
            None => "rule".to_string(),
        };
        self.refused(now, &what, errno, concerned, rule.track_group.as_deref(), actions);
    }

    fn refused(
        &mut self,
        now: Instant,
        what: &str,
        errno: i32,
        concerned: Vec<usize>,
        track_group: Option<&str>,
        actions: &mut Actions,
    ) {
        let operation = alloc::format!("add {what}");
        self.tell(now, Subject::Node, Reason::Refused { operation: operation.clone(), errno }, actions);
        if let Some(group) = track_group {
            let _ = self.lost_static.insert((group.to_string(), what.to_string()));
            self.reassess_all(now, actions);
        }
        let masters: Vec<usize> =
            concerned.into_iter().filter(|id| self.instances[*id].is_master()).collect();
        for id in &masters {
            let refusal = Refusal::new(now, operation.clone(), self.refusals.get(id));
            let _ = self.refusals.insert(*id, refusal);
        }
        self.reassess(now, masters, actions);
    }

    /// After a while the instance may try again; if the kernel still refuses, it waits twice as long.
    pub(super) fn retry_refused(&mut self, now: Instant, actions: &mut Actions) {
        let due: Vec<usize> = self
            .refusals
            .iter_mut()
            .filter(|(_, refusal)| refusal.retry_at <= now)
            .map(|(id, refusal)| {
                refusal.standing = false;
                refusal.retry_at = Instant::from_nanos(u64::MAX);
                *id
            })
            .collect();
        if !due.is_empty() {
            self.reassess(now, due, actions);
        }
    }
}

fn is_same_route(route: &Route, key: &RouteKey) -> bool {
    // An IPv6 route without a metric is shown with 1024.
    let metric = if route.metric == 0 && route.family == Family::V6 { 1024 } else { route.metric };
    route.destination.length == key.destination.length
        && route.destination.address == key.destination.address
        && route.table == key.table
        && route.kind == key.kind
        && (route.tos == key.tos)
        && metric == key.metric
}
