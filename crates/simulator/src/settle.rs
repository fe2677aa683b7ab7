//! What must be true when nothing has gone wrong for long enough: exactly one holder, and the right one (L1, L3).

use std::time::Duration;

use mainstay_core::router::State;
use mainstay_core::router::plan::Preempt;

use crate::daemon::name;
use crate::fault::{Change, Fault, Timed};
use crate::moment::Moment;
use crate::node::States;
use crate::scenario::Kind;
use crate::world::World;

/// Time a node needs after its start until its scripts have run.
const REST: Duration = Duration::from_secs(5);

impl World {
    /// The quiet times: from when everything must have settled until the next fault begins. The last one ends the run.
    #[must_use]
    pub fn calms(&self) -> Vec<(Moment, Moment)> {
        let (settling, quiet) = (self.settling_time(), self.quiet_time());
        let mut faults: Vec<&Timed> = self.scenario.faults.iter().collect();
        faults.sort_by_key(|timed| timed.at);
        let mut calms = Vec::new();
        let mut healed = Duration::ZERO;
        for timed in faults {
            if healed + settling + quiet < timed.at && !healed.is_zero() {
                let before = timed.at.saturating_sub(Duration::from_nanos(1));
                calms.push((Moment(0) + (healed + settling), Moment(0) + before));
            }
            healed = healed.max(timed.ends());
        }
        let settled = healed + settling;
        let end = self.scenario.lasts.max(settled + quiet);
        calms.push((Moment(0) + settled, Moment(0) + end));
        calms
    }

    /// How long after the last fault everything must have settled.
    fn settling_time(&self) -> Duration {
        let interval = self.scenario.longest_interval();
        let down = interval * 4 + Duration::from_secs(1);
        let delays = self.scenario.nodes.iter().map(|node| match node.preempt {
            Preempt::After(delay) => delay,
            Preempt::Never => Duration::ZERO,
        });
        let refused = self.scenario.faults.iter().any(|timed| matches!(timed.fault, Fault::Refusal(_)));
        // What the kernel refused is tried again after 30 s, then 60 s, ...
        let refusal = if refused { Duration::from_secs(250) } else { Duration::ZERO };
        // So are gates, after 60 s.
        let gates = self.scenario.faults.iter().any(|timed| matches!(timed.fault, Fault::GateRefusal(_)));
        let refusal = refusal + if gates { Duration::from_secs(61) } else { Duration::ZERO };
        let rediscovery = Duration::from_secs(10);
        down * 2 + delays.max().unwrap_or_default() + refusal + rediscovery
    }

    /// How long nothing may change afterwards.
    fn quiet_time(&self) -> Duration {
        self.scenario.longest_interval() * 5 + Duration::from_secs(2)
    }

    /// Looks at every router of the LAN.
    pub fn check_settled(&mut self) {
        if self.is_at_odds() || !self.judge.violations.is_empty() {
            return;
        }
        let states = self.all_states();
        for router in 0..self.scenario.routers {
            let of = |state: State| {
                let is = |node: &usize| states[*node].get(router).is_some_and(|(s, _)| *s == state);
                (0..states.len()).filter(is).collect::<Vec<_>>()
            };
            let masters = of(State::Master);
            let faulty: Vec<char> = of(State::Fault).into_iter().chain(of(State::Init)).map(name).collect();
            if !faulty.is_empty() {
                let what = format!("{faulty:?} take no part in router {}", router + 1);
                self.judge.violate(self.now, "L1", what);
                return;
            }
            let [master] = masters[..] else {
                let who: Vec<char> = masters.into_iter().map(name).collect();
                let what = format!("router {} has masters {who:?}", router + 1);
                self.judge.violate(self.now, "L1", what);
                return;
            };
            self.check_winner(router, master, &states);
            self.check_holder(router, master);
        }
        self.check_priorities(&states);
        if self.scenario.grouped {
            self.check_groups(&states);
        }
    }

    /// Nobody who preempts has a higher priority than the master.
    fn check_winner(&mut self, router: usize, master: usize, states: &[States]) {
        let (_, won_with) = states[master][router];
        let all = states;
        for (node, states) in states.iter().enumerate() {
            let Some((_, priority)) = states.get(router) else { continue };
            let preempts = self.scenario.nodes[node].preempt != Preempt::Never || *priority == 255;
            // A group preempts as a whole or not at all. Nodes without groups may have shared out its routers.
            let is_group = self.scenario.grouped && self.nodes[node].kind == Kind::Mainstay;
            let waits = is_group && !self.outranks_all_masters(node, all);
            if preempts && !waits && *priority > won_with {
                let what = format!(
                    "router {}: {} of priority {priority} lets {} of priority {won_with} be master",
                    router + 1,
                    name(node),
                    name(master)
                );
                self.judge.violate(self.now, "L3", what);
            }
        }
    }

