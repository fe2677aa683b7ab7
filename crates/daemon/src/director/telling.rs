//! Events as log lines.

use mainstay_core::director::{Event, Reason};
use tracing::Level;

/// Writes an event to the log.
pub fn log(event: &Event) {
    let line = format!("{}: {}", event.subject, event.reason);
    match level(&event.reason) {
        Level::ERROR => tracing::error!("{line}"),
        Level::WARN => tracing::warn!("{line}"),
        _ => tracing::info!("{line}"),
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
