//! Why an exchange did not come to a good end, in words, and who is to blame for it.

use std::io;

use mainstay_core::director::{Excuse, Failure, Stage};
use mainstay_core::time::Duration;
use nix::errno::Errno;

/// What ends an exchange before its good end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server's fault.
    Failed(Failure),
    /// Ours.
    Excused(Excuse),
}

/// What the steps of an exchange give.
pub(super) type Exchange<T> = Result<T, Trouble>;

impl Trouble {
    /// The server's fault, in words.
    pub(super) fn failed(stage: Stage, words: impl Into<Box<str>>) -> Self {
        Self::Failed(Failure { stage, errno: None, words: words.into() })
    }

    /// An answer came, and it is not the wanted one.
    pub(super) fn answer(words: impl Into<Box<str>>) -> Self {
        Self::failed(Stage::Answer, words)
    }

    /// The server ended the connection before its answer was complete.
    pub(super) fn closed(stage: Stage) -> Self {
        Self::failed(stage, "the server closed the connection")
    }

    /// This machine could not even ask.
    pub(super) fn could_not_ask(doing: &str, error: &io::Error) -> Self {
        let errno = error.raw_os_error();
        Self::Excused(Excuse::CouldNotAsk { errno, words: format!("{doing}: {}", in_words(error)).into() })
    }

    /// What the kernel said about an exchange. Most of it is about the server; some of it is about us.
    pub(super) fn kernel(stage: Stage, error: &io::Error) -> Self {
        if error.raw_os_error().is_some_and(is_our_own) {
            return Self::could_not_ask(stage.word(), error);
        }
        let words = in_words(error).into();
        Self::Failed(Failure { stage, errno: error.raw_os_error(), words })
    }

    /// The server was silent for too long.
    pub(super) fn silence(stage: Stage, limit: Duration) -> Self {
        let what = match stage {
            Stage::Connect => "no connection within",
            Stage::Tls => "no TLS session: silence for",
            Stage::Send => "it took nothing for",
            Stage::Receive | Stage::Answer | Stage::Script => "no answer within",
        };
        Self::failed(stage, format!("{what} {}", seconds(limit)))
    }
}

/// Errors that say something about this machine and nothing about the server.
fn is_our_own(errno: i32) -> bool {
    matches!(
        Errno::from_raw(errno),
        Errno::EADDRINUSE
            | Errno::EADDRNOTAVAIL
            | Errno::EAGAIN
            | Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOBUFS
            | Errno::ENOMEM
            | Errno::EPERM
            | Errno::EACCES
    )
}

/// `connection refused (ECONNREFUSED)`.
fn in_words(error: &io::Error) -> String {
    let Some(errno) = error.raw_os_error().map(Errno::from_raw) else { return error.to_string() };
    let mut words = errno.desc().to_owned();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    format!("{words} ({errno:?})")
}

/// `5 s`, `0.25 s`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_like_words_and_keep_their_number() {
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let Trouble::Failed(failure) = Trouble::kernel(Stage::Connect, &refused) else { panic!("a failure") };
        assert_eq!(failure.words.as_ref(), "connection refused (ECONNREFUSED)");
        assert_eq!(failure.errno, Some(libc::ECONNREFUSED));
    }

    #[test]
    fn a_machine_without_descriptors_does_not_blame_the_server() {
        let none_left = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(matches!(Trouble::kernel(Stage::Connect, &none_left), Trouble::Excused(_)));
    }
}
