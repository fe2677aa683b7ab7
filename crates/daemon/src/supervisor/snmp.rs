//! The supervisor's part in SNMP: what the router told and what it knows itself, for the sub-agent in the director.

use mainstay_config::Model;
use mainstay_core::director::DirectorPlan;
use mainstay_core::router::{Event, Notification, Report};

use super::Supervisor;
use super::dump::Wanted;
use crate::frames::ToDirector;
use crate::snmp::{Change, RouterSide};

impl Supervisor {
    /// The plan for the director, which is there for SNMP alone if only VRRP is to run.
    pub(super) fn director_plan(&self, model: &Model) -> DirectorPlan {
        if self.options.vrrp { DirectorPlan::default() } else { model.director.clone() }
    }

    /// The sub-agent wants to know how everything is.
    pub(super) fn router_side_wanted(&mut self, number: u64) {
        if self.router.is_ready() {
            return self.ask_for_report(Wanted::Manager(number));
        }
        self.tell_manager(number, Report::default());
    }

    pub(super) fn tell_manager(&mut self, number: u64, report: Report) {
        let (files, processes) = (self.files.values().collect(), self.processes.counts().collect());
        let side = RouterSide { report, files, processes };
        self.director.send(&ToDirector::RouterSide(number, Box::new(side)));
    }

    /// An instance or a sync group changed its state.
    pub(super) fn tell_managers_of_state(&mut self, notification: &Notification) {
        self.tell_managers(|| Some(Change::State(notification.clone())));
    }

    /// Something happened in the router.
    pub(super) fn tell_managers_of_event(&mut self, event: &Event) {
        self.tell_managers(|| Change::of(event));
    }

    fn tell_managers(&mut self, change: impl FnOnce() -> Option<Change>) {
        if self.newest_model().snmp.is_wanted()
            && let Some(change) = change()
        {
            self.director.send(&ToDirector::Changed(change));
        }
    }
}
