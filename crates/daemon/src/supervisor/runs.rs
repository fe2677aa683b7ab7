//! Running programs: started, listened to, reaped, and killed when their time is over.
//!
//! The ladder: when the timeout has passed TERM goes to the whole process group, two seconds later KILL.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use mainstay_core::router::ScriptOutcome;
use mainstay_system::process::SpawnError;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::command::{self, Groups, Job};

/// Between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How much of a program's output is kept: its end.
const TAIL: usize = 2048;

/// Every program that runs.
#[derive(Debug)]
pub struct Runs<Key> {
    live: BTreeMap<i32, Run<Key>>,
    /// Pipes whose program has ended but which a descendant still writes to: it would die of a closed pipe.
    orphaned: Vec<File>,
    groups: Groups,
}

#[derive(Debug)]
struct Run<Key> {
    key: Key,
    title: String,
    started: Instant,
    /// When the next rung of the ladder is due; `None`: it may run for ever.
    due: Option<Instant>,
    rung: Rung,
    output: Option<File>,
    tail: Vec<u8>,
}

/// How far up the ladder a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rung {
    InTime,
    Terminated,
    Killed,
}

/// A run that is over.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended<Key> {
    /// Whose run it was.
    pub key: Key,
    /// What ran, for people.
    pub title: String,
    /// How it ended.
    pub outcome: ScriptOutcome,
    /// The end of what it wrote.
    pub output: String,
    /// How long it ran.
    pub took: Duration,
}

impl<Key> Default for Runs<Key> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), orphaned: Vec::new(), groups: Groups::default() }
    }
}

impl<Key: PartialEq> Runs<Key> {
    /// Which groups programs have that are started from now on.
    pub fn set_groups(&mut self, groups: Groups) {
        self.groups = groups;
    }

    /// Starts a job; after `limit` the ladder begins.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        &mut self,
        key: Key,
        job: &Job,
        limit: Option<Duration>,
        now: Instant,
    ) -> Result<(), SpawnError> {
        let started = command::spawn(job, self.groups)?;
        let run = Run {
            key,
            title: job.title(),
            started: now,
            due: limit.map(|limit| now + limit),
            rung: Rung::InTime,
            output: started.output.map(File::from),
            tail: Vec::new(),
        };
        self.live.insert(started.pid.as_raw(), run);
        Ok(())
    }

    /// Whether a run with this key is alive.
    pub fn is_running(&self, key: &Key) -> bool {
        self.live.values().any(|run| run.key == *key)
    }

    /// Shortens the time a run has left, if that is what it does.
    pub fn limit(&mut self, key: &Key, end: Instant) {
        for run in self.live.values_mut().filter(|run| run.key == *key && run.rung == Rung::InTime) {
            run.due = Some(run.due.map_or(end, |due| due.min(end)));
        }
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Tells the runs with these keys to end now, and kills those that do not.
    pub fn terminate(&mut self, now: Instant, wanted: impl Fn(&Key) -> bool) {
        for run in self.live.values_mut().filter(|run| run.rung == Rung::InTime && wanted(&run.key)) {
            run.due = Some(now);
        }
        self.tick(now);
    }

    /// Climbs the ladder where it is due.
    pub fn tick(&mut self, now: Instant) {
        for (pid, run) in &mut self.live {
            if run.due.is_none_or(|due| due > now) {
                continue;
            }
            let (signal, rung, due) = match run.rung {
                Rung::InTime => (Signal::SIGTERM, Rung::Terminated, Some(now + GRACE)),
                // A killed process that does not end hangs in the kernel; there is no further rung.
                Rung::Terminated | Rung::Killed => (Signal::SIGKILL, Rung::Killed, None),
            };
            (run.rung, run.due) = (rung, due);
            signal_group(*pid, signal);
        }
    }

    /// When [`tick`](Self::tick) is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.live.values().filter_map(|run| run.due).min()
    }

    /// The descriptors to poll for output.
    pub fn outputs(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.live.values().filter_map(|run| run.output.as_ref()).chain(&self.orphaned).map(AsFd::as_fd)
    }

    /// Reads what programs have written, without waiting.
    pub fn read_outputs(&mut self) {
        for run in self.live.values_mut() {
            if let Some(output) = &mut run.output
                && read_available(output, &mut run.tail) == Pipe::Closed
            {
                run.output = None;
            }
        }
        let mut ignored = Vec::new();
        self.orphaned.retain_mut(|output| read_available(output, &mut ignored) == Pipe::Open);
    }

    /// Pipes that will be written to after our end.
    pub fn take_orphaned(&mut self) -> Vec<File> {
        std::mem::take(&mut self.orphaned)
    }

    /// Called with an ended child that is not reaped yet; what is left of a group that was told to end is killed while
    /// its number cannot belong to anybody else. `None` if it is none of ours.
    pub fn ended(&mut self, pid: Pid, outcome: ScriptOutcome, now: Instant) -> Option<Ended<Key>> {
        let mut run = self.live.remove(&pid.as_raw())?;
        if run.rung > Rung::InTime {
            signal_group(pid.as_raw(), Signal::SIGKILL);
        }
        if let Some(mut output) = run.output.take()
            && read_available(&mut output, &mut run.tail) == Pipe::Open
        {
            self.orphaned.push(output);
        }
        let outcome = if run.rung > Rung::InTime { ScriptOutcome::TimedOut } else { outcome };
        let output = String::from_utf8_lossy(&run.tail).trim_end().to_owned();
        let took = now.saturating_duration_since(run.started);
        Some(Ended { key: run.key, title: run.title, outcome, output, took })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Pipe {
    Open,
    Closed,
}

/// Reads until nothing is there, keeping the last [`TAIL`] bytes.
fn read_available(output: &mut File, tail: &mut Vec<u8>) -> Pipe {
    let mut chunk = [0; 4096];
    // Bounded: a program that never stops writing must not keep us here.
    for _ in 0..64 {
        match output.read(&mut chunk) {
            Ok(0) => return Pipe::Closed,
            Ok(length) => {
                tail.extend_from_slice(&chunk[..length]);
                let surplus = tail.len().saturating_sub(TAIL);
                tail.drain(..surplus);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Pipe::Open,
            Err(_) => return Pipe::Closed,
        }
    }
    Pipe::Open
}

fn signal_group(pid: i32, signal: Signal) {
    // ESRCH: everybody in the group is gone already, which is what was wanted.
    let _ = killpg(Pid::from_raw(pid), signal);
}
