//! Results of scripts, files, processes and BFD sessions, and adverts the kernel would not send.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Router;
use super::action::{Action, Actions, Subject};
use super::alarm::Alarm;
use super::input::ScriptOutcome;
use super::limits::{Key, Noise};
use super::plan::TrackerTarget;
use super::reason::Reason;
use crate::time::Instant;
use crate::track::describe_outcome;

impl Router {
    pub(super) fn advert_refused(&mut self, now: Instant, instance: &str, errno: i32, actions: &mut Actions) {
        let Some(id) = self.instances.iter().position(|known| &*known.name == instance) else { return };
        self.instances[id].counters.send_errors += 1;
        let was_on_trial = self.instances[id].is_on_trial();
        if self.instances[id].advert_refused(now) {
            let _ = self.alarm(now, id, Alarm::AdvertsRefused, actions);
        }
        if self.instances[id].is_master() {
            self.close_what_opened_in_vain(now, id, actions);
        } else if !was_on_trial {
            // It was the one that should have closed the gate.
            self.close_gate(id, actions);
        }
        self.hint(id);
        let key = Key { instance: Some(id), source: None, noise: Noise::SendRefused };
        if self.limits.admit(now, key).is_some() {
            let subject = self.subject(id);
            self.tell(
                now,
                subject,
                Reason::Refused { operation: "send an advert".to_string(), errno },
                actions,
            );
        }
    }

    /// Has the scripts run that are due.
    pub(super) fn run_scripts(&mut self, now: Instant, actions: &mut Actions) {
        for (name, script) in &mut self.scripts {
            if script.take_due(now) {
                actions.push(Action::RunScript(name.clone()));
            }
        }
    }

    pub(super) fn script_finished(
        &mut self,
        now: Instant,
        name: &str,
        outcome: &ScriptOutcome,
        actions: &mut Actions,
    ) {
        let Some(script) = self.scripts.get_mut(name) else { return };
        if script.finished(outcome) {
            self.tracker_changed(
                now,
                &TrackerTarget::Script(name.to_string()),
                outcome.is_success(),
                describe_outcome(outcome),
                actions,
            );
        }
    }

    pub(super) fn file_read(&mut self, now: Instant, name: &str, value: Option<i64>, actions: &mut Actions) {
        let Some(known) = self.files.get_mut(name) else { return };
        let value = value.unwrap_or_default();
        if known.value.replace(value) == Some(value) {
            return;
        }
        if self.phase == super::Phase::Running {
            let target = TrackerTarget::File(name.to_string());
            self.tracker_changed(now, &target, value == 0, alloc::format!("holds {value}"), actions);
        }
    }

    pub(super) fn processes_counted(&mut self, now: Instant, name: &str, count: u32, actions: &mut Actions) {
        let Some(process) = self.processes.get_mut(name) else { return };
        if process.counted(now, count) {
            let up = process.verdict() == Some(true);
            let target = TrackerTarget::Process(name.to_string());
            self.tracker_changed(now, &target, up, alloc::format!("{count} running"), actions);
        }
    }

    pub(super) fn believe_processes(&mut self, now: Instant, actions: &mut Actions) {
        if self.processes.is_empty() {
            return;
        }
        let changed: Vec<(String, bool)> = self
            .processes
            .iter_mut()
            .filter_map(|(name, process)| {
                process.take_due(now).then(|| (name.clone(), process.verdict() == Some(true)))
            })
            .collect();
        for (name, up) in changed {
            self.tracker_changed(
                now,
                &TrackerTarget::Process(name),
                up,
                "for its delay".to_string(),
                actions,
            );
        }
    }

    pub(super) fn session_became(&mut self, now: Instant, name: &str, up: bool, actions: &mut Actions) {
        let Some(known) = self.sessions.get_mut(name) else { return };
        if known.replace(up) == Some(up) || self.phase != super::Phase::Running {
            return;
        }
        let target = TrackerTarget::Bfd(name.to_string());
        // One that only checkers follow is told of by its own words.
        if self.is_tracked(&target) {
            let state = if up { "Up" } else { "Down" };
            self.tracker_changed(now, &target, up, alloc::format!("the session is {state}"), actions);
        }
    }

    fn is_tracked(&self, target: &TrackerTarget) -> bool {
        let of_instances = self.instances.iter().flat_map(|instance| &instance.plan.trackers);
        let of_groups = self.groups.iter().flat_map(|group| &group.plan.trackers);
        of_instances.chain(of_groups).any(|tracker| tracker.target == *target)
    }

    fn tracker_changed(
        &mut self,
        now: Instant,
        target: &TrackerTarget,
        up: bool,
        detail: String,
        actions: &mut Actions,
    ) {
        let subject = Subject::Tracker(tracker_name(target));
        self.tell(now, subject, Reason::TrackerChanged { up, detail }, actions);
        self.reassess_users(now, target, actions);
    }
}

/// Kind and name, as reports print it.
pub(super) fn tracker_name(target: &TrackerTarget) -> String {
    match target {
        TrackerTarget::Interface(name) => alloc::format!("interface {name}"),
        TrackerTarget::Script(name) => alloc::format!("script {name}"),
        TrackerTarget::File(name) => alloc::format!("file {name}"),
        TrackerTarget::Process(name) => alloc::format!("process {name}"),
        TrackerTarget::Bfd(name) => alloc::format!("bfd {name}"),
    }
}
