//! From the command line to a running supervisor.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use mainstay_config::Model;
use mainstay_system::memory::release_free;

use super::child::Child;
use super::configuration::{self, Accepted, Purpose};
use super::counted::Counted;
use super::post::Post;
use super::reload::Reload;
use super::scripts::Scripts;
use super::stop::{LeftBehind, Phase};
use super::{Supervisor, settings};
use crate::cli::{DaemonOptions, Role};
use crate::logging;
use crate::pidfile::{self, PidFile, Process};
use crate::service_manager::ServiceManager;
use crate::signals::Signals;

/// Exit status when nothing works (keepalived's `EXIT_FATAL`).
const FATAL: u8 = 1;

/// What ends a start.
struct Failed {
    why: String,
    status: u8,
}

impl Failed {
    fn fatal(why: impl ToString) -> Self {
        Self { why: why.to_string(), status: FATAL }
    }
}

/// Runs the daemon until it is told to stop.
#[must_use]
pub fn run(options: DaemonOptions) -> ExitCode {
    logging::start(&options.log, "Mainstay");
    let on_terminal = options.log.log_console;
    match start(options) {
        Ok(mut supervisor) => supervisor.run(),
        Err(failed) => {
            tracing::error!("{}", failed.why);
            if !on_terminal {
                eprintln!("mainstay: {}", failed.why);
            }
            ExitCode::from(failed.status)
        }
    }
}

fn start(options: DaemonOptions) -> Result<Supervisor, Failed> {
    tracing::info!("Starting Mainstay {}", env!("CARGO_PKG_VERSION"));
    settings::apply(&options);
    let Accepted { model, errors } = read_configuration(&options)?;
    let mut pid_file = lock(&options, &model, Process::Supervisor)?;
    let router_file = (!options.check).then(|| lock(&options, &model, Process::Router)).transpose()?;
    let director_file = (!options.vrrp).then(|| lock(&options, &model, Process::Director)).transpose()?;
    if !options.dont_fork {
        settings::go_to_background(&options).map_err(Failed::fatal)?;
    }
    // Before anybody can know whom to send a signal: until then it would end us.
    let signals = Signals::take(options.ignore_sigint).map_err(Failed::fatal)?;
    pid_file.write(std::process::id()).map_err(Failed::fatal)?;
    let now = Instant::now();
    let titled = |name: &Option<String>, role: Role| match name {
        Some(name) => name.clone(),
        None => format!("mainstay: {}", role.name()),
    };
    let router = Child::new(
        Role::Router,
        titled(&model.process.router.name, Role::Router),
        options.log.clone(),
        router_file,
    );
    let director = Child::new(
        Role::Director,
        titled(&model.process.director.name, Role::Director),
        options.log.clone(),
        director_file,
    );
    let post = Post::new(options.log.clone());
    let mut supervisor = Supervisor {
        options,
        model,
        errors,
        reload: Reload::default(),
        appointment: Default::default(),
        phase: Phase::Starting,
        status: 0,
        signals,
        router,
        director,
        router_left: LeftBehind::Nothing,
        director_left: LeftBehind::Nothing,
        director_stays: false,
        withdrawal: Default::default(),
        resume: None,
        memory: None,
        followed_master: None,
        sessions: BTreeMap::new(),
        scripts: Scripts::default(),
        fifos: Default::default(),
        post,
        files: Default::default(),
        processes: Default::default(),
        service_manager: ServiceManager::from_environment(now),
        told_ready: false,
        reports: Default::default(),
        last_report: 0,
        cleared: Default::default(),
        counted: Counted::new(),
        socket: pid_file.path().with_extension("sock"),
        _pid_file: pid_file,
    };
    supervisor.scripts.follow(&supervisor.model.process);
    if let Some(script) = &supervisor.model.startup_script {
        supervisor.scripts.start_once(script, now);
    }
    // Without a startup script this starts the children at once.
    supervisor.tick(now);
    Ok(supervisor)
}

/// Reads the configuration, in the network namespace it is for.
fn read_configuration(options: &DaemonOptions) -> Result<Accepted, Failed> {
    let read = || {
        configuration::read(options, Purpose::Start)
            .map_err(|refused| Failed { why: refused.why, status: refused.status })
    };
    if let Some(name) = &options.namespace {
        settings::enter_namespace(name).map_err(Failed::fatal)?;
        return read();
    }
    let accepted = read()?;
    match &accepted.model.process.net_namespace {
        // Interfaces are looked up while reading: once more, over there.
        Some(name) => settings::enter_namespace(name).map_err(Failed::fatal).and_then(|()| read()),
        None => Ok(accepted),
    }
}

fn lock(options: &DaemonOptions, model: &Model, process: Process) -> Result<PidFile, Failed> {
    let wanted = match process {
        Process::Supervisor => &options.pid,
        Process::Router => &options.vrrp_pid,
        Process::Director => &options.checkers_pid,
    };
    let settings = &model.process;
    let own_directory =
        settings.use_pid_directory || settings.net_namespace.is_some() || options.namespace.is_some();
    let path: PathBuf = wanted
        .clone()
        .unwrap_or_else(|| pidfile::default_path(process, own_directory, settings.instance.as_deref()));
    if own_directory && let Some(directory) = path.parent() {
        // An error shows when the file is opened.
        let _ = std::fs::create_dir_all(directory);
    }
    PidFile::lock(&path).map_err(Failed::fatal)
}

impl Supervisor {
    /// The startup script is over.
    pub(super) fn start_children(&mut self, now: Instant) {
        self.follow_model(now);
        // With checks alone it has no instances; it is there for the sessions that checks follow.
        if !self.options.check || self.model.router.bfd.iter().any(|plan| plan.audience.checkers) {
            self.start_router(now);
        }
        // With VRRP alone it has no virtual servers; it is there for the window to SNMP.
        if !self.options.vrrp || self.model.snmp.is_wanted() {
            self.start_director(now);
        }
        // Reading a large configuration took many times what is kept of it.
        release_free();
    }

    /// Another configuration is in force: watches what it wants watched.
    pub(super) fn follow_model(&mut self, now: Instant) {
        self.scripts.follow(&self.model.process);
        self.appointment.follow(self.model.process.reload_time.as_ref(), now);
        for fifo in self.fifos.follow(&self.model.fifos) {
            if let Some(reader) = &fifo.script {
                self.scripts.start_fifo_reader(reader, &fifo.path, now);
            }
        }
        self.files.follow(&self.model.files, now);
        self.processes.follow(&self.model.processes, now);
        self.feed_router();
        self.feed_director();
    }
}
