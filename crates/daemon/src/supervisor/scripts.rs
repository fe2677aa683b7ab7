//! Scripts of the configuration: when they run, and what becomes of their results.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use mainstay_config::model::{Command, Model, ProcessSettings, ScriptProbe, TimedCommand};
use mainstay_core::router::ScriptOutcome;
use mainstay_core::track::describe_outcome;
use mainstay_system::process::Spawn;
use nix::fcntl::OFlag;
use nix::unistd::Pid;

use super::child::OURSELVES;
use super::command::{Groups, Job};
use super::notify::{Change, NotifyQueues, Object};
use super::runs::{Ended, Runs};
use crate::measures::{Counts, count, word};

/// How long a notify script may still run once a newer state of the same object waits behind it.
///
/// DIFFERS: keepalived starts the next script beside it. A script that nothing waits for runs as long as it wants,
/// as there.
const IN_THE_WAY: Duration = Duration::from_secs(60);

/// Whose run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    /// A `vrrp_script`.
    Tracking(String),
    /// A notify script for a change of this object.
    Notify(Object),
    /// The command of a check of the director's, by the number of the run.
    Check(u64),
    /// A reader of a FIFO.
    FifoReader,
    /// The startup or the shutdown script.
    Once,
}

/// Every script that runs or waits to run.
#[derive(Debug, Default)]
pub struct Scripts {
    runs: Runs<Key>,
    queues: NotifyQueues,
    /// How each tracking script ended last, so that the log says only what is new.
    last: BTreeMap<String, ScriptOutcome>,
    /// How runs of tracking scripts ended, by name; for metrics.
    tracked: Counts,
    /// How runs of notify scripts ended, by the kind of their object; for metrics.
    notified: Counts,
}

/// Somebody waits for this.
#[derive(Debug, PartialEq, Eq)]
pub enum ScriptResult {
    /// A tracking script has ended.
    Tracked {
        /// Its name.
        script: String,
        /// How it ended.
        outcome: ScriptOutcome,
    },
    /// The command of a check has ended.
    Checked {
        /// Number of the run.
        run: u64,
        /// How it ended.
        outcome: ScriptOutcome,
    },
}

impl Scripts {
    /// Follows the settings of a configuration for everything started from now on.
    pub fn follow(&mut self, settings: &ProcessSettings) {
        self.runs.set_groups(if settings.supplementary_groups { Groups::All } else { Groups::Primary });
    }

    /// Runs a tracking script once; its result may be there at once. Nothing happens while its last run is alive: that
    /// run's result is the answer.
    pub fn track(&mut self, model: &Model, name: &str, now: Instant) -> Option<ScriptResult> {
        let Some(script) = model.scripts.get(name) else {
            return self.tracked(name, ScriptOutcome::NotStarted("there is no such script".into()), "");
        };
        let command = match &script.probe {
            ScriptProbe::FileReadable(path) => return self.tracked(name, readable(path), ""),
            ScriptProbe::Command(command) => command,
        };
        let key = Key::Tracking(name.into());
        if self.runs.hangs(&key) {
            // One process that cannot be killed is enough.
            return self.tracked(name, ScriptOutcome::TimedOut, "its last run hangs");
        }
        if self.runs.is_running(&key) {
            tracing::debug!("VRRP_Script({name}) still runs: not started again");
            return None;
        }
        match self.runs.start(key, &Job::new(command.clone()), Some(script.timeout), now) {
            Ok(()) => None,
            Err(error) => self.tracked(name, ScriptOutcome::NotStarted(error.source.to_string()), ""),
        }
    }

    /// Runs the command of a check once; its result may be there at once.
    pub fn check(
        &mut self,
        model: &Model,
        (run, name): (u64, &str),
        timeout: Duration,
        now: Instant,
    ) -> Option<ScriptResult> {
        let refused =
            |why: String| Some(ScriptResult::Checked { run, outcome: ScriptOutcome::NotStarted(why) });
        let Some(command) = model.check_commands.get(name) else {
            return refused("there is no such command".into());
        };
        match self.runs.start(Key::Check(run), &Job::new(command.clone()), Some(timeout), now) {
            Ok(()) => None,
            Err(error) => refused(error.source.to_string()),
        }
    }

