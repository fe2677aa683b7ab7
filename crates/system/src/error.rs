//! The one error of this crate: what was being done, to what, and what the kernel said.

use std::io;

/// A refused operation.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {object}: {source}")]
pub struct Error {
    /// What was being done, as a verb phrase: `open a netlink socket for`.
    pub operation: &'static str,
    /// What it was done to.
    pub object: String,
    /// What the kernel said.
    pub source: io::Error,
}

/// What fallible functions of this crate give.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The kernel's error number; `EIO` for errors that have none.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(libc::EIO)
    }

    /// For `map_err`: names the operation and its object.
    pub(crate) fn of<E: Into<io::Error>>(
        operation: &'static str,
        object: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self { operation, object: object.into(), source: source.into() }
    }
}

/// Turns the `-1` of a system call into the error it stands for.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence_and_keeps_its_number() {
        let refused: std::result::Result<(), io::Error> = Err(io::Error::from_raw_os_error(libc::EPERM));
        let error = refused.map_err(Error::of("open a raw socket on", "eth0")).expect_err("an error");
        assert_eq!(
            error.to_string(),
            "cannot open a raw socket on eth0: Operation not permitted (os error 1)"
        );
        assert_eq!(error.errno(), libc::EPERM);
    }
}
