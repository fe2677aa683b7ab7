//! The book of alarms: which stand, since when, how often seen; and how often they are told.
//!
//! Whoever can send packets can cause alarms, so their number is bounded, and one that comes and goes is told at most
//! twice a minute.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Router;
use super::action::{Actions, Subject};
use super::agenda::{Agenda, Dated};
use super::alarm::Alarm;
use super::reason::{Reason, State};
use super::report::AlarmReport;
use crate::time::{Duration, Instant};

/// An alarm is over when it was not seen for three master-down intervals, and at least for so long.
const SHORTEST_CALM: Duration = Duration::from_secs(10);

/// The same for one that came back within that time after it was over.
const CALM_OF_A_FLICKERING_ONE: Duration = Duration::from_secs(60);

/// How many alarms are told apart; further ones count together.
const MOST: usize = 64;

type Key = (Arc<str>, Alarm);

/// All alarms of a node, by the name of the instance.
#[derive(Debug, Clone, Default)]
pub struct Alarms(Agenda<Key, Entry>);

#[derive(Debug, Clone, Copy)]
struct Entry {
    phase: Phase,
    since: Instant,
    last: Instant,
    count: u64,
    calm: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Seen too seldom to be told.
    Suspected,
    /// Told.
    Standing,
    /// Told to be over; remembered for a while, so that one that flickers is not told each time.
    Over,
}

impl Entry {
    const fn fresh(now: Instant, calm: Duration) -> Self {
        Self { phase: Phase::Suspected, since: now, last: now, count: 0, calm }
    }

    /// It was seen; whether it begins to stand by that.
    fn see(&mut self, now: Instant, alarm: Alarm, calm: Duration) -> bool {
        match self.phase {
            // What time alone tells is looked at when the time has come, and must not begin anew just before.
            Phase::Suspected if alarm.patience().is_some() && now >= self.due() => {
                *self = Self::fresh(now, calm);
            }
            Phase::Over => *self = Self::fresh(now, calm.max(CALM_OF_A_FLICKERING_ONE)),
            Phase::Suspected | Phase::Standing => {}
        }
        self.count += 1;
        // Its time does not move by being seen: it is looked at when the time has come.
        let Some(patience) = alarm.patience() else { return false };
        self.last = now;
        let begins = self.phase == Phase::Suspected && self.count >= patience;
        if begins {
            self.phase = Phase::Standing;
        }
        begins
    }
}

impl Dated for Entry {
    fn due(&self) -> Instant {
        match self.phase {
            Phase::Suspected | Phase::Standing => self.last + self.calm,
            Phase::Over => self.last + self.calm + CALM_OF_A_FLICKERING_ONE,
        }
    }
}

/// What changed of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    instance: Arc<str>,
    reason: Reason,
}

impl Alarms {
    /// It was seen. Returns whether it stands, and what is to be told of that.
    pub fn see(
        &mut self,
        now: Instant,
        instance: &Arc<str>,
        alarm: Alarm,
        calm: Duration,
    ) -> (bool, Option<Change>) {
        let mut key = (Arc::clone(instance), alarm);
        if !self.0.contains_key(&key) && self.0.len() >= MOST {
            key.1 = alarm.of_many();
        }
        let (begins, stands) = self.0.change(|entries| {
            let entry = entries.entry(key.clone()).or_insert(Entry::fresh(now, calm));
            (entry.see(now, alarm, calm), entry.phase == Phase::Standing)
        });
        let reason = || Reason::AlarmBegan { alarm: key.1 };
        (stands, begins.then(|| Change { reason: reason(), instance: key.0 }))
    }

    /// When [`take_due`](Self::take_due) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.next()
    }

    /// Ends what was not seen for long. `persists` says of an alarm that nobody has to see again whether it is so.
    pub fn take_due(&mut self, now: Instant, persists: impl Fn(&str, &Alarm) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        let look = |(instance, alarm): &Key, entry: &mut Entry| {
            if now < entry.due() {
                return true;
            }
            match entry.phase {
                Phase::Suspected | Phase::Standing if persists(instance, alarm) => {
                    if entry.phase == Phase::Suspected {
                        let reason = Reason::AlarmBegan { alarm: *alarm };
                        changes.push(Change { instance: Arc::clone(instance), reason });
                    }
                    entry.phase = Phase::Standing;
                    entry.last = now;
                    true
                }
                Phase::Suspected | Phase::Over => false,
                Phase::Standing => {
                    changes.push(over(instance, alarm, entry));
                    entry.phase = Phase::Over;
                    true
                }
            }
        };
        self.0.change(|entries| entries.retain(look));
        changes
    }

    /// Ends these at once: their ground is gone.
    pub fn end(&mut self, which: impl Fn(&str, &Alarm) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        let end = |(instance, alarm): &Key, entry: &mut Entry| {
            if !which(instance, alarm) {
                return true;
            }
            match entry.phase {
                Phase::Suspected => return false,
                Phase::Standing => changes.push(over(instance, alarm, entry)),
                Phase::Over => {}
            }
            entry.phase = Phase::Over;
            true
        };
        self.0.change(|entries| entries.retain(end));
        changes
    }

    /// Those that stand.
    pub fn standing(&self) -> impl Iterator<Item = AlarmReport> + '_ {
        self.0.iter().filter(|(_, entry)| entry.phase == Phase::Standing).map(|((instance, alarm), entry)| {
            AlarmReport {
                instance: (**instance).into(),
                alarm: *alarm,
                since: entry.since,
                last: entry.last,
                count: entry.count,
            }
        })
    }
}