    /// Queues the scripts a change calls for, and starts the first if nothing of its object runs.
    pub fn notify(&mut self, change: Change, jobs: Vec<Job>, now: Instant) {
        let object = change.object();
        let word = change.word();
        let queued = self.queues.push(change, jobs);
        for old in &queued.dropped {
            count(&mut self.notified, object.kind(), "overtaken");
            tracing::warn!("{object}: scripts for {} are not run: {word} came before their turn", old.word());
        }
        if let Some(running) = &queued.behind {
            tracing::info!("{object}: {word} waits for the scripts of {}", running.word());
            self.runs.limit(&Key::Notify(object), now + IN_THE_WAY);
        } else {
            self.start_next(&object, now);
        }
    }

    /// Starts the reader of a FIFO, which gets the path as its last argument.
    pub fn start_fifo_reader(&mut self, command: &Command, fifo: &Path, now: Instant) {
        let job = Job { command: command.clone(), appended: vec![fifo.to_string_lossy().into_owned()] };
        if let Err(error) = self.runs.start(Key::FifoReader, &job, None, now) {
            tracing::error!("reader of {}: {error}", fifo.display());
        }
    }

    /// Starts the startup or the shutdown script; [`once_is_running`](Self::once_is_running) says when it is over.
    pub fn start_once(&mut self, script: &TimedCommand, now: Instant) {
        let job = Job::new(script.command.clone());
        if let Err(error) = self.runs.start(Key::Once, &job, Some(script.timeout), now) {
            tracing::error!("{error}");
        }
    }

    /// Whether the startup or the shutdown script runs.
    #[must_use]
    pub fn once_is_running(&self) -> bool {
        self.runs.is_running(&Key::Once)
    }

    /// Called with an ended child before it is reaped. The result, if it was a tracking script.
    pub fn ended(&mut self, pid: Pid, outcome: ScriptOutcome, now: Instant) -> Option<ScriptResult> {
        let ended = self.runs.ended(pid, outcome, now)?;
        if ended.given_up {
            log_end("", &ended);
            return None;
        }
        match &ended.key {
            Key::Tracking(name) => self.tracked(name, ended.outcome, &ended.output),
            Key::Notify(object) => {
                log_end(&format!("{object}: "), &ended);
                count(&mut self.notified, object.kind(), word(&ended.outcome));
                self.start_next(object, now);
                None
            }
            Key::Check(run) => Some(ScriptResult::Checked { run: *run, outcome: ended.outcome }),
            Key::FifoReader | Key::Once => {
                log_end("", &ended);
                None
            }
        }
    }

    /// A tracking script has a result: the log hears of it if it is not the same as the last.
    fn tracked(&mut self, name: &str, outcome: ScriptOutcome, output: &str) -> Option<ScriptResult> {
        count(&mut self.tracked, name, word(&outcome));
        if self.last.get(name) != Some(&outcome) {
            if outcome.is_success() {
                tracing::debug!("Script `{name}` now {}", describe_outcome(&outcome));
            } else {
                tracing::info!("Script `{name}` now {}{}", describe_outcome(&outcome), quote(output));
            }
            self.last.insert(name.into(), outcome.clone());
        }
        Some(ScriptResult::Tracked { script: name.into(), outcome })
    }

    fn start_next(&mut self, object: &Object, now: Instant) {
        while let Some((change, job)) = self.queues.next(object) {
            match self.runs.start(Key::Notify(object.clone()), &job, None, now) {
                Ok(()) => {
                    tracing::debug!("{object}: {}: started {}", change.word(), job.title());
                    return;
                }
                Err(error) => {
                    count(&mut self.notified, object.kind(), "not_started");
                    tracing::error!("{object}: {}: {error}", change.word());
                }
            }
        }
    }

    /// How runs of tracking scripts and of notify scripts ended, since the start.
    #[must_use]
    pub const fn counts(&self) -> (&Counts, &Counts) {
        (&self.tracked, &self.notified)
    }

