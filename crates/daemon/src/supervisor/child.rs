//! One child process: started by running ourselves again with a role, spoken to through frames, restarted when it dies.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use mainstay_system::process::{Output, Spawn};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backoff::Backoff;
use crate::cli::{LogOptions, Role};
use crate::frames::{Channel, Peer};
use crate::pidfile::PidFile;

/// What runs when we run ourselves: this very image, even if the file was replaced by an upgrade meanwhile.
pub const OURSELVES: &str = "/proc/self/exe";

/// Children end on frames and on the end of the stream. The signals of a terminal, or of a service manager that
/// signals a whole control group, must not end them before they have handed over.
const IGNORED: [Signal; 5] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// How long a child whose stream has ended or is garbage may live on.
const LINGER: Duration = Duration::from_secs(1);

/// A child that receives `Out` and sends `In`.
#[derive(Debug)]
pub struct Child<In, Out> {
    role: Role,
    log: LogOptions,
    /// What `ps` shows.
    title: String,
    pid_file: Option<PidFile>,
    running: Option<Running<In, Out>>,
    restart_at: Option<Instant>,
    backoff: Backoff,
    /// Frames that were dropped because the child does not read.
    dropped: u64,
}

#[derive(Debug)]
struct Running<In, Out> {
    pid: Pid,
    channel: Channel<In, Out>,
    started: Instant,
    ready: bool,
    /// When it is killed, because its stream has ended or is garbage, or it does not end when told to.
    kill_at: Option<Instant>,
    closed: bool,
}

/// How a child's life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// Whether it had ever said that it is ready.
    pub was_ready: bool,
    /// When it is started again.
    pub restart_at: Instant,
}

impl<In: DeserializeOwned, Out: Serialize> Child<In, Out> {
    /// A child that is not started yet.
    #[must_use]
    pub fn new(role: Role, title: String, log: LogOptions, pid_file: Option<PidFile>) -> Self {
        Self {
            role,
            log,
            title,
            pid_file,
            running: None,
            restart_at: None,
            backoff: Backoff::default(),
            dropped: 0,
        }
    }

    /// Starts it and sends the first frame.
    ///
    /// # Errors
    /// When there is no socket pair or no process to be had.
    pub fn start(&mut self, first: &Out, now: Instant) -> io::Result<()> {
        let (channel, theirs) = Channel::pair()?;
        let mut spawn = Spawn::new(OsStr::new(OURSELVES));
        spawn.title = Some(OsString::from(&self.title));
        spawn.arguments = vec!["child".into(), self.role.name().into()];
        spawn.arguments.extend(self.log.to_arguments());
        spawn.input = Some(theirs.as_fd());
        spawn.ignored_signals = &IGNORED;
        spawn.output = Output::Inherited;
        let started = spawn.start().map_err(|error| error.source)?;
        if let Some(file) = &mut self.pid_file
            && let Err(error) = file.write(started.pid.as_raw().unsigned_abs())
        {
            tracing::warn!("{error}");
        }
        self.restart_at = None;
        self.running = Some(Running {
            pid: started.pid,
            channel,
            started: now,
            ready: false,
            kill_at: None,
            closed: false,
        });
        self.send(first);
        Ok(())
    }

    /// Queues a frame. One that does not fit is dropped and counted: nobody waits for a child that does not read.
    pub fn send(&mut self, frame: &Out) {
        let Some(running) = &mut self.running else { return };
        if let Err(error) = running.channel.send(frame) {
            self.dropped += 1;
            tracing::error!("frame to the {} dropped ({} so far): {error}", self.role.name(), self.dropped);
        }
    }

    /// Reads and writes what is possible without waiting, and gives the frames that arrived.
    pub fn exchange(&mut self, now: Instant) -> Vec<In> {
        let mut frames = Vec::new();
        let Some(running) = &mut self.running else { return frames };
        // A broken stream shows at the receiving side.
        let _ = running.channel.flush();
        let mut result = running.channel.receive();
        loop {
            match running.channel.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        match result {
            Ok(Peer::Open) => {}
            Ok(Peer::Gone) => running.close(now + LINGER),
            Err(error) => {
                tracing::error!("the {} is killed: its frames cannot be read: {error}", self.role.name());
                running.close(now);
            }
        }
        frames
    }

    /// It said that it is ready.
    pub fn ready(&mut self) {
        if let Some(running) = &mut self.running {
            running.ready = true;
        }
    }

    /// Whether it runs and has said that it is ready.
    pub fn is_ready(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.ready)
    }

    /// Kills it at `end` if it has not ended by then.
    pub fn must_end_by(&mut self, end: Instant) {
        self.restart_at = None;
        if let Some(running) = &mut self.running {
            running.kill_at = Some(running.kill_at.map_or(end, |earlier| earlier.min(end)));
        }
    }

    /// Kills what was to end by now.
    pub fn tick(&mut self, now: Instant) {
        if let Some(running) = &mut self.running
            && running.kill_at.is_some_and(|due| due <= now)
        {
            tracing::warn!("the {} does not end: killed", self.role.name());
            running.kill_at = None;
            // ESRCH is not possible before it was reaped.
            let _ = kill(running.pid, Signal::SIGKILL);
        }
    }

    /// Whether this process is it.
    pub fn is(&self, pid: Pid) -> bool {
        self.running.as_ref().is_some_and(|running| running.pid == pid)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// It ended; its last frames were taken before.
    pub fn died(&mut self, now: Instant) -> Death {
        if let Some(file) = &mut self.pid_file
            && let Err(error) = file.clear()
        {
            tracing::warn!("{error}");
        }
        let (started, was_ready) =
            self.running.take().map_or((now, false), |running| (running.started, running.ready));
        Death { was_ready, restart_at: self.backoff.died(started, now) }
    }

    /// Starts again at this time: [`is_due`](Self::is_due) says when.
    pub fn restart_at(&mut self, when: Instant) {
        self.restart_at = Some(when);
    }

    /// Whether it is to be started now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.restart_at.is_some_and(|due| due <= now)
    }

    /// When [`tick`](Self::tick) or a restart is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let kill_at = self.running.as_ref().and_then(|running| running.kill_at);
        self.restart_at.into_iter().chain(kill_at).min()
    }

    /// The descriptor to poll, and whether for writing too; `None` when there is nobody to hear.
    pub fn poll(&self) -> Option<(BorrowedFd<'_>, bool)> {
        let running = self.running.as_ref().filter(|running| !running.closed)?;
        Some((running.channel.as_fd(), running.channel.wants_write()))
    }
}

impl<In, Out> Running<In, Out> {
    fn close(&mut self, kill_at: Instant) {
        if !self.closed {
            self.closed = true;
            self.kill_at = Some(self.kill_at.map_or(kill_at, |earlier| earlier.min(kill_at)));
        }
    }
}
