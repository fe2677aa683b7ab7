//! What the supervisor counts for metrics, and its answer to the director's question for them.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use mainstay_config::Model;
use mainstay_core::router::{Event, Reason, Report, Subject};

use super::Supervisor;
use super::dump::Wanted;
use crate::cli::Role;
use crate::frames::ToDirector;
use crate::measures::{self, Identity, Measures};

/// The counts.
#[derive(Debug)]
pub struct Counted(measures::Counted);

impl Counted {
    /// The configuration of the start is in force from now on.
    pub fn new() -> Self {
        let now = now_ms();
        Self(measures::Counted { started_at_ms: now, configured_at_ms: now, ..Default::default() })
    }

    /// Another configuration is in force.
    pub fn reloaded(&mut self) {
        self.0.reloads = self.0.reloads.saturating_add(1);
        self.0.last_reload_refused = false;
        self.0.configured_at_ms = now_ms();
    }

    /// A configuration was refused; how many there were so far.
    pub fn reload_refused(&mut self) -> u64 {
        self.0.reloads_refused = self.0.reloads_refused.saturating_add(1);
        self.0.last_reload_refused = true;
        self.0.reloads_refused
    }

    /// A child died.
    pub fn died(&mut self, role: Role) {
        *self.0.deaths.entry(role.name().to_owned()).or_default() += 1;
    }

    /// The router told of something.
    pub fn saw(&mut self, event: &Event) {
        let (Subject::Instance(name), Reason::StateChanged { to, cause, .. }) =
            (&event.subject, &event.reason)
        else {
            return;
        };
        let counts = self.0.transitions.entry(name.clone()).or_default();
        measures::count(counts, &to.to_string(), cause.word());
    }
}

impl Supervisor {
    /// Somebody reads the metrics.
    pub(super) fn measures_wanted(&mut self, number: u64) {
        if self.router.is_ready() {
            self.ask_for_report(Wanted::Measures(number));
        } else {
            self.send_measures(number, None);
        }
    }

    /// What we and the router have counted; names that left the configuration are not told of.
    pub(super) fn send_measures(&mut self, number: u64, router: Option<Box<Report>>) {
        let model = &self.model;
        let mut counted = self.counted.0.clone();
        let instances: BTreeMap<&str, Identity> = identities(model);
        counted.transitions.retain(|name, _| instances.contains_key(name.as_str()));
        let (scripts, notifications) = self.scripts.counts();
        counted.scripts.clone_from(scripts);
        counted.scripts.retain(|(name, _), _| model.scripts.contains_key(name));
        counted.notifications.clone_from(notifications);
        let identity = |name: &str| instances.get(name).cloned().unwrap_or_default();
        let told = router.iter().flat_map(|report| &report.instances);
        let identities = told.map(|instance| identity(&instance.name)).collect();
        let node = model.process.router_id.clone();
        let measures = Measures { node, counted, router, identities };
        self.director.send(&ToDirector::Measures(number, Box::new(measures)));
    }
}

fn identities(model: &Model) -> BTreeMap<&str, Identity> {
    let groups = model.router.sync_groups.iter();
    let group_of: BTreeMap<&str, &str> = groups
        .flat_map(|group| group.members.iter().map(|member| (member.as_str(), group.name.as_str())))
        .collect();
    let instances = model.router.instances.iter().map(|plan| {
        let group = group_of.get(plan.name.as_str()).copied().unwrap_or_default();
        let identity = Identity {
            interface: plan.interface.clone().unwrap_or_default(),
            vrid: plan.vrid.get(),
            version: plan.version.number(),
            group: group.to_owned(),
        };
        (plan.name.as_str(), identity)
    });
    instances.collect()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use mainstay_core::router::{Cause, State};
    use mainstay_core::time::Instant;

    use super::*;

    #[test]
    fn changes_of_state_are_counted_by_what_was_entered_and_why() {
        let mut counted = Counted::new();
        let event = |subject, reason| Event { at: Instant::ZERO, subject, reason };
        let to_master = Reason::StateChanged {
            from: State::Backup,
            to: State::Master,
            cause: Cause::NoAdvertFor { silence: std::time::Duration::from_secs(3) },
        };
        counted.saw(&event(Subject::Instance("VI_1".into()), to_master.clone()));
        counted.saw(&event(Subject::Instance("VI_1".into()), to_master.clone()));
        counted.saw(&event(Subject::Group("G".into()), to_master));
        counted.saw(&event(Subject::Instance("VI_1".into()), Reason::LettingGo));
        let expected = BTreeMap::from([(("MASTER".to_owned(), "no_advert".to_owned()), 2)]);
        assert_eq!(counted.0.transitions, BTreeMap::from([("VI_1".to_owned(), expected)]));
    }

    #[test]
    fn the_last_reload_is_the_one_that_counts() {
        let mut counted = Counted::new();
        assert_eq!((counted.reload_refused(), counted.reload_refused()), (1, 2));
        assert!(counted.0.last_reload_refused);
        counted.reloaded();
        assert!(!counted.0.last_reload_refused);
        assert_eq!((counted.0.reloads, counted.0.reloads_refused), (1, 2));
    }
}
