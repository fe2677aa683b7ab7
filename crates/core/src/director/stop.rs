//! The end: what is told, and what is left in the kernel.

use super::action::{Action, Actions, ServerNotification, ServerObject};
use super::plan::AtStop;
use super::{Director, Phase};
use crate::ipvs::{Change, ServiceKey, SyncRole};

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
            self.clear_table(known.services.into_keys(), actions);
        }
        self.phase = Phase::Finished;
        actions.push(Action::Finished);
    }

    /// Takes away what is to go: these services of ours at least, our timeouts, and the synchronisation daemons.
    ///
    /// DIFFERS: keepalived does so only if there is a virtual server; with none it leaves its timeouts, and does not
    /// flush either.
    fn clear_table(&self, ours: impl IntoIterator<Item = ServiceKey>, actions: &mut Actions) {
        match self.settings.at_stop {
            AtStop::Leave => return,
            AtStop::Flush => actions.push(Action::FlushTable),
            // The kernel deletes a service with everything in it: nothing is gained by going one by one.
            AtStop::RemoveOurs | AtStop::FlushOurs => {
                actions.extend(ours.into_iter().map(|key| Action::Change(Change::DeleteService(key))));
            }
        }
        if !self.settings.timeouts.are_unset() {
            actions.push(Action::RestoreTimeouts);
        }
        if self.settings.sync.is_some() {
            actions.extend([SyncRole::Master, SyncRole::Backup].map(Action::StopSync));
        }
    }

    /// Ends before the table was listed. What a predecessor put there is deleted without having seen it.
    ///
    /// TODO-correctness: nobody is told by `omega`, for nobody knows whether the predecessor came to telling it.
    pub(super) fn stop_unstarted(&mut self, actions: &mut Actions) {
        if let Some(predecessor) = self.predecessor.take() {
            self.clear_table(predecessor.services, actions);
        }
        self.phase = Phase::Finished;
        actions.push(Action::Finished);
    }
}
