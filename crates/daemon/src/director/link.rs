//! The stream to the supervisor: frames in, frames out; only the end waits for it.

use std::io::{self, ErrorKind, Write};

use tokio::io::Interest;
use tokio::net::UnixStream;

pub use crate::frames::Peer;
use crate::frames::{FrameReader, FrameWriter, FromDirector, MAX_FRAME, ToDirector};

/// Our end of the stream.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    reader: FrameReader,
    writer: FrameWriter,
    /// Frames that were dropped because the supervisor does not read.
    dropped: u64,
    gone: bool,
}

impl Link {
    /// An end of a pair.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        let (reader, writer) = (FrameReader::default(), FrameWriter::with_limit(MAX_FRAME));
        Self { stream, reader, writer, dropped: 0, gone: false }
    }

    /// Waits until something can be read or written, and does so. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the stream breaks in another way than by its end.
    pub async fn exchange(&mut self) -> io::Result<Peer> {
        if self.gone {
            return std::future::pending().await;
        }
        let mut interest = Interest::READABLE;
        if self.writer.is_waiting() {
            interest |= Interest::WRITABLE;
        }
        let ready = self.stream.ready(interest).await?;
        if ready.is_writable() {
            self.write();
        }
        self.read()
    }

    fn read(&mut self) -> io::Result<Peer> {
        let mut chunk = [0; 64 << 10];
        loop {
            match self.stream.try_read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => self.reader.push(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Peer::Open),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error),
            }
        }
        self.gone = true;
        Ok(Peer::Gone)
    }

    /// The next frame that has arrived.
    ///
    /// # Errors
    /// When the stream is garbage.
    pub fn next(&mut self) -> io::Result<Option<ToDirector>> {
        self.reader.pop().map_err(io::Error::other)
    }

    /// Whether everything that arrived was taken.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        self.reader.unread() == 0
    }

    /// Queues a frame and writes what fits; what does not fit into the queue is dropped and counted.
    pub fn send(&mut self, frame: &FromDirector) {
        if self.gone {
            return;
        }
        if let Err(error) = self.writer.push(frame) {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::error!("frame to the supervisor dropped ({} so far): {error}", self.dropped);
            }
        }
        self.write();
    }

    fn write(&mut self) {
        // A broken pipe shows as the end of the stream when it is read.
        let _ = self.writer.write_to(&mut Trying(&self.stream));
    }

    /// Waits until everything is written, or nobody reads any more.
    ///
    /// # Errors
    /// When the stream breaks.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.writer.is_waiting() && !self.gone {
            self.stream.writable().await?;
            if let Err(error) = self.writer.write_to(&mut Trying(&self.stream)) {
                return if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) };
            }
        }
        Ok(())
    }
}

/// A stream that is written to without waiting.
struct Trying<'a>(&'a UnixStream);

impl Write for Trying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
