//! Running programs: started, listened to, reaped, and killed when their time is over.
//!
//! The ladder: when the timeout has passed TERM goes to the whole process group, two seconds later KILL. What still does
//! not end two seconds after that hangs in the kernel (a dead file server) and is given up: nobody waits for it any more.

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
    GivenUp,
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
    /// It had been given up, and its end is no news.
    pub given_up: bool,
}

impl<Key> Default for Runs<Key> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), orphaned: Vec::new(), groups: Groups::default() }
    }
}

impl<Key: Clone + PartialEq> Runs<Key> {
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

    /// Whether a run with this key is alive and not given up.
    pub fn is_running(&self, key: &Key) -> bool {
        self.live.values().any(|run| run.key == *key && run.rung != Rung::GivenUp)
    }

    /// Whether a run with this key was given up and is still there.
    pub fn hangs(&self, key: &Key) -> bool {
        self.live.values().any(|run| run.key == *key && run.rung == Rung::GivenUp)
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
        let _ = self.tick(now);
    }

    /// Climbs the ladder where it is due; the keys of the runs that are given up.
    pub fn tick(&mut self, now: Instant) -> Vec<Key> {
        let mut given_up = Vec::new();
        for (pid, run) in &mut self.live {
            if run.due.is_none_or(|due| due > now) {
                continue;
            }
            let (signal, rung, due) = match run.rung {
                Rung::InTime => (Signal::SIGTERM, Rung::Terminated, Some(now + GRACE)),
                Rung::Terminated => (Signal::SIGKILL, Rung::Killed, Some(now + GRACE)),
                Rung::Killed | Rung::GivenUp => {
                    given_up.push(run.key.clone());
                    (Signal::SIGKILL, Rung::GivenUp, None)
                }
            };
            (run.rung, run.due) = (rung, due);
            signal_group(*pid, signal);
        }
        given_up
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
        let given_up = run.rung == Rung::GivenUp;
        let outcome = if run.rung > Rung::InTime { ScriptOutcome::TimedOut } else { outcome };
        let output = String::from_utf8_lossy(&run.tail).trim_end().to_owned();
        let took = now.saturating_duration_since(run.started);
        Some(Ended { key: run.key, title: run.title, outcome, output, took, given_up })
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

#[cfg(test)]
mod tests {
    use mainstay_config::model::{Command, Identity};

    use super::*;

    fn sleeper() -> Job {
        let identity =
            Identity { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        Job::new(Command {
            arguments: vec!["/bin/sleep".into(), "60".into()],
            identity,
            through_shell: false,
        })
    }

    #[test]
    fn a_run_that_does_not_end_when_killed_is_given_up_once_and_its_end_is_no_news() {
        let (mut runs, start, limit) = (Runs::default(), Instant::now(), Duration::from_secs(5));
        runs.start("chk", &sleeper(), Some(limit), start).expect("starts");
        let pid = Pid::from_raw(*runs.live.keys().next().expect("a run"));
        // Its end is not seen, as if it hung in the kernel.
        assert_eq!(runs.tick(start + limit), [""; 0]);
        assert_eq!(runs.tick(start + limit + GRACE), [""; 0]);
        assert!(runs.is_running(&"chk") && !runs.hangs(&"chk"));
        assert_eq!(runs.tick(start + limit + 2 * GRACE), ["chk"]);
        assert!(!runs.is_running(&"chk") && runs.hangs(&"chk"));
        assert_eq!(runs.tick(start + limit + 9 * GRACE), [""; 0]);
        nix::sys::wait::waitpid(pid, None).expect("our child");
        let ended = runs.ended(pid, ScriptOutcome::Signalled(9), start).expect("ours");
        assert!(ended.given_up && runs.is_empty());
    }
}
