//! Phases of the supervisor's life, and its orderly end.
//!
//! ```text
//! Starting ──▶ Running ──▶ Stopping ──▶ Notifying ──▶ Ending ──▶ exit
//! startup      children     children     stop scripts  shutdown
//! script       run          hand over    end           script
//! ```
//! Each arrow but the first two has a deadline, so that the end comes whatever hangs.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::Supervisor;
use crate::frames::{ToDirector, ToRouter};

/// Until children that do not hand over are killed, if `child_wait_time` does not say otherwise.
///
/// DIFFERS: keepalived waits 5 s. Somebody else may hold the kernel's lock on addresses for longer, and an address that is
/// left behind has two holders.
const HAND_OVER: Duration = Duration::from_secs(20);

/// Until notify scripts that still run at the end are told to end.
const LAST_SCRIPTS: Duration = Duration::from_secs(15);

/// Until those of them are told to end that another one waits for: it is the one that hears of the end.
const IN_THE_WAY: Duration = Duration::from_secs(8);

/// Until scripts that were told to end are left alone: the whole ladder of TERM and KILL, and a little.
const LADDER: Duration = Duration::from_secs(3);

/// Where in its life the supervisor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The startup script runs; it has its own timeout.
    Starting,
    /// Ordinary work.
    Running,
    /// The children hand over; they have their own deadline.
    Stopping,
    /// The last notify scripts run.
    Notifying {
        /// Until then.
        until: Instant,
    },
    /// The shutdown script runs (with its own timeout), and scripts that were told to end do so.
    Ending {
        /// Until then.
        until: Instant,
    },
}

/// What a child that is not running any more may have left in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftBehind {
    /// It handed over, or none was ever started.
    Nothing,
    /// It did not hand over.
    State,
    /// It did not hand over, and neither did the one that was started to do it in its place.
    GivenUp,
}

impl Phase {
    /// Whether children are to be kept alive and scripts to be run.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running)
    }

    /// When to look again at the latest.
    #[must_use]
    pub const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Starting | Self::Running | Self::Stopping => None,
            Self::Notifying { until } | Self::Ending { until } => Some(until),
        }
    }
}

impl Supervisor {
    /// Begins the orderly end, to exit with success.
    pub(super) fn begin_stop(&mut self, now: Instant) {
        self.begin_stop_with(0, now);
    }

    /// Begins the orderly end, to exit with this status.
    pub(super) fn begin_stop_with(&mut self, status: u8, now: Instant) {
        if !matches!(self.phase, Phase::Starting | Phase::Running) {
            return;
        }
        self.status = status;
        self.phase = Phase::Stopping;
        self.service_manager.stopping();
        self.router.send(&ToRouter::Shutdown);
        self.router.must_end_by(self.hand_over_end(now));
        // Managers are told by the director how the router ends.
        self.director_stays = self.model.snmp.is_wanted() && self.router.is_running();
        if !self.director_stays {
            self.stop_director(now);
        }
        self.scripts.end_tracking(now);
    }

    fn stop_director(&mut self, now: Instant) {
        self.director_stays = false;
        self.director.send(&ToDirector::Shutdown);
        self.director.must_end_by(self.hand_over_end(now));
    }

    fn hand_over_end(&self, now: Instant) -> Instant {
        now + self.model.process.child_wait.unwrap_or(HAND_OVER)
    }

    /// The router died and has not handed over: its addresses are still there. Another one takes up its state and hands
    /// over in its place; it is tried once.
    fn clean_up_after_router(&mut self, now: Instant) {
        tracing::warn!("the last router has not handed over: another one does it");
        self.start_router(now);
        self.router_left = LeftBehind::GivenUp;
        self.router.must_end_by(self.hand_over_end(now));
    }

    /// The director died and has not handed over: its virtual servers are still in the kernel. As for the router.
    fn clean_up_after_director(&mut self, now: Instant) {
        tracing::warn!("the last director has not handed over: another one does it");
        self.start_director(now);
        self.director_left = LeftBehind::GivenUp;
        self.director.send(&ToDirector::Shutdown);
        self.director.must_end_by(self.hand_over_end(now));
    }

    /// Whether there is a director's work to be done in its place.
    fn director_left_state(&self) -> bool {
        let has_services = self.memory.as_ref().is_some_and(|memory| !memory.services.is_empty());
        !self.director.is_running() && has_services && self.director_left == LeftBehind::State
    }

    /// Goes on to the next phase where this one is over; the exit status after the last.
    pub(super) fn advance_phase(&mut self, now: Instant) -> Option<ExitCode> {
        match self.phase {
            Phase::Starting if !self.scripts.once_is_running() => {
                self.phase = Phase::Running;
                self.start_children(now);
                self.reload_again(now);
            }
            Phase::Stopping if self.director_stays && !self.router.is_running() => {
                self.stop_director(now);
                return self.advance_phase(now);
            }
            Phase::Stopping if !self.router.is_running() && self.router_left == LeftBehind::State => {
                self.clean_up_after_router(now);
                return self.advance_phase(now);
            }
            Phase::Stopping if self.director_left_state() => {
                self.clean_up_after_director(now);
                return self.advance_phase(now);
            }
            Phase::Stopping if !self.router.is_running() && !self.director.is_running() => {
                if self.router_left == LeftBehind::GivenUp {
                    self.router_left = LeftBehind::Nothing;
                    self.clean_up_alone();
                }
                if self.director_left == LeftBehind::GivenUp {
                    tracing::error!(
                        "no director could hand over: IPVS may still have virtual servers of ours"
                    );
                }
                self.phase = Phase::Notifying { until: now + LAST_SCRIPTS };
                self.scripts.hurry(now + IN_THE_WAY);
                self.post.hurry(now);
                return self.advance_phase(now);
            }
            Phase::Notifying { until }
                if (self.scripts.notified_everybody() && self.post.is_done(now)) || now >= until =>
            {
                self.scripts.end_all(now);
                self.post.end(now);
                self.phase = Phase::Ending { until: now + LADDER };
                if let Some(script) = &self.model.shutdown_script {
                    self.scripts.start_once(script, now);
                    let limit = script.timeout + LADDER;
                    self.phase = Phase::Ending { until: now + limit };
                }
                return self.advance_phase(now);
            }
            Phase::Ending { until }
                if (self.scripts.is_idle() && self.withdrawal.is_done()) || now >= until =>
            {
                self.scripts.leave_readers();
                tracing::info!("Stopped");
                return Some(ExitCode::from(self.status));
            }
            Phase::Starting
            | Phase::Running
            | Phase::Stopping
            | Phase::Notifying { .. }
            | Phase::Ending { .. } => {}
        }
        None
    }
}
