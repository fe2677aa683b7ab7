//! Entering and leaving states, with their effects in the order a protocol asks for, and sync groups.
//!
//! Becoming master: advert, addresses, excluded addresses, routes, rules, announcements, then the notification.
//! Leaving: priority 0 (only when it leaves for good: fault, shutdown, removal), rules, routes, addresses, then the
//! notification. These effects live here and nowhere else.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::action::{Action, Actions, Notification, NotifyObject, NotifyState, Subject};
use super::alarm::Alarm;
use super::announcer::Announcement;
use super::holdings::Entries;
use super::limits::{Key, Noise};
use super::reason::{Cause, Mismatch, Reason, State};
use super::{Phase, Router};
use crate::address::{InterfaceAddress, LinkIndex};
use crate::time::{Duration, Instant};
use crate::vrrp::announce::Due;
use crate::vrrp::election::Heard;
use crate::vrrp::instance::Fact;

/// Adverts of a new master that are told by heartbeat on every leg: who was deaf to it, or it to them, shows by then.
const YOUNG: u32 = 4;

impl Router {
    /// An instance asks to enter a state; its sync group comes with it.
    pub(super) fn enter(&mut self, now: Instant, id: usize, to: State, cause: Cause, actions: &mut Actions) {
        match to {
            State::Master => self.enter_master_together(now, id, cause, actions),
            State::Backup => self.enter_backup_together(now, id, cause, actions),
            // Faults reach the other members through their standing; an end concerns one at a time.
            State::Fault | State::Init => self.change(now, id, to, cause, actions),
        }
        self.settle_groups(now, actions);
    }

    fn enter_master_together(&mut self, now: Instant, id: usize, cause: Cause, actions: &mut Actions) {
        // An owner starts as master; with a startup delay, in a group that has to be ready as a whole, or with something
        // of a former life on its links, it first is a backup whose timer fires as soon as it may.
        let must_wait =
            self.group_of[id].is_some() || now < self.quiet_until || self.must_let_go_first(id, &cause);
        if must_wait && self.instances[id].state() == State::Init {
            self.change(now, id, State::Backup, Cause::Started, actions);
            return;
        }
        if !self.group_wants_to_be_master(id) {
            self.instances[id].wait_for_group();
            if self.instances[id].last_heard().is_none() {
                let _ = self.alarm(now, id, Alarm::NobodyHeard, actions);
            }
            return;
        }
        let name = self.instances[id].plan.name.clone();
        let members =
            self.group_of[id].map_or_else(|| Vec::from([id]), |group| self.groups[group].members.clone());
        if self.must_let_go_first(id, &cause) && self.instances[id].let_go_first(now) {
            let subject = self.subject(id);
            self.tell(now, subject, Reason::LettingGo, actions);
            return;
        }
        if self.try_to_advertise(now, id, &members, actions) {
            return;
        }
        for member in members {
            if member != id && self.instances[member].state() != State::Backup {
                continue;
            }
            let pause = self.preemption_pause(member, &cause);
            let own = if member == id { cause.clone() } else { Cause::SyncGroup(name.clone()) };
            self.change_after(now, member, State::Master, own, pause, actions);
        }
    }

    /// Whether one of these members first has to find out if its adverts leave; the one whose time has come waits for it.
    /// Without a lease that counts a router that cannot advertise is master all the same: nobody else is there.
    fn try_to_advertise(
        &mut self,
        now: Instant,
        id: usize,
        members: &[usize],
        actions: &mut Actions,
    ) -> bool {
        let is_muted = |member: &usize| {
            let instance = &self.instances[*member];
            instance.state() == State::Backup && instance.is_muted() && self.lease_in_force(*member).is_some()
        };
        let muted: Vec<usize> = members.iter().copied().filter(is_muted).collect();
        if muted.is_empty() {
            return false;
        }
        if !muted.contains(&id) {
            self.instances[id].wait_for_group();
        }
        for member in muted {
            // Another member asks again when its own time has come.
            if member == id || !self.instances[member].is_on_trial() {
                let adverts = self.instances[member].begin_trial(now);
                actions.extend(adverts.into_iter().map(Action::SendAdvert));
                self.hint(member);
            }
        }
        true
    }

