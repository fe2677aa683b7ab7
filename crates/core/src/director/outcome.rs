//! What came of a probe.

use alloc::boxed::Box;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// What came of asking once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The answer was good.
    Passed {
        /// From the first packet to the last.
        took: Duration,
    },
    /// The server did not answer, or not as it should.
    Failed(Failure),
    /// Nothing can be said about the server: the fault was ours. It counts neither for it nor against it.
    Inconclusive(Excuse),
}

/// Why a server failed a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How far the exchange got.
    pub stage: Stage,
    /// What the kernel said, if it was the kernel that said it.
    pub errno: Option<i32>,
    /// In words that go behind the name of the server: `connection refused (ECONNREFUSED)`, `status 503`,
    /// `no answer within 5 s`.
    pub words: Box<str>,
}

/// How far an exchange got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// No connection (or, for datagrams, nothing could be sent).
    Connect,
    /// No TLS session.
    Tls,
    /// The question could not be sent completely.
    Send,
    /// No complete answer.
    Receive,
    /// An answer, and not the wanted one.
    Answer,
    /// The script said no, or could not be run.
    Script,
}

impl Stage {
    /// One word, for a label of a metric.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Answer => "answer",
            Self::Script => "script",
        }
    }
}

/// Why a probe says nothing about the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Excuse {
    /// The timeout expired while our own loop was this late, and there was nothing to read when it came back.
    Late(Duration),
    /// This machine could not ask: no descriptor, no memory, no free port, no permission, no such link.
    CouldNotAsk {
        /// What the kernel said.
        errno: Option<i32>,
        /// In words.
        words: Box<str>,
    },
    /// The task that asked panicked.
    Panicked,
}

impl Outcome {
    /// One word, for a label of a metric.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed { .. } => "passed",
            Self::Failed(failure) => failure.stage.word(),
            Self::Inconclusive(Excuse::Late(_)) => "late",
            Self::Inconclusive(Excuse::CouldNotAsk { .. }) => "could_not_ask",
            Self::Inconclusive(Excuse::Panicked) => "panicked",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words)
    }
}

impl fmt::Display for Excuse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(by) => write!(formatter, "our own loop was {} ms late", by.as_millis()),
            Self::CouldNotAsk { words, .. } => write!(formatter, "this machine could not ask: {words}"),
            Self::Panicked => formatter.write_str("the probe panicked"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed { took } => write!(formatter, "passed in {} ms", took.as_millis()),
            Self::Failed(failure) => write!(formatter, "failed: {failure}"),
            Self::Inconclusive(excuse) => write!(formatter, "says nothing: {excuse}"),
        }
    }
}
