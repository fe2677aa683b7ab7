//! The parent of the three processes.
//!
//! ```text
//!            HUP TERM USR1 USR2            files, processes
//!                    │                            │
//!                    ▼                            ▼
//!   config ──▶  supervisor  ◀── frames ──▶  router, director
//!                    │
//!                    ▼
//!     scripts, FIFOs, log, pid files, service manager
//! ```
//!
//! One thread and one `poll`. It decides nothing about VRRP: it reads the configuration, keeps the other two alive, runs
//! every script, and carries facts. It listens to no network, and everything it waits for is bounded.
//!
//! TODO-correctness: if the supervisor itself is killed the children hand over, but nobody is left to run stop scripts.

mod appointment;
mod backoff;
mod child;
mod children;
mod command;
mod configuration;
mod counted;
mod dump;
mod fifos;
mod notify;
mod post;
mod reload;
mod runs;
mod scripts;
mod servers;
mod settings;
mod snmp;
mod startup;
mod status;
mod stop;
mod telling;
mod tracked_files;
mod tracked_processes;
mod withdrawal;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mainstay_config::Model;
use mainstay_core::director;
use mainstay_core::router::{Notification, Resume, ScriptOutcome, State};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use tracing::Level;

use crate::cli::DaemonOptions;
use crate::frames::{FromDirector, FromRouter, ToDirector, ToRouter};
use crate::pidfile::PidFile;
use crate::service_manager::ServiceManager;
use crate::signals::{Request, Signals};
use appointment::Appointment;
use child::Child;
use configuration::Errors;
use counted::Counted;
use dump::{Cleared, Wanted};
use fifos::{About, OpenFifos};
use post::Post;
use reload::Reload;
use scripts::{ScriptResult, Scripts};
use stop::{LeftBehind, Phase};
use tracked_files::{FileValue, TrackedFiles};
use tracked_processes::{ProcessCount, TrackedProcesses};
use withdrawal::Withdrawal;

pub use startup::run;

/// Exit status of a child that cannot work here, however often it is started: wrong configuration, no permission.
/// (keepalived's `EXIT_CONFIG` and `EXIT_NOPERM`.)
pub const PERMANENT: [u8; 2] = [2, 4];

/// The supervisor's state.
struct Supervisor {
    options: DaemonOptions,
    /// The accepted configuration.
    model: Model,
    /// What it leaves out.
    errors: Errors,
    reload: Reload,
    appointment: Appointment,
    phase: Phase,
    /// Exit status when everything has ended.
    status: u8,
    signals: Signals,
    router: Child<FromRouter, ToRouter>,
    director: Child<FromDirector, ToDirector>,
    router_left: LeftBehind,
    director_left: LeftBehind,
    /// The director has not been told to end, although the router was.
    director_stays: bool,
    withdrawal: Withdrawal,
    /// What the router last told, for its successor.
    resume: Option<Resume>,
    /// What the director remembered, for its successor; `None` before its first word.
    memory: Option<director::Resume>,
    /// Whether the instance that the synchronisation of connections follows is master, as the director was last told.
    followed_master: Option<bool>,
    /// What the router last told of BFD sessions.
    sessions: BTreeMap<String, bool>,
    scripts: Scripts,
    fifos: OpenFifos,
    post: Post,
    files: TrackedFiles,
    processes: TrackedProcesses,
    service_manager: ServiceManager,
    told_ready: bool,
    /// Who wants which of the reports that were asked for.
    reports: BTreeMap<u64, Wanted>,
    last_report: u64,
    /// What the counters were when they were last cleared.
    cleared: Cleared,
    /// What metrics are told of.
    counted: Counted,
    /// The control socket: beside the pid file.
    socket: PathBuf,
    /// Removed at the end.
    _pid_file: PidFile,
}

impl Supervisor {
    /// Runs until everything has ended; the exit status.
    fn run(&mut self) -> ExitCode {
        loop {
            self.wait();
            let now = Instant::now();
            while let Some((request, sender)) = self.signals.next() {
                self.requested(request, sender, now);
            }
            self.scripts.read_outputs();
            self.exchange(now);
            self.reap(now);
            if let Some(status) = self.tick(now) {
                return status;
            }
        }
    }

