//! One end of a socket pair: frames in, frames out, nobody waits.

use std::io::{self, ErrorKind, Read};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{FrameReader, FrameWriter, MAX_FRAME, QueueFull};

/// Whether the process at the other end still has its end open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It has.
    Open,
    /// It closed it, or died. Frames that arrived before can still be taken.
    Gone,
}

/// One end of a socket pair that receives `In` and sends `Out`.
///
/// In a loop: wait for [`AsFd`] to be readable (and writable while [`wants_write`](Self::wants_write)); then
/// [`receive`](Self::receive), [`next`](Self::next) until `None`, and [`flush`](Self::flush).
#[derive(Debug)]
pub struct Channel<In, Out> {
    stream: UnixStream,
    reader: FrameReader,
    writer: FrameWriter,
    frames: PhantomData<fn(Out) -> In>,
}

impl<In: DeserializeOwned, Out: Serialize> Channel<In, Out> {
    /// Both ends of a new pair: ours, and the descriptor for the other process (close-on-exec, blocking mode shared
    /// by nobody: each end sets its own).
    ///
    /// # Errors
    /// When the kernel has no socket pair for us.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self::from_stream(ours)?, theirs.into()))
    }

    /// This end of a pair somebody else made.
    ///
    /// # Errors
    /// When the descriptor cannot be made non-blocking.
    pub fn from_stream(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (reader, writer) = (FrameReader::default(), FrameWriter::with_limit(MAX_FRAME));
        Ok(Self { stream, reader, writer, frames: PhantomData })
    }

    /// Queues a frame and writes what fits. A broken stream is not reported here but by the next
    /// [`receive`](Self::receive).
    ///
    /// # Errors
    /// When the other side does not read: the frame is dropped.
    pub fn send(&mut self, frame: &Out) -> Result<(), QueueFull> {
        self.writer.push(frame)?;
        // A broken pipe shows as end of stream at the next receive, after the frames that still arrived.
        let _ = self.flush();
        Ok(())
    }

    /// Writes what is queued as far as the socket takes it.
    ///
    /// # Errors
    /// When the stream is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.write_to(&mut &self.stream)
    }

    /// Whether to wait for the socket to be writable.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.writer.is_waiting()
    }

    /// Reads what is there without waiting, at most about 1 MiB so that a flood does not starve the loop (poll is
    /// level-triggered: the rest comes next time).
    ///
    /// # Errors
    /// When reading fails for another reason than an end of the stream.
    pub fn receive(&mut self) -> io::Result<Peer> {
        let mut chunk = [0; 64 << 10];
        for _ in 0..16 {
            match (&self.stream).read(&mut chunk) {
                Ok(0) => return Ok(Peer::Gone),
                Ok(length) => self.reader.push(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Peer::Open),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Peer::Gone),
                Err(error) => return Err(error),
            }
        }
        Ok(Peer::Open)
    }

    /// The next frame that has arrived.
    ///
    /// # Errors
    /// `InvalidData` when the stream is garbage.
    #[expect(clippy::should_implement_trait, reason = "an iterator would hide that None only means: not yet")]
    pub fn next(&mut self) -> io::Result<Option<In>> {
        self.reader.pop().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }
}

impl<In, Out> AsFd for Channel<In, Out> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl<In, Out> AsRawFd for Channel<In, Out> {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{FromRouter, ToRouter};

    fn both() -> (Channel<FromRouter, ToRouter>, Channel<ToRouter, FromRouter>) {
        let (supervisor, theirs) = Channel::pair().expect("a socket pair");
        (supervisor, Channel::from_stream(theirs.into()).expect("non-blocking"))
    }

    #[test]
    fn frames_cross_in_both_directions() {
        let (mut supervisor, mut router) = both();
        supervisor.send(&ToRouter::Shutdown).expect("queued");
        router.send(&FromRouter::Finished).expect("queued");
        assert_eq!(router.receive().expect("reads"), Peer::Open);
        assert_eq!(router.next().expect("frames"), Some(ToRouter::Shutdown));
        assert_eq!(router.next().expect("frames"), None);
        assert_eq!(supervisor.receive().expect("reads"), Peer::Open);
        assert_eq!(supervisor.next().expect("frames"), Some(FromRouter::Finished));
    }

    #[test]
    fn the_last_words_of_a_dead_peer_are_heard() {
        let (mut supervisor, mut router) = both();
        router.send(&FromRouter::Finished).expect("queued");
        drop(router);
        assert_eq!(supervisor.receive().expect("reads"), Peer::Gone);
        assert_eq!(supervisor.next().expect("frames"), Some(FromRouter::Finished));
        assert_eq!(supervisor.next().expect("frames"), None);
    }

    #[test]
    fn a_peer_that_does_not_read_never_blocks_the_sender() {
        let (mut supervisor, mut router) = both();
        let long = ToRouter::FileRead { file: "x".repeat(8 << 20), value: None };
        let mut sent = 0;
        while supervisor.send(&long).is_ok() {
            sent += 1;
        }
        assert!(supervisor.wants_write());
        let mut received = 0;
        while received < sent {
            supervisor.flush().expect("open");
            router.receive().expect("reads");
            while let Some(frame) = router.next().expect("frames") {
                assert_eq!(frame, long);
                received += 1;
            }
        }
        assert!(!supervisor.wants_write());
    }
}
