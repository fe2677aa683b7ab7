//! What the supervisor and the router have counted, as the director is told it for metrics.
//!
//! The router's part is its plain [`Report`]. The supervisor's part is here: it outlives the other two processes, so its
//! counts go on where theirs begin anew.

use std::collections::BTreeMap;

use mainstay_core::router::{Report, ScriptOutcome};
use serde::{Deserialize, Serialize};

/// Counts by two labels.
pub type Counts = BTreeMap<(String, String), u64>;

/// Everything there is to say at one moment, but what the director knows itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measures {
    /// `router_id`.
    pub node: String,
    /// What the supervisor counted.
    pub counted: Counted,
    /// What the router tells; `None` while it does not run.
    pub router: Option<Box<Report>>,
    /// What the configuration says of each instance of the report, in its order.
    pub identities: Vec<Identity>,
}

/// What people know an instance by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Link of the adverts; empty where there is none.
    pub interface: String,
    /// Virtual router id.
    pub vrid: u8,
    /// VRRP version.
    pub version: u8,
    /// Its sync group; empty where there is none.
    pub group: String,
}

/// What the supervisor counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// When it was started, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// When the configuration in force came into force.
    pub configured_at_ms: u64,
    /// Reloads that were accepted.
    pub reloads: u64,
    /// Reloads that were refused.
    pub reloads_refused: u64,
    /// The last reload was refused.
    pub last_reload_refused: bool,
    /// Deaths of children, by role.
    pub deaths: BTreeMap<String, u64>,
    /// Changes of state, by instance: the state entered and why, in one word each.
    pub transitions: BTreeMap<String, Counts>,
    /// Runs of tracking scripts, by name and how they ended.
    pub scripts: Counts,
    /// Runs of notify scripts, by what kind of object they told of and how they ended.
    pub notifications: Counts,
}

/// How a run ended, in one word for a label.
#[must_use]
pub const fn word(outcome: &ScriptOutcome) -> &'static str {
    match outcome {
        ScriptOutcome::Exited(0) => "succeeded",
        ScriptOutcome::Exited(_) => "failed",
        ScriptOutcome::Signalled(_) => "signalled",
        ScriptOutcome::TimedOut => "timed_out",
        ScriptOutcome::NotStarted(_) => "not_started",
    }
}

/// Counts one more.
pub fn count(counts: &mut Counts, first: &str, second: &str) {
    let count = counts.entry((first.to_owned(), second.to_owned())).or_default();
    *count = count.saturating_add(1);
}