    /// Waits for anything at all.
    fn wait(&self) {
        let readable = PollFlags::POLLIN;
        let mut fds = vec![PollFd::new(std::os::fd::AsFd::as_fd(&self.signals), readable)];
        for (fd, writes) in [self.router.poll(), self.director.poll(), self.post.poll()].into_iter().flatten()
        {
            fds.push(PollFd::new(fd, if writes { readable | PollFlags::POLLOUT } else { readable }));
        }
        let watches = self.files.poll().into_iter().chain(self.processes.poll());
        fds.extend(self.scripts.outputs().chain(watches).map(|fd| PollFd::new(fd, readable)));
        // Every descriptor is read until it is empty afterwards, so which of them woke us does not matter. EINTR: the
        // loop looks at everything anyway.
        let _ = poll(&mut fds, self.timeout(Instant::now()));
    }

    fn timeout(&self, now: Instant) -> PollTimeout {
        let deadlines = [
            self.router.next_deadline(),
            self.director.next_deadline(),
            self.scripts.next_deadline(),
            self.post.next_deadline(),
            self.files.next_deadline(),
            self.processes.next_deadline(),
            self.service_manager.next_deadline(),
            self.phase.deadline(),
            self.reload.deadline(),
            self.appointment.next_deadline(),
            self.withdrawal.deadline(),
        ];
        let Some(next) = deadlines.into_iter().flatten().min() else { return PollTimeout::NONE };
        // Rounded up: waking early would only mean to wait again.
        let wait = next.saturating_duration_since(now) + Duration::from_micros(999);
        PollTimeout::try_from(wait.min(Duration::from_secs(60))).unwrap_or(PollTimeout::ZERO)
    }

    fn requested(&mut self, request: Request, sender: u32, now: Instant) {
        match request {
            Request::Reload => self.begin_reload(now),
            Request::Stop => {
                tracing::info!("Stopping (asked by process {sender})");
                self.begin_stop(now);
            }
            Request::DumpData => self.ask_for_data(),
            Request::DumpStatistics => self.ask_for_report(Wanted::Statistics),
            Request::DumpStatisticsAndClear => self.ask_for_report(Wanted::StatisticsAndClear),
            Request::DumpJson => self.ask_for_report(Wanted::Json),
            Request::ChildEnded => {}
        }
    }

    fn exchange(&mut self, now: Instant) {
        for frame in self.router.exchange(now) {
            self.router_said(frame, now);
        }
        for frame in self.director.exchange(now) {
            self.director_said(frame, now);
        }
        self.post.exchange(now);
    }

    fn router_said(&mut self, frame: FromRouter, now: Instant) {
        match frame {
            FromRouter::Ready => {
                self.router.ready();
                self.withdrawal.router_works();
                self.feed_router();
                self.tell_readiness();
                if !self.phase.is_running() {
                    // It was started to hand over in the place of one that died.
                    self.router.send(&ToRouter::Shutdown);
                }
            }
            FromRouter::Resume(resume) => {
                self.resume = Some(resume);
                self.tell_followed_instance();
                self.tell_status();
            }
            FromRouter::Notify(notification) => self.notify(notification, now),
            FromRouter::RunScript(name) => {
                if self.phase.is_running() {
                    let result = self.scripts.track(self.reload.newest(&self.model), &name, now);
                    self.script_ended(result);
                }
            }
            FromRouter::SessionBecame { session, up } => self.session_became(session, up),
            FromRouter::Event(event) => {
                self.post.note_cause(&event);
                self.counted.saw(&event);
                self.tell_managers_of_event(&event);
                let (level, line) = telling::line(&event);
                log(level, &line);
                self.director.send(&ToDirector::Happened(telling::happening(&event, level, line)));
            }
            FromRouter::Report(number, report) => self.reported(number, report),
            FromRouter::ReloadApplied => self.router_reloaded(now),
            FromRouter::Finished => {
                tracing::debug!("the router has handed over");
                self.router_left = LeftBehind::Nothing;
            }
        }
    }

    /// Tells the router everything it follows that we look at: at its start and after a reload.
    fn feed_router(&mut self) {
        let (files, processes): (Vec<_>, Vec<_>) =
            (self.files.values().collect(), self.processes.counts().collect());
        files.into_iter().for_each(|value| self.file_read(value));
        processes.into_iter().for_each(|count| self.processes_counted(count));
    }

    fn file_read(&mut self, (file, value): FileValue) {
        if self.model.director.files.iter().any(|followed| **followed == *file) {
            self.director.send(&ToDirector::FileRead { file: file.clone(), value });
        }
        self.router.send(&ToRouter::FileRead { file, value });
    }

    fn processes_counted(&mut self, (process, count): ProcessCount) {
        self.router.send(&ToRouter::ProcessesCounted { process, count });
    }