    fn enter_backup_together(&mut self, now: Instant, id: usize, cause: Cause, actions: &mut Actions) {
        let was_master = self.instances[id].is_master();
        self.change(now, id, State::Backup, cause, actions);
        if !was_master {
            return;
        }
        let name = self.instances[id].plan.name.clone();
        for member in self.others(id) {
            if self.instances[member].is_master() {
                self.change(now, member, State::Backup, Cause::SyncGroup(name.clone()), actions);
            }
        }
    }

    /// A member waits for a master it hears. Others of its group that are master (a reload has just put them together)
    /// give up: half a group that stayed behind would stay for ever.
    pub(super) fn hold_back_group(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        if self.group_of[id].is_none() {
            return;
        }
        let name = self.instances[id].plan.name.clone();
        for member in self.others(id) {
            if self.instances[member].is_master() {
                self.change(now, member, State::Backup, Cause::SyncGroup(name.clone()), actions);
            }
        }
        self.settle_groups(now, actions);
    }

    /// The other members of its sync group.
    pub(super) fn others(&self, id: usize) -> Vec<usize> {
        let members =
            self.group_of[id].map(|group| self.groups[group].members.as_slice()).unwrap_or_default();
        members.iter().copied().filter(|member| *member != id).collect()
    }

    /// One instance changes state with all effects.
    fn change(&mut self, now: Instant, id: usize, to: State, cause: Cause, actions: &mut Actions) {
        self.change_after(now, id, to, cause, None, actions);
    }

    /// The same; a new master takes its addresses only after this pause, and nobody is notified before.
    fn change_after(
        &mut self,
        now: Instant,
        id: usize,
        to: State,
        cause: Cause,
        pause: Option<Duration>,
        actions: &mut Actions,
    ) {
        self.unaccepted.touch();
        let from = self.instances[id].state();
        let held_back = self.instances[id].holds_back();
        if from == State::Master {
            self.leave_master(id, to, actions);
            self.end_alarms_of_master(now, id, actions);
        }
        let resigned = from == State::Master && matches!(to, State::Fault | State::Init);
        self.legs.changed(id, resigned);
        if to == State::Master {
            self.end_alarms_of_backup(now, id, actions);
        }
        match to {
            State::Master => self.become_master(now, id, cause.clone(), pause, actions),
            State::Backup => {
                let timer_start = now.max(self.quiet_until);
                self.instances[id].enter_backup(now, timer_start, cause.clone());
                if from == State::Fault {
                    self.announce_own_source(id, actions);
                }
            }
            State::Fault => self.instances[id].enter_fault(now, cause.clone()),
            State::Init => self.instances[id].enter_init(now, cause.clone()),
        }
        self.hint(id);
        let resumed = cause == Cause::Resumed;
        let subject = self.subject(id);
        self.tell(now, subject, Reason::StateChanged { from, to, cause: cause.clone() }, actions);
        let state = match to {
            State::Master => NotifyState::Master,
            State::Backup => NotifyState::Backup,
            State::Fault => NotifyState::Fault,
            State::Init if cause == Cause::Shutdown => NotifyState::Stop,
            State::Init if self.instances[id].plan.notify_deleted => NotifyState::Deleted,
            State::Init => NotifyState::Fault,
        };
        // Who has not heard of MASTER yet need not hear of BACKUP again.
        let unnoticed = pause.is_some() || (held_back && to == State::Backup);
        if !(resumed || unnoticed) {
            self.notify_instance(id, state, actions);
        }
    }

    fn become_master(
        &mut self,
        now: Instant,
        id: usize,
        cause: Cause,
        pause: Option<Duration>,
        actions: &mut Actions,
    ) {
        self.instances[id].enter_master(now, cause, pause);
        self.advertise(now, id, actions);
        if pause.is_none() {
            self.hold_and_announce(now, id, actions);
        }
    }

    /// A master that held back takes its addresses, and now everybody may know.
    pub(super) fn take_addresses(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        self.hold_and_announce(now, id, actions);
        self.notify_instance(id, NotifyState::Master, actions);
        self.settle_groups(now, actions);
    }

    fn hold_and_announce(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        self.unaccepted.touch();
        let _ = self.hold_entries(&Entries::of(&self.instances[id].plan), actions);
        let rounds = self.instances[id].plan.announce.repeat;
        self.announce(now, id, rounds, false, actions);
    }