    /// Whether a node has a higher priority than whoever else is master, router by router.
    fn outranks_all_masters(&self, node: usize, states: &[States]) -> bool {
        (0..self.scenario.routers).all(|router| {
            let of = |of: usize| states[of].get(router).copied();
            let masters = (0..states.len())
                .filter(|other| *other != node)
                .filter_map(of)
                .filter(|(state, _)| *state == State::Master);
            let own = of(node).map_or(0, |(_, priority)| priority);
            masters.into_iter().all(|(_, priority)| own > priority)
        })
    }

    /// What a script's verdict makes of a router: its effective priority, `None` for a fault.
    fn priority_with(&self, node: usize, router: usize, script_good: bool) -> Option<u8> {
        let spec = &self.scenario.nodes[node];
        let base = spec.priorities.get(router).or(spec.priorities.last()).copied().unwrap_or_default();
        let weight = match spec.script {
            Some(0) if !script_good => return None,
            Some(weight) if (weight > 0) == script_good => weight,
            Some(_) | None => 0,
        };
        let owner = base == 255;
        Some(if owner { 255 } else { (i32::from(base) + weight).clamp(1, 254) as u8 })
    }

    /// Effective priorities are those of healthy nodes.
    fn check_priorities(&mut self, states: &[States]) {
        for (node, routers) in states.iter().enumerate() {
            if self.nodes[node].kind != Kind::Mainstay {
                continue;
            }
            for (router, (_, priority)) in routers.iter().enumerate() {
                let expected = self.priority_with(node, router, true);
                // Two owners may have agreed that one of them is none.
                if expected != Some(*priority) && expected != Some(255) {
                    let what = format!("{} has priority {priority}, not {expected:?}", name(node));
                    self.judge.violate(self.now, "priority", what);
                }
            }
        }
    }

    /// A script that failed for long, on a node where nothing else happened, has had its effect.
    pub(crate) fn check_script(&mut self, failed: &Timed) {
        let Fault::Script(node) = failed.fault else { return };
        let near = |other: &&Timed| {
            let same = other.fault.nodes().contains(&Some(node)) && *other != failed;
            same && other.at < failed.ends() && other.ends() + Duration::from_secs(40) > failed.at
        };
        let disturbed = self.scenario.faults.iter().any(|other| near(&other));
        let weight = self.scenario.nodes[node].script;
        if disturbed || weight.is_none() || failed.lasts < Duration::from_secs(5) || failed.at < REST {
            return;
        }
        let routers = self.states_of(node);
        for (router, &(state, priority)) in routers.iter().enumerate() {
            let expected = self.priority_with(node, router, false);
            let owner = expected == Some(255);
            if !owner && expected != (state != State::Fault).then_some(priority) {
                let what = format!(
                    "{}: its script failed for {:?} and it is {state} with priority {priority}, not {expected:?}",
                    name(node),
                    failed.lasts
                );
                self.judge.violate(self.now, "priority", what);
            }
        }
    }

    fn check_holder(&mut self, router: usize, master: usize) {
        for number in 0..self.scenario.addresses {
            let address = self.scenario.virtual_address(router, number);
            let holders = self.judge.holders(address);
            if holders != 1 << master {
                let what = format!("{} is master and {address} is held by {holders:b}", name(master));
                self.judge.violate(self.now, "L1", what);
            }
        }
    }

    fn check_groups(&mut self, states: &[States]) {
        for (node, states) in states.iter().enumerate() {
            if self.nodes[node].kind == Kind::Mainstay && states.windows(2).any(|two| two[0].0 != two[1].0) {
                let what = format!("{}: members differ: {:?}", name(node), &**states);
                self.judge.violate(self.now, "group", what);
            }
        }
    }

    /// Whether the configurations themselves allow no agreement: then nothing is asked for.
    fn is_at_odds(&self) -> bool {
        let kinds = || self.scenario.nodes.iter().map(|node| node.kind);
        // Models without sync groups in a scenario with them elect each router on its own, against a group.
        let foreign = kinds().any(|kind| kind != Kind::Mainstay);
        let changed_groups = self
            .scenario
            .faults
            .iter()
            .any(|timed| matches!(timed.fault, Fault::Reload(_, Change::FewerRouters)));
        self.scenario.grouped && foreign && changed_groups
    }
}
