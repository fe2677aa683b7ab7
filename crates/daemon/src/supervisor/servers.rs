//! The supervisor's part in virtual servers: runs their commands, tells who wants to know, keeps what a successor of the
//! director needs.

use std::time::Instant;

use mainstay_core::director::{Memory, ServerNotification};
use mainstay_core::router::State;

use super::Supervisor;
use super::fifos::About;
use super::notify::{self, Change};
use super::stop::LeftBehind;
use crate::frames::{FromDirector, ToDirector};

impl Supervisor {
    pub(super) fn director_said(&mut self, frame: FromDirector, now: Instant) {
        match frame {
            FromDirector::Ready => {
                self.director.ready();
                self.tell_readiness();
            }
            FromDirector::Remember(memories) => self.remember(memories),
            FromDirector::Notify { notification, because } => {
                self.notify_of_server(notification, &because, now);
            }
            FromDirector::RunCheck { run, command, timeout } => {
                if self.phase.is_running() {
                    let model = self.reload.newest(&self.model);
                    let result = self.scripts.check(model, (run, &command), timeout, now);
                    self.script_ended(result);
                }
            }
            FromDirector::Report(report) => self.servers_reported(&report),
            FromDirector::StatusWanted(number) => self.status_wanted(number),
            FromDirector::MeasuresWanted(number) => self.measures_wanted(number),
            FromDirector::RouterSideWanted(number) => self.router_side_wanted(number),
            FromDirector::ReloadApplied => self.director_reloaded(now),
            FromDirector::Finished => {
                tracing::debug!("the director has handed over");
                self.memory = None;
                self.director_left = LeftBehind::Nothing;
            }
        }
    }

    fn remember(&mut self, memories: Vec<Memory>) {
        let memory = self.memory.get_or_insert_default();
        for one in memories {
            memory.remember(one);
        }
    }

    fn notify_of_server(&mut self, notification: ServerNotification, because: &[String], now: Instant) {
        self.fifos.write(About::Servers, &format!("{notification}\n"));
        // During a reload the new configuration counts, and the old one for what the new one does not have.
        let newest = self.reload.newest(&self.model);
        let known = newest.server_notify.contains_key(&notification.object);
        let model = if known { newest } else { &self.model };
        // What is told without a reason is how everything begins or ends.
        if self.phase.is_running() && !because.is_empty() {
            self.post.server_changed(model, &notification, because);
        }
        let jobs = notify::server_jobs(model, &notification);
        self.scripts.notify(Change::Server(notification), jobs, now);
    }

    /// Tells the director what the files hold that its checks follow, which sessions are up, and who is master: at its
    /// start and after a reload.
    pub(super) fn feed_director(&mut self) {
        let values: Vec<_> = self.files.values().collect();
        for (file, value) in values {
            if self.newest_model().director.files.iter().any(|followed| **followed == *file) {
                self.director.send(&ToDirector::FileRead { file, value });
            }
        }
        let plans = self.newest_model().router.bfd.clone();
        // What an earlier configuration called by this name is another session.
        self.sessions.retain(|name, _| plans.iter().any(|plan| *plan.name == **name));
        for (session, up) in self.sessions.clone() {
            self.director.send(&ToDirector::SessionBecame { session, up });
        }
        self.tell_followed_instance();
    }

    /// The router tells of a BFD session.
    pub(super) fn session_became(&mut self, session: String, up: bool) {
        self.sessions.insert(session.clone(), up);
        self.director.send(&ToDirector::SessionBecame { session, up });
    }

    /// At the director's start: a session that nothing was heard of is down.
    ///
    /// After a reload this is not said again: a new session has time to come up.
    pub(super) fn tell_sessions_that_are_down(&mut self) {
        let plans = self.newest_model().router.bfd.iter().filter(|plan| plan.audience.checkers);
        let unheard: Vec<String> = plans
            .map(|plan| (*plan.name).to_owned())
            .filter(|session| !self.sessions.contains_key(session))
            .collect();
        for session in unheard {
            self.director.send(&ToDirector::SessionBecame { session, up: false });
        }
    }

    /// Tells the director whether the instance is master that the synchronisation of connections follows.
    pub(super) fn tell_followed_instance(&mut self) {
        let Some(sync) = &self.newest_model().director.settings.sync else { return };
        let Some(instance) = sync.instance.clone() else { return };
        let instances = self.resume.iter().flat_map(|resume| &resume.instances);
        let master =
            instances.filter(|resume| resume.name == instance).any(|resume| resume.state == State::Master);
        if self.director.is_running() && self.followed_master != Some(master) {
            self.followed_master = Some(master);
            self.director.send(&ToDirector::InstanceBecame { instance, master });
        }
    }
}