    fn leave_master(&mut self, id: usize, to: State, actions: &mut Actions) {
        let resigns = matches!(to, State::Fault | State::Init);
        let before = actions.len();
        if resigns {
            actions.extend(self.instances[id].resignations(self.legs.now).map(Action::SendAdvert));
        }
        if actions.len() == before {
            self.close_gate(id, actions);
        }
        self.stop_trying(id);
        self.announcer.forget(id);
        if self.instances[id].holds_back() {
            return;
        }
        if self.phase == Phase::Finished && self.settings.keep_addresses_on_exit {
            return;
        }
        self.release_entries(&Entries::of(&self.instances[id].plan), actions);
    }

    pub(super) fn advertise(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        let instance = &self.instances[id];
        let (since, _) = instance.since();
        let young = now < since + instance.plan.advert_interval * YOUNG;
        self.legs.advertised(id, young);
        let not_after = self.lease_end(id);
        actions.extend(self.instances[id].adverts(now, not_after).map(Action::SendAdvert));
    }

    /// Announces all addresses of a master, round after round; with `extra_only` only those that are on other links
    /// than the adverts.
    pub(super) fn announce(
        &mut self,
        now: Instant,
        id: usize,
        rounds: u32,
        extra_only: bool,
        actions: &mut Actions,
    ) {
        if self.instances[id].holds_back() {
            return;
        }
        let plan = &self.instances[id].plan;
        let own = plan.interface.as_deref();
        let targets: Vec<(Arc<InterfaceAddress>, LinkIndex)> = plan
            .addresses
            .iter()
            .chain(&plan.excluded_addresses)
            .filter(|address| !extra_only || Some(address.link.as_str()) != own)
            .filter_map(|address| {
                let known = self.kernel.by_name(&address.link)?;
                Some((Arc::clone(address), known.link.index))
            })
            .collect();
        for _ in 0..rounds {
            for (address, link) in &targets {
                let announcement = Announcement { instance: id, link: *link, address: address.address };
                let home = self.virtual_links.home(&address.link);
                if self.announcer.admit(now, home, announcement) {
                    self.send_announcement(announcement, actions);
                }
            }
        }
    }

    pub(super) fn send_announcement(&self, announcement: Announcement, actions: &mut Actions) {
        let Announcement { link, address, .. } = announcement;
        let Some(known) = self.kernel.by_index(link) else { return };
        if let (Some(mac), false) = (known.link.mac, known.link.no_arp) {
            actions.push(Action::Announce { link, mac, address });
        }
    }

    /// After a fault the peers of a unicast router may have forgotten its hardware address.
    fn announce_own_source(&self, id: usize, actions: &mut Actions) {
        let instance = &self.instances[id];
        let unicast = matches!(instance.plan.destination, super::plan::Destination::Unicast { .. });
        if let (true, Some(link), Some(address)) = (unicast, instance.link, instance.source) {
            self.send_announcement(Announcement { instance: id, link, address }, actions);
        }
    }

    pub(super) fn announce_due(&mut self, now: Instant, id: usize, due: Due, actions: &mut Actions) {
        if due.rounds > 0 {
            self.announce(now, id, due.rounds, false, actions);
        } else if due.extra_interface {
            self.announce(now, id, 1, true, actions);
        }
    }

    /// A master of lower standing was heard: its announcements may be newer than ours, so ours are sent again, for
    /// the whole group.
    pub(super) fn contested(
        &mut self,
        now: Instant,
        id: usize,
        heard: &Heard,
        announce: bool,
        actions: &mut Actions,
    ) {
        if heard.priority == 255 && self.instances[id].priority() == 255 {
            self.differs(now, id, heard.source, Mismatch::TwoOwners, actions);
        }
        let key = Key { instance: Some(id), source: Some(heard.source), noise: Noise::LowerPriority };
        if self.limits.admit(now, key).is_some() {
            let reason = Reason::LowerPriorityAdvert { source: heard.source, priority: heard.priority };
            let subject = self.subject(id);
            self.tell(now, subject, reason, actions);
        }
        if !announce {
            return;
        }
        let rounds = self.instances[id].plan.announce.lower_priority_repeat;
        self.announce(now, id, rounds, false, actions);
        for member in self.others(id) {
            if self.instances[member].is_master() {
                self.announce(now, member, rounds, false, actions);
                self.instances[member].announce_after_contest(now);
                self.hint(member);
            }
        }
        if !self.instances[id].holds_back() {
            self.notify_instance(id, NotifyState::MasterRxLowerPriority, actions);
        }
    }

