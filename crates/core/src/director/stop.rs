//! The end: what is told, and what is left in the kernel.

use super::action::{Action, Actions, ServerNotification, ServerObject};
use super::plan::AtStop;
use super::{Director, Phase};
use crate::ipvs::{Change, SyncRole};

impl Director {
    /// Hands over: down-notifications where `omega` asks for them, then the table.
    pub(super) fn stop(&mut self, actions: &mut Actions) {
        for (number, server) in (0..).zip(&self.servers).filter(|(_, server)| server.plan.omega) {
            for (real_number, _) in (0..).zip(&server.reals).filter(|(_, real)| real.serving) {
                if let Some(object) = self.real_object((number, real_number)) {
                    actions.push(Action::Notify(ServerNotification { object, up: false }));
                }
            }
            if server.up {
                let object = ServerObject::VirtualServer(server.plan.key.clone());
                actions.push(Action::Notify(ServerNotification { object, up: false }));
            }
        }
        if let Some(known) = self.kernel.known.take() {
            match self.settings.at_stop {
                AtStop::Leave => {}
                AtStop::Flush => actions.push(Action::FlushTable),
                // The kernel deletes a service with everything in it: nothing is gained by going one by one.
                AtStop::RemoveOurs | AtStop::FlushOurs => {
                    let services = known.services.into_keys();
                    actions.extend(services.map(|key| Action::Change(Change::DeleteService(key))));
                }
            }
            if self.settings.sync.is_some() && self.settings.at_stop != AtStop::Leave {
                actions.extend([SyncRole::Master, SyncRole::Backup].map(Action::StopSync));
            }
        }
        self.phase = Phase::Finished;
        actions.push(Action::Finished);
    }

    /// Ends before the table was listed. What a predecessor put there is deleted without having seen it.
    pub(super) fn stop_unstarted(&mut self, actions: &mut Actions) {
        let services = self.predecessor.take().map(|resume| resume.services).unwrap_or_default();
        match self.settings.at_stop {
            AtStop::Leave => {}
            AtStop::Flush | AtStop::RemoveOurs | AtStop::FlushOurs => {
                actions.extend(services.into_iter().map(|key| Action::Change(Change::DeleteService(key))));
            }
        }
        self.phase = Phase::Finished;
        actions.push(Action::Finished);
    }
}