fn over(instance: &Arc<str>, alarm: &Alarm, entry: &Entry) -> Change {
    let lasted = entry.last.saturating_since(entry.since);
    let reason = Reason::AlarmOver { alarm: *alarm, lasted, count: entry.count };
    Change { instance: Arc::clone(instance), reason }
}

impl Router {
    /// An alarm was seen at an instance; whether it stands now.
    pub(super) fn alarm(&mut self, now: Instant, id: usize, alarm: Alarm, actions: &mut Actions) -> bool {
        let instance = &self.instances[id];
        let calm = (instance.master_down_interval() * 3).max(SHORTEST_CALM);
        let (stands, change) = self.alarms.see(now, &instance.name, alarm, calm);
        self.tell_alarms(now, change, actions);
        stands
    }

    /// Ends what was not seen for long, and looks at what time alone tells.
    pub(super) fn review_alarms(&mut self, now: Instant, actions: &mut Actions) {
        if self.alarms.deadline().is_none_or(|due| due > now) {
            return;
        }
        let mut alarms = core::mem::take(&mut self.alarms);
        let changes = alarms.take_due(now, |instance, alarm| match alarm {
            Alarm::NobodyHeard => self.instance_named(instance).is_some_and(|id| self.hears_nobody(now, id)),
            Alarm::PathSilent { path } => {
                self.instance_named(instance).is_some_and(|id| self.legs.is_unheard(id, *path))
            }
            Alarm::Mismatch { .. }
            | Alarm::VridCollision { .. }
            | Alarm::TwoMasters { .. }
            | Alarm::AdvertsRefused
            | Alarm::AddressClaimed { .. }
            | Alarm::AddressConflict { .. } => false,
        });
        self.alarms = alarms;
        self.tell_alarms(now, changes, actions);
    }

    /// Ends at once what was said of an instance as master.
    pub(super) fn end_alarms_of_master(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        let as_master =
            |alarm: &Alarm| matches!(alarm, Alarm::TwoMasters { .. } | Alarm::AddressConflict { .. });
        self.end_alarms_of(now, id, as_master, actions);
    }

    /// Ends at once what was said of an instance that did not become master.
    pub(super) fn end_alarms_of_backup(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        self.end_alarms_of(now, id, |alarm| *alarm == Alarm::AdvertsRefused, actions);
    }

    fn end_alarms_of(
        &mut self,
        now: Instant,
        id: usize,
        which: impl Fn(&Alarm) -> bool,
        actions: &mut Actions,
    ) {
        let name = Arc::clone(&self.instances[id].name);
        let changes = self.alarms.end(|instance, alarm| which(alarm) && *instance == *name);
        self.tell_alarms(now, changes, actions);
    }

    /// Ends at once what was said of a path on which somebody is heard.
    pub(super) fn end_alarms_of_path(&mut self, now: Instant, leg: usize, actions: &mut Actions) {
        let Some((id, path)) = self.legs.further_path(leg) else { return };
        let name = Arc::clone(&self.instances[id].name);
        let changes =
            self.alarms.end(|instance, alarm| *alarm == Alarm::PathSilent { path } && *instance == *name);
        self.tell_alarms(now, changes, actions);
    }

    /// Ends the alarms of instances that a reload has removed.
    pub(super) fn end_alarms_of_removed(&mut self, now: Instant, actions: &mut Actions) {
        let names: alloc::collections::BTreeSet<Arc<str>> =
            self.instances.iter().map(|instance| Arc::clone(&instance.name)).collect();
        let changes = self.alarms.end(|instance, _| !names.contains(instance));
        self.tell_alarms(now, changes, actions);
    }

    fn tell_alarms(&self, now: Instant, changes: impl IntoIterator<Item = Change>, actions: &mut Actions) {
        for Change { instance, reason } in changes {
            self.tell(now, Subject::Instance((*instance).into()), reason, actions);
        }
    }

    fn instance_named(&self, name: &str) -> Option<usize> {
        self.instances.iter().position(|instance| *instance.name == *name)
    }