    /// Two owners, and the one with the lower address does not yield: so we do.
    pub(super) fn lower_owner(
        &mut self,
        now: Instant,
        id: usize,
        rival: core::net::IpAddr,
        actions: &mut Actions,
    ) {
        self.instances[id].lower_owner();
        self.differs(now, id, rival, Mismatch::TwoOwners, actions);
        let subject = self.subject(id);
        let to = self.instances[id].priority();
        self.tell(now, subject, Reason::PriorityChanged { from: 255, to }, actions);
    }

    fn notify_instance(&self, id: usize, state: NotifyState, actions: &mut Actions) {
        let instance = &self.instances[id];
        actions.push(Action::Notify(Notification {
            object: NotifyObject::Instance(instance.plan.name.clone()),
            state,
            priority: instance.priority(),
        }));
    }

    /// Groups follow their members; a change is told once, after all members have moved.
    pub(super) fn settle_groups(&mut self, now: Instant, actions: &mut Actions) {
        for index in 0..self.groups.len() {
            let group = &self.groups[index];
            let states = || group.members.iter().map(|member| self.instances[*member].state());
            let to = if states().any(|state| state == State::Fault) {
                State::Fault
            } else if states().any(|state| state == State::Init) {
                State::Init
            } else if states().all(|state| state == State::Master) {
                State::Master
            } else if group.state == State::Master && states().any(|state| state == State::Master) {
                // A reload brought a member that is not master yet; the others did not notice.
                State::Master
            } else {
                State::Backup
            };
            let from = group.state;
            if from == to {
                continue;
            }
            // A group in which some members have moved and others are about to is between two states.
            let complete = match to {
                State::Fault => states().all(|state| state == State::Fault),
                State::Init => states().all(|state| state == State::Init),
                State::Backup => true,
                State::Master => !group.members.iter().any(|member| self.instances[*member].holds_back()),
            };
            if !complete {
                continue;
            }
            let name = group.plan.name.clone();
            self.groups[index].state = to;
            let state = match to {
                State::Master => NotifyState::Master,
                State::Backup => NotifyState::Backup,
                State::Fault => NotifyState::Fault,
                State::Init if self.phase == Phase::Finished => NotifyState::Stop,
                State::Init => continue,
            };
            let cause = self.groups[index]
                .members
                .first()
                .map_or(Cause::Started, |member| self.instances[*member].since().1.clone());
            let resumed = cause == Cause::Resumed;
            let subject = Subject::Group(name.clone());
            self.tell(now, subject, Reason::StateChanged { from, to, cause }, actions);
            if !resumed {
                let object = NotifyObject::Group(name);
                actions.push(Action::Notify(Notification { object, state, priority: 0 }));
            }
        }
    }

    /// Takes up mastership that a crashed predecessor of this process had: the peers have not noticed, so nobody is
    /// notified, and addresses that are still there are adopted.
    pub(super) fn resume_master(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        self.change(now, id, State::Master, Cause::Resumed, actions);
        // That is no new mastership.
        let counters = &mut self.instances[id].counters;
        counters.became_master = counters.became_master.saturating_sub(1);
    }

    /// Takes up waiting where a crashed predecessor was.
    pub(super) fn resume_backup(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        self.change(now, id, State::Backup, Cause::Resumed, actions);
    }

    /// Hands over politely and ends.
    pub(super) fn shut_down(&mut self, now: Instant, actions: &mut Actions) {
        self.phase = Phase::Finished;
        self.gates.touch();
        self.unaccepted.touch();
        for id in 0..self.instances.len() {
            let before = self.instances[id].state();
            self.step_instance(now, id, Fact::Ending(Cause::Shutdown), actions);
            if before == State::Init {
                self.notify_instance(id, NotifyState::Stop, actions);
            }
        }
        self.settle_groups(now, actions);
        if !self.settings.keep_addresses_on_exit {
            self.release_static(actions);
            self.remove_virtual_links(actions);
        }
        self.legs.say_goodbye();
        self.say_heartbeats(now, true, actions);
        actions.push(Action::Finished);
    }
}
