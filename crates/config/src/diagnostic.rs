//! Diagnostics: what is wrong with a configuration, where, and what would be right.

use crate::tree::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; keepalived says nothing or the meaning is unchanged.
    Note,
    /// The daemon starts; the message says what it does.
    Warning,
    /// keepalived's daemon would refuse, or the object is left out.
    Error,
}

/// What `keepalived -t` would have made of it: the classes behind its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// keepalived does not complain (exit 0).
    Silent,
    /// keepalived complains (exit 5).
    Complaint,
    /// keepalived complains about script security (exit 6).
    ScriptSecurity,
    /// keepalived stops reading at once (exit 2).
    Abort,
}

/// One thing to say about a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its class in keepalived's exit code.
    pub class: Class,
    /// A stable name, `unknown-keyword`, for filters and tests.
    pub code: &'static str,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Where; `None` if it is about the whole.
    pub span: Option<Span>,
    /// What was expected, or what happens instead.
    pub note: Option<String>,
    /// What to write instead.
    pub suggestion: Option<String>,
}
