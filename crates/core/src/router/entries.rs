//! Routes, rules and addresses that somebody removed, or that the kernel would not take.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Router;
use super::action::{Action, Actions, Subject};
use super::reason::Reason;
use crate::address::{Family, InterfaceAddress, Route, RouteKey, Rule};
use crate::time::{Duration, Instant};

/// First wait before something the kernel refused is tried again; it doubles up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// What the kernel would not give an instance that is master.
///
/// It is a fault if it leaves the master without any of its addresses, or if it was there and could not be put back:
/// until a link changes, a reload, or the next try. Anything less is told and tried again: a typing error in one of ten
/// addresses, or a route the kernel does not like, stands in the files of both nodes, and no node would be master.
///
/// DIFFERS: keepalived says so once, stays MASTER even of nothing, and never tries again.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What was refused last, in words.
    pub what: String,
    /// Whether it is a fault now; while it is tried again it is not.
    pub standing: bool,
    /// When it is tried again.
    pub retry_at: Instant,
    wait: Duration,
    /// What to order again while it is no fault.
    pending: Vec<Action>,
    /// The refused ones of the instance's addresses.
    addresses: BTreeSet<(String, IpAddr)>,
}

/// One refusal as the kernel told it.
struct Refused<'a> {
    /// What was ordered.
    order: Action,
    /// The same in words.
    what: String,
    errno: i32,
    /// Instances whose plan has it and that track it.
    concerned: Vec<usize>,
    /// The track group of a static entry.
    track_group: Option<&'a str>,
}

/// When there is nothing to try: the outcome of the last try is awaited.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

impl Refusal {
    fn new(now: Instant) -> Self {
        Self {
            what: String::new(),
            standing: false,
            retry_at: now + FIRST_RETRY,
            wait: FIRST_RETRY,
            pending: Vec::new(),
            addresses: BTreeSet::new(),
        }
    }

    /// Refused once more: the wait doubles with each try, not with each of the things refused in one.
    fn again(&mut self, now: Instant) {
        if self.retry_at == NEVER {
            self.wait = (self.wait * 2).min(LONGEST_RETRY);
            self.retry_at = now + self.wait;
        }
    }

    /// What is to be ordered again, if it is no fault.
    pub fn take_pending(&mut self) -> Vec<Action> {
        self.addresses.clear();
        core::mem::take(&mut self.pending)
    }
}

impl Router {
    pub(super) fn route_removed(&mut self, now: Instant, key: &RouteKey, actions: &mut Actions) {
        let lost: Vec<Arc<Route>> =
            self.holdings.routes().filter(|route| is_same_route(route, key)).cloned().collect();
        for route in lost {
            let what = alloc::format!("route to {}", route.destination);
            let _ = self.restoring.insert(what.clone());
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
            let _ = self.restoring.insert(what.clone());
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
        let order = Action::AddAddress(Arc::clone(address));
        let track_group = address.track_group.as_deref();
        self.refused(now, Refused { order, what, errno, concerned, track_group }, actions);
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
        let order = Action::AddRoute(Arc::clone(route));
        let track_group = route.track_group.as_deref();
        self.refused(now, Refused { order, what, errno, concerned, track_group }, actions);
    }

    pub(super) fn rule_refused(&mut self, now: Instant, rule: &Arc<Rule>, errno: i32, actions: &mut Actions) {
        let holds = |id: &usize| self.instances[*id].plan.rules.iter().any(|own| own == rule && own.tracked);
        let concerned: Vec<usize> = (0..self.instances.len()).filter(holds).collect();
        let what = match rule.preference {
            Some(preference) => alloc::format!("rule with preference {preference}"),
            None => "rule".to_string(),
        };
        let order = Action::AddRule(Arc::clone(rule));
        let track_group = rule.track_group.as_deref();
        self.refused(now, Refused { order, what, errno, concerned, track_group }, actions);
    }

    fn refused(&mut self, now: Instant, refused: Refused<'_>, actions: &mut Actions) {
        let Refused { order, what, errno, concerned, track_group } = refused;
        let operation = alloc::format!("add {what}");
        self.tell(now, Subject::Node, Reason::Refused { operation: operation.clone(), errno }, actions);
        if let Some(group) = track_group {
            let _ = self.lost_static.insert((group.to_string(), what.clone()));
            self.reassess_all(now, actions);
        }
        let could_not_be_restored = self.restoring.contains(&what);
        let masters: Vec<usize> =
            concerned.into_iter().filter(|id| self.instances[*id].is_master()).collect();
        for id in &masters {
            let refusal = self.refusals.entry(*id).or_insert_with(|| Refusal::new(now));
            refusal.again(now);
            refusal.what.clone_from(&operation);
            if let Action::AddAddress(address) = &order {
                let _ = refusal.addresses.insert((address.link.clone(), address.address));
            }
            if !refusal.pending.contains(&order) {
                refusal.pending.push(order.clone());
            }
            let plan = &self.instances[*id].plan;
            let mut addresses = plan.addresses.iter().chain(&plan.excluded_addresses).peekable();
            let holds_nothing = addresses.peek().is_some()
                && addresses.all(|own| refusal.addresses.contains(&(own.link.clone(), own.address)));
            refusal.standing |= could_not_be_restored || holds_nothing;
        }
        self.reassess(now, masters, actions);
    }

    /// After a while it is tried again; if the kernel still refuses, the wait is twice as long.
    pub(super) fn retry_refused(&mut self, now: Instant, actions: &mut Actions) {
        let mut released = Vec::new();
        for (id, refusal) in &mut self.refusals {
            if refusal.retry_at > now {
                continue;
            }
            refusal.retry_at = NEVER;
            let pending = refusal.take_pending();
            if core::mem::take(&mut refusal.standing) {
                released.push(*id);
            } else if self.instances[*id].is_master() {
                actions.extend(pending);
            }
        }
        if !released.is_empty() {
            self.reassess(now, released, actions);
        }
    }

    /// Forgets what was refused to these instances: what is no fault is ordered again at once.
    pub(super) fn forget_refusals(&mut self, ids: &[usize], actions: &mut Actions) {
        for id in ids {
            if let Some(mut refusal) = self.refusals.remove(id)
                && !refusal.standing
                && self.instances[*id].is_master()
            {
                actions.extend(refusal.take_pending());
            }
        }
    }

    /// An instance that is master no longer has nothing to try again; a fault it was given stays.
    pub(super) fn stop_trying(&mut self, id: usize) {
        if self.refusals.get(&id).is_some_and(|refusal| !refusal.standing && refusal.retry_at != NEVER) {
            let _ = self.refusals.remove(&id);
        }
        self.restoring.clear();
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