    fn notify(&mut self, notification: Notification, now: Instant) {
        self.fifos.write(About::Vrrp, &notify::fifo_line(&notification));
        let model = self.reload.model_of(&self.model, &notification.object);
        self.post.router_changed(model, &notification);
        let jobs = notify::jobs(model, &notification);
        self.tell_managers_of_state(&notification);
        self.scripts.notify(notification.into(), jobs, now);
    }

    fn script_ended(&mut self, result: Option<ScriptResult>) {
        match result {
            Some(ScriptResult::Tracked { script, outcome }) => {
                self.router.send(&ToRouter::ScriptFinished { script, outcome });
            }
            Some(ScriptResult::Checked { run, outcome }) => {
                self.director.send(&ToDirector::ScriptFinished { run, outcome });
            }
            None => {}
        }
    }

    /// Looks after every child that ended.
    fn reap(&mut self, now: Instant) {
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            let status = match waitid(Id::All, peek) {
                Ok(status) => status,
                Err(Errno::EINTR) => continue,
                // ECHILD: there is nobody.
                Err(_) => return,
            };
            let (pid, outcome) = match status {
                WaitStatus::Exited(pid, status) => (pid, ScriptOutcome::Exited(status.to_le_bytes()[0])),
                WaitStatus::Signaled(pid, signal, _) => (pid, ScriptOutcome::Signalled(signal as i32)),
                _ => return,
            };
            self.child_ended(pid, outcome, now);
            // Only now does the number become free; the status is known already.
            let _ = waitpid(pid, None);
        }
    }

    fn child_ended(&mut self, pid: Pid, outcome: ScriptOutcome, now: Instant) {
        if self.router.is(pid) {
            // Its last words may have arrived after the last look.
            for frame in self.router.exchange(now) {
                self.router_said(frame, now);
            }
            self.router_died(&outcome, now);
        } else if self.director.is(pid) {
            for frame in self.director.exchange(now) {
                self.director_said(frame, now);
            }
            self.director_died(&outcome, now);
        } else if self.post.is(pid) {
            self.post.mailer_ended(&outcome, now);
        } else {
            let result = self.scripts.ended(pid, outcome, now);
            self.script_ended(result);
        }
    }

    /// Does what has become due; the exit status when everything has ended.
    fn tick(&mut self, now: Instant) -> Option<ExitCode> {
        for result in self.scripts.tick(now) {
            self.script_ended(Some(result));
        }
        self.router.tick(now);
        self.director.tick(now);
        self.post.tick(now);
        self.post.go_on(self.reload.newest(&self.model), now);
        self.service_manager.tick(now);
        self.reload_tick(now);
        if self.phase.is_running() && self.appointment.has_come(now) {
            tracing::info!("The time of the planned reload has come");
            self.begin_reload(now);
        }
        for change in self.files.changes(now) {
            self.file_read(change);
        }
        for change in self.processes.changes(now) {
            self.processes_counted(change);
        }
        if self.router.is_due(now) {
            match self.withdrawal.put_off(now) {
                Some(later) => self.router.restart_at(later),
                None => self.start_router(now),
            }
        }
        self.withdraw_if_due(now);
        if self.director.is_due(now) {
            self.start_director(now);
        }
        self.advance_phase(now)
    }

    /// Once: everything that was configured to run runs.
    fn tell_readiness(&mut self) {
        let router = self.options.check || self.router.is_ready();
        let director = self.options.vrrp || self.director.is_ready();
        if router && director && !self.told_ready {
            self.told_ready = true;
            self.service_manager.ready();
            tracing::info!("Startup complete");
        }
        self.tell_status();
    }

    fn tell_status(&mut self) {
        let instances = self.resume.iter().flat_map(|resume| &resume.instances);
        let (mut master, mut backup, mut fault) = (0, 0, 0);
        for instance in instances {
            match instance.state {
                State::Master => master += 1,
                State::Backup => backup += 1,
                State::Fault => fault += 1,
                State::Init => {}
            }
        }
        self.service_manager.status(format!("VRRP: {master} master, {backup} backup, {fault} fault"));
    }
}

fn log(level: Level, line: &str) {
    match level {
        Level::ERROR => tracing::error!("{line}"),
        Level::WARN => tracing::warn!("{line}"),
        Level::INFO => tracing::info!("{line}"),
        Level::DEBUG | Level::TRACE => tracing::debug!("{line}"),
    }
}
