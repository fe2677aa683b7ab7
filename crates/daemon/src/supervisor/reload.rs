//! Reload is a transaction: read, check, hand over, and only when both children work by the new plan throw the old away.
//!
//! A file that cannot be used changes nothing. A second HUP during a reload is remembered, and one more reload follows.
//!
//! DIFFERS: keepalived takes whatever it can read, and ends where it would not have started.
//!
//! What belongs to a process rather than to the plan (scheduling, locked memory, titles, pid files, the network
//! namespace) stays as it was at the start, as most of it does in keepalived; the log says so.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mainstay_config::Model;
use mainstay_config::model::ProcessSettings;
use mainstay_core::router::NotifyObject;
use mainstay_system::memory::release_free;

use super::Supervisor;
use super::configuration::{self, Accepted, Purpose};
use super::dump::Wanted;
use super::stop::Phase;
use crate::frames::{ToDirector, ToRouter};
use crate::snmp::shown;

/// Until children that do not confirm the new plan are not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The reload that is going on, if any.
#[derive(Debug, Default)]
pub struct Reload {
    pending: Option<Pending>,
    /// Another one was asked for meanwhile.
    again: bool,
}

#[derive(Debug)]
struct Pending {
    model: Box<Model>,
    router: Answer,
    director: Answer,
    until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Awaited,
    Given,
}

impl Reload {
    /// When to stop waiting.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.until)
    }

    /// The configuration that is about to be in force, or else the one that is.
    #[must_use]
    pub fn newest<'a>(&'a self, in_force: &'a Model) -> &'a Model {
        self.pending.as_ref().map_or(in_force, |pending| &pending.model)
    }

    /// The configuration to look up who is told of an object: during a reload the new one, and the one in force for what
    /// the new one does not have any more.
    pub fn model_of<'a>(&'a self, in_force: &'a Model, object: &NotifyObject) -> &'a Model {
        let newest = self.newest(in_force);
        let known = match object {
            NotifyObject::Instance(name) => newest.router.instances.iter().any(|plan| plan.name == *name),
            NotifyObject::Group(name) => newest.router.sync_groups.iter().any(|plan| plan.name == *name),
        };
        if known { newest } else { in_force }
    }
}

impl Supervisor {
    /// HUP.
    pub(super) fn begin_reload(&mut self, now: Instant) {
        match self.phase {
            Phase::Starting => {
                tracing::info!("Reload: follows the startup script");
                self.reload.again = true;
                return;
            }
            Phase::Running if self.reload.pending.is_some() => {
                tracing::info!("Reload: one is going on; another one follows it");
                self.reload.again = true;
                return;
            }
            Phase::Running => {}
            Phase::Stopping | Phase::Notifying { .. } | Phase::Ending { .. } => return,
        }
        tracing::info!("Reloading");
        self.service_manager.reloading();
        let marker = self.model.process.reload_marker.clone().and_then(Marker::set);
        let read = configuration::read(&self.options, Purpose::Reload(&self.errors));
        drop(marker);
        match read {
            Ok(accepted) => self.hand_over(accepted, now),
            Err(refused) => {
                let so_far = self.counted.reload_refused();
                tracing::error!(
                    "Reload refused: {}; the configuration in force stays ({so_far} refused so far)",
                    refused.why
                );
                self.service_manager.ready();
            }
        }
    }

    fn hand_over(&mut self, accepted: Accepted, now: Instant) {
        let Accepted { model, errors } = accepted;
        self.errors = errors;
        for words in changed_settings(&self.model.process, &model.process) {
            tracing::warn!("Reload: {words} changed; that takes effect with the next start");
        }
        let awaited = |running| if running { Answer::Awaited } else { Answer::Given };
        if self.router.is_running() {
            self.router.send(&ToRouter::Reload(Box::new(model.router.clone())));
        }
        if self.director.is_running() {
            let (plan, process) = (Box::new(self.director_plan(&model)), Box::new(model.process.clone()));
            self.director.send(&ToDirector::Reload { plan, process, shown: shown(&model) });
        }
        self.reload.pending = Some(Pending {
            model: Box::new(model),
            router: awaited(self.router.is_running()),
            director: awaited(self.director.is_running()),
            until: now + PATIENCE,
        });
        self.finish_reload_if_done(now);
    }

