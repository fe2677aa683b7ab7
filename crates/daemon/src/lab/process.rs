//! One program running in the lab, with everything it has started.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A child process and its log. Killed with all its descendants when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it in a process group of its own. The calling thread decides the namespace.
    pub(super) fn spawn(command: &mut Command, log: PathBuf) -> Result<Self> {
        let output = File::create(&log).with_context(|| format!("make {}", log.display()))?;
        let errors = output.try_clone().context("open the log twice")?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("start {}", command.get_program().to_string_lossy()))?;
        Ok(Self { child, log, ended: None })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Where its log is.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Itself and all its living descendants, parents first.
    #[must_use]
    pub fn tree(&self) -> Vec<u32> {
        let parents: Vec<(u32, u32)> = living().collect();
        let mut tree = vec![self.pid()];
        let mut next = 0;
        while let Some(&parent) = tree.get(next) {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        tree
    }

    /// Its direct children.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        living().filter(|(_, parent)| *parent == self.pid()).map(|(pid, _)| pid).collect()
    }

    /// Sends it a signal; nothing happens if it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.exit_status().is_none() {
            send(self.pid(), signal);
        }
    }

    /// Kills it and all its descendants at one moment: first everyone is stopped, parents first, so that nobody sees
    /// the death of another and says goodbye. Then they die, children first: a process group that loses the parent
    /// outside it is continued by the kernel.
    pub fn kill9(&mut self) {
        if self.exit_status().is_some() {
            return;
        }
        let tree = self.tree();
        tree.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
        tree.iter().rev().for_each(|pid| send(*pid, Signal::SIGKILL));
        self.ended = self.child.wait().ok();
    }

    /// How it ended; `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Fails if it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.exit_status() {
                return Ok(status);
            }
            if start.elapsed() > limit {
                bail!("process {} still runs after {:.3} s", self.pid(), limit.as_secs_f64());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// Fails if it still runs after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM);
        self.wait(limit)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Sends a signal to a process that may be gone by now.
pub fn send(pid: u32, signal: Signal) {
    // A pid is positive and fits; `kill` of a process that has gone is what we want anyway.
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

/// Every living process with its parent, from `/proc/PID/stat`: `pid (name) state ppid ...`.
fn living() -> impl Iterator<Item = (u32, u32)> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, after_name) = stat.rsplit_once(") ")?;
        let mut words = after_name.split(' ');
        let state = words.next()?;
        let parent = words.next()?.parse().ok()?;
        (state != "Z").then_some((pid, parent))
    })
}
