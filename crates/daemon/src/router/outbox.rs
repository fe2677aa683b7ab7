//! What goes to the supervisor: never waits, loses log lines rather than notifications.

use std::collections::VecDeque;

use mainstay_core::router::Resume;
use mainstay_core::time::{Duration, Instant};

use super::Supervisor;
use crate::frames::{FromRouter, Peer};

/// Least time between two snapshots for a successor: a thousand changes in a row need not tell a thousand times.
const RESUME_INTERVAL: Duration = Duration::from_millis(10);

/// The sending side of the channel, with what did not fit.
pub struct Outbox {
    supervisor: Supervisor,
    /// Frames that must not be lost and did not fit.
    kept: VecDeque<FromRouter>,
    /// Log lines that were lost.
    lost: u64,
    resume: ResumeDue,
    gone: bool,
}

/// When the next snapshot is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResumeDue {
    /// Nothing changed since the last.
    Never,
    /// Something changed.
    At(Instant),
}

impl Outbox {
    pub fn new(supervisor: Supervisor) -> Self {
        Self { supervisor, kept: VecDeque::new(), lost: 0, resume: ResumeDue::Never, gone: false }
    }

    /// The channel, to be waited for and read.
    pub fn supervisor(&mut self) -> &mut Supervisor {
        &mut self.supervisor
    }

    /// Reads what has arrived.
    ///
    /// # Errors
    /// When the channel is broken in another way than having ended.
    pub fn receive(&mut self) -> std::io::Result<Peer> {
        self.supervisor.receive()
    }

    /// Sends a frame that must arrive.
    pub fn send(&mut self, frame: FromRouter) {
        if self.gone {
            return;
        }
        if !self.kept.is_empty() || self.supervisor.send(&frame).is_err() {
            self.kept.push_back(frame);
        }
    }

    /// Sends a frame that may be lost when the supervisor does not keep up; losses are counted and logged.
    pub fn send_or_lose(&mut self, frame: &FromRouter) {
        if self.gone {
            return;
        }
        if !self.kept.is_empty() || self.supervisor.send(frame).is_err() {
            if self.lost == 0 {
                tracing::warn!("the supervisor does not keep up: log lines are lost");
            }
            self.lost += 1;
        }
    }

    /// Asks for a snapshot to be sent soon.
    pub fn state_changed(&mut self, last_sent: Option<Instant>, now: Instant) {
        if self.resume == ResumeDue::Never && !self.gone {
            let earliest = last_sent.map_or(now, |last| last + RESUME_INTERVAL);
            self.resume = ResumeDue::At(earliest.max(now));
        }
    }

    /// Whether a snapshot is to be sent at `now`.
    pub fn resume_is_due(&self, now: Instant) -> bool {
        matches!(self.resume, ResumeDue::At(at) if at <= now)
    }

    /// When a snapshot will be due.
    pub fn deadline(&self) -> Option<Instant> {
        match self.resume {
            ResumeDue::Never => None,
            ResumeDue::At(at) => Some(at),
        }
    }

    /// Sends the snapshot that was asked for.
    pub fn send_resume(&mut self, resume: Resume) {
        self.resume = ResumeDue::Never;
        // Only the newest counts.
        self.kept.retain(|frame| !matches!(frame, FromRouter::Resume(_)));
        self.send(FromRouter::Resume(resume));
    }

    /// Writes what waits, as far as the channel takes it.
    pub fn flush(&mut self) {
        // A broken channel shows when it is read.
        let _ = self.supervisor.flush();
        while let Some(frame) = self.kept.front() {
            if self.supervisor.send(frame).is_err() {
                return;
            }
            self.kept.pop_front();
        }
        if self.lost > 0 {
            tracing::warn!("{} log lines were lost because the supervisor did not keep up", self.lost);
            self.lost = 0;
        }
    }

    /// Whether to wait for room in the channel.
    pub fn wants_write(&self) -> bool {
        !self.gone && (self.supervisor.wants_write() || !self.kept.is_empty())
    }

    /// Whether the supervisor is gone.
    pub const fn is_closed(&self) -> bool {
        self.gone
    }

    /// The supervisor is gone: nobody is told anything any more.
    pub fn close(&mut self) {
        self.gone = true;
        self.kept.clear();
        self.resume = ResumeDue::Never;
    }
}
