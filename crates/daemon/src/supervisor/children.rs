//! Starting the two children, and what their deaths mean.
//!
//! A router that dies is back at once with the plan and its last state: its crash is no failover. A director that dies
//! never touches the router.

use std::time::Instant;

use mainstay_core::router::ScriptOutcome;
use mainstay_core::track::describe_outcome;

use super::stop::LeftBehind;
use super::{PERMANENT, Supervisor};
use crate::cli::Role;
use crate::frames::{ToDirector, ToRouter};
use crate::snmp::shown;

impl Supervisor {
    pub(super) fn start_router(&mut self, now: Instant) {
        let model = self.newest_model();
        let first = ToRouter::Start {
            plan: Box::new(model.router.clone()),
            process: Box::new(model.process.clone()),
            resume: self.resume.clone(),
        };
        match self.router.start(&first, now) {
            Ok(()) => {
                tracing::debug!("router started");
                self.router_left = LeftBehind::State;
                // What files hold counts before the first instance decides; the rest follows when it is ready.
                self.feed_router();
            }
            Err(error) => {
                tracing::error!("the router cannot be started: {error}");
                let death = self.router.died(now);
                self.watch_silence(death.was_ready, now);
                self.router.restart_at(death.restart_at);
            }
        }
    }

    pub(super) fn start_director(&mut self, now: Instant) {
        let model = self.newest_model();
        let first = ToDirector::Start {
            plan: Box::new(self.director_plan(model)),
            process: Box::new(model.process.clone()),
            resume: self.memory.clone().map(Box::new),
            ipvs: self.options.ipvs,
            socket: self.socket.clone(),
            shown: shown(model),
        };
        match self.director.start(&first, now) {
            Ok(()) => {
                tracing::debug!("director started");
                self.director_left = LeftBehind::State;
                self.followed_master = None;
                // What files hold counts before the first real server serves.
                self.feed_director();
                self.tell_sessions_that_are_down();
            }
            Err(error) => {
                tracing::error!("the director cannot be started: {error}");
                let death = self.director.died(now);
                self.director.restart_at(death.restart_at);
            }
        }
    }

    pub(super) fn router_died(&mut self, outcome: &ScriptOutcome, now: Instant) {
        let death = self.router.died(now);
        self.counted.died(Role::Router);
        // What was asked of it will not be answered.
        self.reports.clear();
        if !self.phase.is_running() {
            return;
        }
        let how = describe_outcome(outcome);
        if let ScriptOutcome::Exited(status) = outcome
            && PERMANENT.contains(status)
            && !death.was_ready
        {
            tracing::error!("the router {how}: it cannot work here, and neither can we");
            return self.begin_stop_with(*status, now);
        }
        if self.options.dont_respawn {
            tracing::error!("the router {how} and is not to be restarted");
            return self.begin_stop_with(1, now);
        }
        let wait = death.restart_at.saturating_duration_since(now);
        tracing::error!("the router {how}: restarted {}", in_words(wait));
        self.router_reloaded(now);
        self.watch_silence(death.was_ready, now);
        self.router.restart_at(death.restart_at);
    }

    pub(super) fn director_died(&mut self, outcome: &ScriptOutcome, now: Instant) {
        let death = self.director.died(now);
        self.counted.died(Role::Director);
        // Its checks are asked anew by the next one.
        self.scripts.end_checks(now);
        if !self.phase.is_running() {
            return;
        }
        let wait = death.restart_at.saturating_duration_since(now);
        tracing::error!("the director {}: restarted {}", describe_outcome(outcome), in_words(wait));
        self.director_reloaded(now);
        self.director.restart_at(death.restart_at);
    }
}

fn in_words(wait: std::time::Duration) -> String {
    match wait.as_secs() {
        0 => "at once".into(),
        seconds => format!("in {seconds} s"),
    }
}
