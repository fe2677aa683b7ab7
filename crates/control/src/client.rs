//! Asking a running daemon.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::frame::{self, FrameError, LONGEST_REPLY, LONGEST_REQUEST};
use crate::{Question, Reply, Request, VERSION};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens, or we may not speak.
    #[error("{}: {source}{}", path.display(), hint(source))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The conversation failed.
    #[error("the daemon gives no answer: {0}")]
    Conversation(#[from] FrameError),
    /// The daemon does not want to.
    #[error("the daemon refuses: {0}")]
    Refused(String),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => " (does the daemon run?)",
        io::ErrorKind::PermissionDenied => " (only root and the group of the socket may ask)",
        _ => "",
    }
}

/// Asks one question.
///
/// # Errors
/// Why there is no answer.
pub fn ask(path: &Path, question: Question) -> Result<Reply, AskError> {
    let mut stream = UnixStream::connect(path)
        .and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        })
        .map_err(|source| AskError::Connect { path: path.to_owned(), source })?;
    frame::write(&mut stream, &Request { version: VERSION, question }, LONGEST_REQUEST)?;
    match frame::read(&mut stream, LONGEST_REPLY)? {
        Reply::Refused(why) => Err(AskError::Refused(why)),
        reply => Ok(reply),
    }
}
