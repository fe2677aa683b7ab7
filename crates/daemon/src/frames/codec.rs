//! Frames in a byte stream: four bytes of length, little endian, then a postcard value of exactly that length.

use std::collections::VecDeque;
use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroize as _;

/// Longest frame in bytes: a plan of some hundred thousand addresses fits many times over.
pub const MAX_FRAME: usize = 64 << 20;

const HEADER: usize = 4;

/// Bytes of buffer an idle reader or writer keeps.
const IDLE_CAPACITY: usize = 64 << 10;

/// Why a byte stream is not a stream of frames. There is no way to find the next frame after one of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length of zero (no message is empty) or above the limit.
    #[error("a frame of {0} bytes is not possible")]
    Length(usize),
    /// The bytes are no value of the expected type.
    #[error("a frame of {length} bytes does not decode: {reason}")]
    Garbage {
        /// Length of the frame in bytes.
        length: usize,
        /// What the decoder said.
        reason: String,
    },
}

/// Takes bytes as they arrive and gives frames.
///
/// Memory follows what was really received, never what a length claims.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were consumed already.
    start: usize,
    limit: usize,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::with_limit(MAX_FRAME)
    }
}

impl FrameReader {
    /// A reader that takes no frame longer than `limit` bytes.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, limit }
    }

    /// Takes in bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if self.buffer.is_empty() {
            // One large plan must not keep its memory for ever in a process that wants to be small.
            self.buffer.shrink_to(IDLE_CAPACITY);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, or `None` if it has not arrived completely.
    ///
    /// # Errors
    /// When the stream is garbage. It stays garbage: every further call fails too.
    pub fn pop<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let waiting = &self.buffer[self.start..];
        let Some((header, rest)) = waiting.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = u32::from_le_bytes(*header) as usize;
        if length == 0 || length > self.limit {
            return Err(FrameError::Length(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let value = decode(body)?;
        // A plan has passwords and keys.
        self.buffer[self.start..self.start + HEADER + length].zeroize();
        self.start += HEADER + length;
        Ok(Some(value))
    }

    /// Bytes that are not part of a popped frame: zero when the stream ended between frames.
    #[must_use]
    pub const fn unread(&self) -> usize {
        self.buffer.len() - self.start
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let garbage = |reason: String| FrameError::Garbage { length: body.len(), reason };
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(garbage(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(garbage(error.to_string())),
    }
}

/// A frame was not queued: the other side does not keep up (or the frame is longer than [`MAX_FRAME`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue to the other process is full: {queued} bytes wait, {refused} more were refused")]
pub struct QueueFull {
    /// Bytes that wait to be written.
    pub queued: usize,
    /// Bytes of the refused frame.
    pub refused: usize,
}

/// Queues frames and writes as much as a non-blocking stream takes.
#[derive(Debug)]
pub struct FrameWriter {
    queue: VecDeque<u8>,
    limit: usize,
}

impl FrameWriter {
    /// A writer that lets at most `limit` bytes wait. An empty queue takes any one frame up to [`MAX_FRAME`].
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self { queue: VecDeque::new(), limit }
    }

    /// Queues one frame: whole, or not at all.
    ///
    /// # Errors
    /// When the queue is full; the frame is dropped, and the caller decides what that means.
    pub fn push<T: Serialize>(&mut self, value: &T) -> Result<(), QueueFull> {
        // Encoding into memory fails only for values postcard has no form for; none of our messages has one, and a
        // property test sends every kind.
        let body = postcard::to_allocvec(value).unwrap_or_default();
        let full = QueueFull { queued: self.queue.len(), refused: body.len() + HEADER };
        if body.is_empty() || body.len() > MAX_FRAME {
            return Err(full);
        }
        if !self.queue.is_empty() && full.queued + full.refused > self.limit {
            return Err(full);
        }
        let Ok(length) = u32::try_from(body.len()) else { return Err(full) };
        self.queue.extend(length.to_le_bytes());
        self.queue.extend(body);
        Ok(())
    }

    /// Writes until everything is written or the stream would block.
    ///
    /// # Errors
    /// When the stream is broken.
    pub fn write_to(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while !self.queue.is_empty() {
            match stream.write(self.queue.as_slices().0) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    // A plan has passwords and keys.
                    self.queue.as_mut_slices().0[..written].zeroize();
                    drop(self.queue.drain(..written));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.queue.shrink_to(IDLE_CAPACITY);
        Ok(())
    }

    /// Whether bytes wait for the stream to become writable.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::router::{Notification, NotifyObject, NotifyState, ScriptOutcome};
    use proptest::prelude::*;

    use super::*;
    use crate::frames::{FromRouter, ToRouter};

    fn frames() -> impl Strategy<Value = ToRouter> {
        let outcome = prop_oneof![
            any::<u8>().prop_map(ScriptOutcome::Exited),
            any::<i32>().prop_map(ScriptOutcome::Signalled),
            Just(ScriptOutcome::TimedOut),
            any::<String>().prop_map(ScriptOutcome::NotStarted),
        ];
        prop_oneof![
            Just(ToRouter::Shutdown),
            Just(ToRouter::Reload(Box::default())),
            Just(ToRouter::Start {
                plan: Box::default(),
                process: Box::default(),
                resume: Some(Default::default())
            }),
            any::<u64>().prop_map(ToRouter::ReportRequested),
            (any::<String>(), outcome)
                .prop_map(|(script, outcome)| ToRouter::ScriptFinished { script, outcome }),
            (any::<String>(), any::<Option<i64>>())
                .prop_map(|(file, value)| ToRouter::FileRead { file, value }),
            (any::<String>(), any::<u32>())
                .prop_map(|(process, count)| ToRouter::ProcessesCounted { process, count }),
        ]
    }

    fn bytes_of<T: Serialize>(values: &[T]) -> Vec<u8> {
        let mut writer = FrameWriter::with_limit(MAX_FRAME);
        let mut bytes = Vec::new();
        for value in values {
            writer.push(value).expect("one frame fits");
            writer.write_to(&mut bytes).expect("a vector takes everything");
        }
        bytes
    }

    proptest! {
        #[test]
        fn what_was_sent_arrives_however_the_stream_is_cut(
            sent in proptest::collection::vec(frames(), 0..8),
            piece in 1usize..200,
        ) {
            let mut reader = FrameReader::default();
            let mut received = Vec::new();
            for part in bytes_of(&sent).chunks(piece) {
                reader.push(part);
                while let Some(frame) = reader.pop::<ToRouter>().expect("well-formed") {
                    received.push(frame);
                }
            }
            prop_assert_eq!(received, sent);
            prop_assert_eq!(reader.unread(), 0);
        }

        #[test]
        fn garbage_is_an_error_or_a_frame_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = FrameReader::with_limit(256);
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.pop::<FromRouter>() {}
        }

        #[test]
        fn a_flipped_bit_never_reads_past_its_frame(sent in frames(), bit in any::<prop::sample::Index>()) {
            let mut bytes = bytes_of(std::slice::from_ref(&sent));
            let place = 32 + bit.index((bytes.len() - HEADER) * 8);
            bytes[place / 8] ^= 1 << (place % 8);
            bytes.extend(bytes_of(&[ToRouter::Shutdown]));
            let mut reader = FrameReader::default();
            reader.push(&bytes);
            if reader.pop::<ToRouter>().is_ok() {
                prop_assert_eq!(reader.pop::<ToRouter>(), Ok(Some(ToRouter::Shutdown)));
            }
        }
    }

    #[test]
    fn an_impossible_length_is_garbage_before_its_bytes_arrive() {
        for length in [0u32, 257] {
            let mut reader = FrameReader::with_limit(256);
            reader.push(&length.to_le_bytes());
            assert_eq!(reader.pop::<ToRouter>(), Err(FrameError::Length(length as usize)));
        }
    }

    #[test]
    fn bytes_after_the_value_are_garbage() {
        let mut reader = FrameReader::default();
        let mut body = postcard::to_allocvec(&FromRouter::Ready).expect("encodes");
        body.push(0);
        reader.push(&u32::try_from(body.len()).expect("short").to_le_bytes());
        reader.push(&body);
        assert!(matches!(reader.pop::<FromRouter>(), Err(FrameError::Garbage { .. })));
    }

    #[test]
    fn a_full_queue_refuses_whole_frames_and_keeps_the_earlier_ones() {
        let notification = FromRouter::Notify(Notification {
            object: NotifyObject::Instance("VI_1".into()),
            state: NotifyState::Master,
            priority: 100,
        });
        let mut writer = FrameWriter::with_limit(30);
        let mut accepted = 0;
        while writer.push(&notification).is_ok() {
            accepted += 1;
        }
        let mut bytes = Vec::new();
        writer.write_to(&mut bytes).expect("a vector takes everything");
        assert!(!writer.is_waiting());
        let mut reader = FrameReader::default();
        reader.push(&bytes);
        for _ in 0..accepted {
            assert_eq!(reader.pop(), Ok(Some(notification.clone())));
        }
        assert_eq!(reader.unread(), 0);
        assert!(accepted > 0);
    }

    #[test]
    fn a_frame_above_the_queue_limit_passes_while_nothing_waits() {
        let mut writer = FrameWriter::with_limit(1);
        assert_eq!(writer.push(&ToRouter::Shutdown), Ok(()));
        assert!(writer.push(&ToRouter::Shutdown).is_err());
    }
}
