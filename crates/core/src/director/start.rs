//! The beginning: the first table, what a predecessor left, who is told of what is there from the start.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::action::{Action, Actions, ServerNotification};
use super::report::{Memory, Resume};
use super::{Director, Phase};
use crate::ipvs::{SyncDaemon, SyncRole, Table};
use crate::time::Instant;

impl Director {
    /// The kernel's table was listed for the first time, or there is none.
    pub(super) fn start(&mut self, now: Instant, table: Result<Table, Box<str>>, actions: &mut Actions) {
        self.phase = Phase::Running;
        let resumed = self.predecessor.is_some();
        if let Some(resume) = &self.predecessor {
            self.kernel.orphans = resume.services.clone();
        }
        self.remember_services(actions);
        match table {
            Ok(mut table) => {
                if self.settings.flush && !resumed {
                    actions.push(Action::FlushTable);
                    table = Table::default();
                }
                self.adopt_table(now, table, actions);
            }
            Err(words) => self.table_unavailable(now, words, actions),
        }
        for server in 0..u32::try_from(self.servers.len()).unwrap_or(u32::MAX) {
            self.tell_beginning(now, server, actions);
        }
        let indexes: Vec<u32> = self.checkers.iter().map(|(index, _)| index).collect();
        for index in indexes {
            self.activate(now, index);
        }
        if let Some(resume) = self.predecessor.take() {
            self.forget_what_is_gone(resume, actions);
        }
    }

    /// What a predecessor remembered of objects that are no longer in the plan is of no use to anybody.
    fn forget_what_is_gone(&self, resume: Resume, actions: &mut Actions) {
        let asked: BTreeSet<u64> = self.checkers.iter().map(|(_, checker)| checker.digest).collect();
        let gone = resume.verdicts.into_keys().filter(|digest| !asked.contains(digest));
        actions.extend(gone.map(|digest| Action::Remember(Memory::Forget(digest))));
        let servers: BTreeSet<_> = self.servers.iter().map(|server| &server.plan.key).collect();
        let gone = resume.quorums.into_keys().filter(|key| !servers.contains(key));
        actions.extend(gone.map(|key| Action::Remember(Memory::Quorum(key, None))));
    }

    /// Tells of what is up from the start (if wanted) and of quorums that are missing from the start, unless a
    /// predecessor has.
    fn tell_beginning(&self, now: Instant, server: u32, actions: &mut Actions) {
        let Some(found) = self.servers.get(server as usize) else { return };
        let known = self.predecessor.as_ref().and_then(|resume| resume.quorums.get(&found.plan.key));
        if self.settings.initial_notifies && known.is_none() {
            for (number, _) in (0..).zip(&found.reals).filter(|(_, real)| real.serving) {
                if let Some(object) = self.real_object((server, number)) {
                    actions.push(Action::Notify(ServerNotification { object, up: true }));
                }
            }
        }
        if known.map_or(!found.up, |known| *known != found.up) {
            self.tell_quorum(now, server, actions);
        } else if known.is_none() {
            actions.push(Action::Remember(Memory::Quorum(found.plan.key.clone(), Some(found.up))));
        }
    }

    /// Tells the kernel the settings that are not about one service.
    pub(super) fn order_settings(&self, actions: &mut Actions) {
        if !self.settings.timeouts.are_unset() {
            actions.push(Action::SetTimeouts(self.settings.timeouts));
        }
        self.order_sync(actions);
    }

    /// Starts the synchronisation daemons that are to run.
    pub(super) fn order_sync(&self, actions: &mut Actions) {
        let Some(sync) = &self.settings.sync else { return };
        let start = |role| Action::StartSync(SyncDaemon { role, ..sync.daemon.clone() });
        match (&sync.instance, self.sync_master) {
            (None, _) => actions.extend([start(SyncRole::Master), start(SyncRole::Backup)]),
            (Some(_), true) => {
                actions.extend([Action::StopSync(SyncRole::Backup), start(SyncRole::Master)]);
            }
            (Some(_), false) => {
                actions.extend([Action::StopSync(SyncRole::Master), start(SyncRole::Backup)]);
            }
        }
    }

    /// The synchronisation daemons follow an instance.
    pub(super) fn instance_became(&mut self, instance: &str, master: bool, actions: &mut Actions) {
        let sync = self.settings.sync.as_ref();
        let followed = sync.and_then(|sync| sync.instance.as_deref()) == Some(instance);
        if followed && self.sync_master != master {
            self.sync_master = master;
            if self.kernel.known.is_some() {
                self.order_sync(actions);
            }
        }
    }
}