    /// Silence alone is never suspicious: a backup of plain VRRP says nothing, and neither does a peer that is off. It
    /// is when the group waits for this instance to hear the master that another member hears.
    fn hears_nobody(&self, now: Instant, id: usize) -> bool {
        let instance = &self.instances[id];
        let heard_lately = |other: usize| {
            let other = &self.instances[other];
            other
                .last_heard()
                .is_some_and(|heard| now.saturating_since(heard.at) < other.master_down_interval())
        };
        instance.state() == State::Backup
            && instance.last_heard().is_none()
            && instance.wants_to_be_master()
            && self.others(id).into_iter().any(heard_lately)
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;
    use crate::router::reason::Mismatch;

    const CALM: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn differs(last: u8, mismatch: Mismatch) -> Alarm {
        Alarm::Mismatch { source: IpAddr::from([192, 0, 2, last]), mismatch }
    }

    /// What is told of it: begun, or over after how long and how often seen.
    fn told(changes: impl IntoIterator<Item = Change>) -> Vec<Option<(u64, u64)>> {
        let told = |change: Change| match change.reason {
            Reason::AlarmBegan { .. } => None,
            Reason::AlarmOver { lasted, count, .. } => Some((lasted.as_secs(), count)),
            other => panic!("{other:?} is told of an alarm"),
        };
        changes.into_iter().map(told).collect()
    }

    #[test]
    fn an_alarm_is_told_when_it_begins_and_once_more_when_it_was_not_seen_for_long() {
        let (mut alarms, name) = (Alarms::default(), Arc::from("VI_1"));
        let alarm = differs(1, Mismatch::Authentication);
        let mut changes = Vec::new();
        for second in 0..=100 {
            changes.extend(alarms.take_due(at(second), |_, _| false));
            changes.extend(alarms.see(at(second), &name, alarm, CALM).1);
        }
        assert_eq!(alarms.standing().count(), 1);
        assert_eq!(alarms.deadline(), Some(at(110)));
        changes.extend(alarms.take_due(at(110), |_, _| false));
        assert_eq!(told(changes), [None, Some((100, 101))]);
        assert_eq!(alarms.standing().count(), 0);
        assert_eq!(alarms.take_due(at(170), |_, _| false), []);
        assert_eq!(alarms.deadline(), None, "what is over is forgotten after a while");
    }

    #[test]
    fn one_that_flickers_is_told_at_most_twice_a_minute() {
        let (mut alarms, name) = (Alarms::default(), Arc::from("VI_1"));
        let mut tellings = 0;
        for second in 0..3600 {
            tellings += alarms.take_due(at(second), |_, _| false).len();
            if second % 11 == 0 {
                let seen = alarms.see(at(second), &name, differs(1, Mismatch::Version), CALM);
                tellings += usize::from(seen.1.is_some());
            }
        }
        assert!(tellings <= 4, "told {tellings} times in an hour");
    }

    #[test]
    fn a_damaged_packet_now_and_then_is_no_alarm_and_three_together_are() {
        let (mut alarms, name) = (Alarms::default(), Arc::from("VI_1"));
        let alarm = differs(1, Mismatch::Checksum);
        for minute in 0..60 {
            assert_eq!(alarms.see(at(60 * minute), &name, alarm, CALM), (false, None));
        }
        let stands: Vec<bool> = (0..3).map(|s| alarms.see(at(7200 + s), &name, alarm, CALM).0).collect();
        assert_eq!(stands, [false, false, true]);
    }

    #[test]
    fn what_only_time_tells_begins_and_ends_with_its_ground() {
        let (mut alarms, name) = (Alarms::default(), Arc::from("VI_1"));
        assert_eq!(alarms.see(at(0), &name, Alarm::NobodyHeard, CALM), (false, None));
        assert_eq!(alarms.see(at(5), &name, Alarm::NobodyHeard, CALM), (false, None));
        assert_eq!(alarms.deadline(), Some(at(10)));
        assert_eq!(told(alarms.take_due(at(10), |_, _| true)), [None]);
        assert_eq!(told(alarms.take_due(at(20), |_, _| true)), []);
        assert_eq!(told(alarms.take_due(at(30), |_, _| false)), [Some((20, 2))]);
    }

    #[test]
    fn alarms_from_random_sources_do_not_grow_without_bound() {
        let (mut alarms, name) = (Alarms::default(), Arc::from("VI_1"));
        let mut told = 0;
        for source in 0..100_000_u32 {
            let alarm = Alarm::VridCollision { source: IpAddr::from(source.to_be_bytes()) };
            told += usize::from(alarms.see(at(0), &name, alarm, CALM).1.is_some());
        }
        assert!(told <= MOST + 1 && alarms.0.len() <= MOST + 1, "{told} told, {} kept", alarms.0.len());
    }
}
