//! Waiting in a tokio runtime for a descriptor that tokio has no type for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// Waits until a descriptor can be read.
#[derive(Debug)]
pub struct Readiness(AsyncFd<OwnedFd>);

impl Readiness {
    /// Watches a descriptor by a duplicate of it: it may be used, and closed, as before.
    ///
    /// # Errors
    /// When there is no descriptor to be had, or the kernel cannot wait for one of this kind.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn of(watched: &impl AsFd) -> io::Result<Self> {
        let own = watched.as_fd().try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` is open as long as it lives, always gives the same number, and nobody else closes it;
        // `AsyncFd` owns it.
        unsafe { AsyncFd::register(own) }.map(Self).map_err(Into::into)
    }

    /// Waits until there may be something to read; [`AsyncFdReadyGuard::clear_ready`] says that nothing is left.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the runtime is ending.
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
        self.0.readable().await
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_waits_until_something_can_be_read() {
        let (mut writer, reader) = UnixStream::pair().expect("a pair");
        let readiness = Readiness::of(&reader).expect("a descriptor");
        let early = tokio::time::timeout(Duration::from_millis(20), readiness.readable()).await;
        assert!(early.is_err(), "nothing is there yet");
        writer.write_all(b"x").expect("writes");
        let ready = tokio::time::timeout(Duration::from_secs(5), readiness.readable()).await;
        ready.expect("in time").expect("readable").clear_ready();
    }
}
