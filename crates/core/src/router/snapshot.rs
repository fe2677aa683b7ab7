//! Snapshots: the report for people and the state for a successor.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Router;
use super::legs::Leg;
use super::plan::TrackerTarget;
use super::reason::State;
use super::report::{
    GroupReport, InstanceReport, PathPeerReport, PathReport, PeerReport, Report, Resume, ResumeInstance,
    TrackerReport,
};
use super::trackers::tracker_name;
use crate::bfd::BfdReport;
use crate::track::Verdict;

impl Router {
    /// A snapshot of everything.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            instances: (0..self.instances.len()).map(|id| self.instance_report(id)).collect(),
            groups: self
                .groups
                .iter()
                .map(|group| GroupReport { name: group.plan.name.clone(), state: group.state })
                .collect(),
            trackers: self.tracker_reports(),
            alarms: self.alarms.standing().collect(),
            gates_refused: self.gates.refusals(),
            paths: self.legs.all().iter().map(|leg| self.path_report(leg)).collect(),
            bfd: BfdReport::default(),
            lateness: self.lateness,
            unknown_vrids: self.unknown_vrids,
        }
    }

    /// Name, state and effective priority of every instance, in plan order: the part of the report that is worth
    /// looking at after every step.
    pub fn states(&self) -> impl Iterator<Item = (&str, State, u8)> {
        self.instances
            .iter()
            .map(|instance| (instance.plan.name.as_str(), instance.state(), instance.priority()))
    }

    /// What a successor of this process needs. Cheap; taken after a step that told a state change.
    #[must_use]
    pub fn resume(&self) -> Resume {
        let verdicts = self.tracker_reports().into_iter();
        Resume {
            at: self.legs.now,
            instances: self
                .instances
                .iter()
                .map(|instance| ResumeInstance {
                    name: instance.plan.name.clone(),
                    state: instance.state(),
                    master_advert_interval: instance.master_advert_interval(),
                    peers: instance.peers.clone(),
                    counters: instance.counters,
                    sequence: instance.sequence,
                    marks: instance.marks.clone(),
                })
                .collect(),
            trackers: verdicts.filter_map(|tracker| Some((tracker.name, tracker.up?))).collect(),
            addresses: self.holdings.addresses().cloned().collect(),
            routes: self.holdings.routes().cloned().collect(),
            rules: self.holdings.rules().cloned().collect(),
            links: self.virtual_links.wanted().cloned().collect(),
            settings: self.virtual_links.found(),
        }
    }

    fn path_report(&self, leg: &Leg) -> PathReport {
        let peers: Vec<PathPeerReport> = self
            .legs
            .heard_on(leg.id)
            .map(|(source, known)| PathPeerReport {
                source,
                boot: known.boot,
                up: known.up,
                last_heard: known.at,
                lost: known.lost,
            })
            .collect();
        PathReport {
            name: leg.way.name(),
            up: peers.iter().any(|peer| peer.up),
            sent: leg.sent,
            send_errors: leg.send_errors,
            peers,
            rejected: leg.rejected.iter().map(|(rejection, count)| (*rejection, *count)).collect(),
        }
    }

    fn tracker_reports(&self) -> Vec<TrackerReport> {
        let of_instances = self.instances.iter().flat_map(|instance| &instance.plan.trackers);
        let of_groups = self.groups.iter().flat_map(|group| &group.plan.trackers);
        let mut targets: BTreeSet<TrackerTarget> =
            of_instances.chain(of_groups).map(|tracker| tracker.target.clone()).collect();
        targets.extend(self.scripts.keys().cloned().map(TrackerTarget::Script));
        targets.extend(self.sessions.keys().cloned().map(TrackerTarget::Bfd));
        targets
            .into_iter()
            .map(|target| TrackerReport {
                name: tracker_name(&target),
                up: match self.verdict(&target) {
                    Verdict::Unknown => None,
                    Verdict::Is(up) => Some(up),
                    Verdict::Value(value) => Some(value == 0),
                },
            })
            .collect()
    }

    fn instance_report(&self, id: usize) -> InstanceReport {
        let instance = &self.instances[id];
        let (since, cause) = instance.since();
        let heard = instance.last_heard();
        let master = match instance.state() {
            State::Master => (instance.source, instance.priority()),
            State::Init | State::Backup | State::Fault => {
                (heard.map(|heard| heard.source), heard.map_or(0, |heard| heard.priority))
            }
        };
        InstanceReport {
            name: instance.plan.name.clone(),
            state: instance.state(),
            since,
            cause: cause.clone(),
            base_priority: instance.plan.priority.get(),
            effective_priority: instance.priority(),
            master: master.0,
            master_priority: master.1,
            master_advert_interval: instance.master_advert_interval(),
            last_advert: heard.map(|heard| heard.at),
            lease: self.lease_state(id),
            holds_back: instance.holds_back(),
            counters: instance.counters,
            advert_gaps: *instance.observed.gaps(),
            contested: instance.observed.contested(),
            peers: peer_reports(instance),
        }
    }
}

fn peer_reports(instance: &crate::vrrp::Instance) -> Vec<PeerReport> {
    let living: BTreeSet<_> = instance.peers.living().collect();
    let peers = instance.peers.all();
    peers
        .map(|(source, peer)| PeerReport {
            source,
            living: living.contains(&source),
            told: peer.told,
            heard: peer.heard().collect(),
        })
        .collect()
}
