//! The control socket: what can be asked of a running daemon, what it answers, and how both are written for people.
//!
//! A client connects to a Unix stream socket, sends one [`Request`] and reads one [`Reply`]; each is a frame of a length
//! (four bytes, big endian) and as many bytes of JSON. Names of fields and variants are stable within a [`VERSION`]: they
//! may become more, so who reads them ignores what it does not know. No other format of the daemon's is stable.

pub mod client;
pub mod frame;
pub mod status;
pub mod text;

use serde::{Deserialize, Serialize};

pub use status::Status;

/// Version of the messages: another number is another language.
pub const VERSION: u32 = 1;

/// Where the socket is: beside the process id file, which has keepalived's name, with another ending.
pub const SOCKET: &str = "/run/keepalived.sock";

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`] of the client.
    pub version: u32,
    /// The question.
    pub question: Question,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// What the state of everything is.
    Status,
    /// What happened.
    Events {
        /// Only to objects with this name; an instance, a group, a tracker, a server as the log names it.
        about: Option<String>,
        /// At most so many, the newest.
        last: u32,
    },
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Question::Status`].
    Status(Box<Status>),
    /// To [`Question::Events`], oldest first.
    Events(Vec<Happening>),
    /// It cannot be answered; why.
    Refused(String),
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// To whom: the name of an instance, a group, a tracker or a server; empty is the node.
    pub subject: String,
    /// How important it is.
    pub level: Level,
    /// What and why, as the log has it.
    pub text: String,
}

/// How important something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For developers.
    Debug,
    /// Ordinary.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Something does not work.
    Error,
}