    /// Whether every notify script of every change was run to its end.
    #[must_use]
    pub fn notified_everybody(&self) -> bool {
        self.queues.is_empty()
    }

    /// Whether nothing runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.runs.is_empty()
    }

    /// The router has ended: nobody waits for a tracking script any more.
    pub fn end_tracking(&mut self, now: Instant) {
        self.runs.terminate(now, |key| matches!(key, Key::Tracking(_)));
    }

    /// The director has ended: nobody waits for the command of a check any more.
    pub fn end_checks(&mut self, now: Instant) {
        self.runs.terminate(now, |key| matches!(key, Key::Check(_)));
    }

    /// Nothing new will come: scripts that keep the last word of their object waiting have until `end`.
    pub fn hurry(&mut self, end: Instant) {
        for object in self.queues.held_up() {
            self.runs.limit(&Key::Notify(object.clone()), end);
        }
    }

    /// Everything that still runs is to end, and nothing new is started.
    pub fn end_all(&mut self, now: Instant) {
        for lost in self.queues.clear() {
            tracing::warn!(
                "{}: scripts for {} are not run: there is no time left",
                lost.object(),
                lost.word()
            );
        }
        self.runs.terminate(now, |_| true);
    }

    /// Ends what has run for too long. The results of tracking scripts that do not even end when they are killed.
    pub fn tick(&mut self, now: Instant) -> Vec<ScriptResult> {
        let mut results = Vec::new();
        for key in self.runs.tick(now) {
            match key {
                Key::Tracking(name) => {
                    results.extend(self.tracked(&name, ScriptOutcome::TimedOut, "it cannot be killed"));
                }
                Key::Notify(object) => {
                    count(&mut self.notified, object.kind(), "timed_out");
                    tracing::error!("{object}: a script cannot be killed; the next one runs");
                    self.start_next(&object, now);
                }
                Key::Check(run) => {
                    results.push(ScriptResult::Checked { run, outcome: ScriptOutcome::TimedOut });
                }
                Key::FifoReader | Key::Once => tracing::error!("a script cannot be killed"),
            }
        }
        results
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.runs.next_deadline()
    }

    /// The descriptors to poll for output.
    pub fn outputs(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.runs.outputs()
    }

    /// Leaves somebody behind to read what descendants of scripts go on writing: a service that a notify script started
    /// must not die of our end.
    pub fn leave_readers(&mut self) {
        for pipe in self.runs.take_orphaned() {
            let mut reader = Spawn::new(OsStr::new(OURSELVES));
            reader.arguments = vec!["drain".into()];
            reader.input = Some(pipe.as_fd());
            if let Err(error) = reader.start() {
                tracing::warn!("nobody reads what a service started by a script writes: {error}");
            }
        }
    }

    /// Reads what scripts have written.
    pub fn read_outputs(&mut self) {
        self.runs.read_outputs();
    }
}

/// A failed script is told with its last words, a good one only in detail.
fn log_end(prefix: &str, ended: &Ended<Key>) {
    let what = describe_outcome(&ended.outcome);
    let (title, took) = (&ended.title, ended.took.as_secs_f32());
    if ended.outcome.is_success() {
        tracing::debug!("{prefix}{title}: {what} after {took:.3} s{}", quote(&ended.output));
    } else {
        tracing::warn!("{prefix}{title}: {what} after {took:.3} s{}", quote(&ended.output));
    }
}

/// The last lines a script wrote, on one line.
fn quote(output: &str) -> String {
    let lines: Vec<&str> = output.lines().rev().take(5).collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!(": {}", lines.into_iter().rev().collect::<Vec<_>>().join(" | ")),
    }
}

/// `script "</path"`: good if the file can be opened. A FIFO does not make us wait.
fn readable(path: &Path) -> ScriptOutcome {
    match OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path) {
        Ok(_) => ScriptOutcome::Exited(0),
        Err(error) => ScriptOutcome::NotStarted(format!("{}: {error}", path.display())),
    }
}