    /// The router works by the new plan, or will when it is back.
    pub(super) fn router_reloaded(&mut self, now: Instant) {
        if let Some(pending) = &mut self.reload.pending {
            pending.router = Answer::Given;
            self.finish_reload_if_done(now);
        }
    }

    /// The director works by the new configuration, or will when it is back.
    pub(super) fn director_reloaded(&mut self, now: Instant) {
        if let Some(pending) = &mut self.reload.pending {
            pending.director = Answer::Given;
            self.finish_reload_if_done(now);
        }
    }

    /// Stops waiting where it has taken too long.
    pub(super) fn reload_tick(&mut self, now: Instant) {
        if self.reload.deadline().is_some_and(|until| until <= now) {
            tracing::error!("Reload: a child has not confirmed for {} s", PATIENCE.as_secs());
            self.finish_reload(now);
        }
    }

    fn finish_reload_if_done(&mut self, now: Instant) {
        let done = |pending: &Pending| pending.router == Answer::Given && pending.director == Answer::Given;
        if self.reload.pending.as_ref().is_some_and(done) {
            self.finish_reload(now);
        }
    }

    fn finish_reload(&mut self, now: Instant) {
        let Some(pending) = self.reload.pending.take() else { return };
        self.model = *pending.model;
        self.counted.reloaded();
        self.follow_model(now);
        if self.model.process.states_on_reload {
            self.ask_for_report(Wanted::States);
        }
        release_free();
        tracing::info!("Reload complete");
        self.service_manager.ready();
        self.reload_again(now);
    }

    /// Begins the reload that was asked for when there could be none.
    pub(super) fn reload_again(&mut self, now: Instant) {
        if std::mem::take(&mut self.reload.again) {
            self.begin_reload(now);
        }
    }

    /// The configuration that is in force, or is about to be.
    pub(super) fn newest_model(&self) -> &Model {
        self.reload.newest(&self.model)
    }
}

/// `reload_file`: it is there while the configuration is read, so that whoever writes the configuration can wait.
struct Marker(PathBuf);

impl Marker {
    fn set(path: PathBuf) -> Option<Self> {
        match File::create(&path) {
            Ok(_) => Some(Self(path)),
            Err(error) => {
                tracing::warn!("reload_file {}: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!("reload_file {}: {error}", self.0.display());
        }
    }
}

/// What a running process keeps, in the words of the configuration.
fn changed_settings(old: &ProcessSettings, new: &ProcessSettings) -> Vec<&'static str> {
    [
        ("net_namespace", old.net_namespace != new.net_namespace),
        (
            "instance or use_pid_dir",
            (&old.instance, old.use_pid_directory) != (&new.instance, new.use_pid_directory),
        ),
        ("process_name", old.supervisor_name != new.supervisor_name),
        (
            "the scheduling or title of the VRRP process",
            old.router != new.router || old.realtime != new.realtime,
        ),
        ("the scheduling or title of the checker process", old.director != new.director),
        ("the receive buffer of VRRP", old.receive_buffer != new.receive_buffer),
        ("the recording", old.record != new.record),
    ]
    .into_iter()
    .filter_map(|(words, changed)| changed.then_some(words))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_running_process_keeps_is_named() {
        let old = ProcessSettings::default();
        let mut new = old.clone();
        assert!(changed_settings(&old, &new).is_empty());
        new.router.realtime_priority = Some(50);
        new.net_namespace = Some("blue".to_owned());
        assert_eq!(
            changed_settings(&old, &new),
            ["net_namespace", "the scheduling or title of the VRRP process"]
        );
    }
}
