//! Events as log lines.

use mainstay_core::director::{Event, Reason, Subject};
use tracing::Level;

/// Writes an event to the log, and gives the line and how important it is.
pub fn log(event: &Event) -> (mainstay_control::Level, String) {
    let line = format!("{}: {}", event.subject, event.reason);
    let level = match level(&event.reason) {
        Level::ERROR => {
            tracing::error!("{line}");
            mainstay_control::Level::Error
        }
        Level::WARN => {
            tracing::warn!("{line}");
            mainstay_control::Level::Warning
        }
        _ => {
            tracing::info!("{line}");
            mainstay_control::Level::Info
        }
    };
    (level, line)
}

/// What was told before a change is why it came: what a check said, and what followed from it.
#[derive(Debug, Default)]
pub struct Because {
    check: Option<String>,
    servers: Vec<String>,
}

impl Because {
    /// Something was told.
    pub fn told(&mut self, subject: &Subject, line: String) {
        match subject {
            Subject::Checker(_) => self.check = Some(line),
            Subject::Server(_) => self.servers.push(line),
            Subject::Table => {}
        }
    }

    /// The reasons of the change that is told of now. What a check said may be the reason of the next one too.
    pub fn take(&mut self) -> Vec<String> {
        let last = self.servers.pop();
        self.servers.clear();
        self.check.iter().cloned().chain(last).collect()
    }
}

const fn level(reason: &Reason) -> Level {
    match reason {
        Reason::PanicBegan { .. } | Reason::Refused { .. } | Reason::Unavailable(_) => Level::ERROR,
        Reason::CheckFailed { .. }
        | Reason::CheckLost { .. }
        | Reason::CheckSaysNothing(_)
        | Reason::OutOfService
        | Reason::Held
        | Reason::QuorumLost { .. }
        | Reason::Healed { .. } => Level::WARN,
        Reason::CheckPassed
        | Reason::InService { .. }
        | Reason::WeightChanged { .. }
        | Reason::QuorumGained { .. }
        | Reason::PanicEnded { .. }
        | Reason::Suspended
        | Reason::Resumed
        | Reason::Draining(_)
        | Reason::Drained { .. }
        | Reason::Adopted { .. } => Level::INFO,
    }
}
