//! The body of an HTTP/1 answer, taken out of its framing as it comes, without being kept.

use super::head::Framing;

/// Longest line of chunk size or trailer.
const LONGEST_LINE: u32 = 4096;

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    state: State,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of the only part.
    Length(u64),
    /// Anything until the server closes.
    UntilClose,
    /// A chunk's size in hexadecimal digits (RFC 9112 section 7.1).
    Size { size: u64, digits: u32 },
    /// The rest of the line with the size: extensions, which nobody uses.
    Extension { size: u64, length: u32 },
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Fields behind the last chunk, up to an empty line.
    Trailer { length: u32, line: u32 },
    /// Nothing.
    Done,
}

/// Broken framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No hexadecimal number, or one of more than 64 bits.
    #[error("the answer has a bad chunk size")]
    Size,
    /// Something else than a line end behind a chunk.
    #[error("a chunk of the answer does not end where it should")]
    ChunkEnd,
    /// A line of framing that does not end.
    #[error("a line between the chunks of the answer is too long")]
    TooLong,
}

impl Body {
    /// The body behind a head with this framing.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Whether nothing more can come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what has come. Gives what is content to `content`, and returns how many bytes belong to the body.
    ///
    /// # Errors
    /// The framing is broken.
    pub fn take(&mut self, bytes: &[u8], mut content: impl FnMut(&[u8])) -> Result<usize, Broken> {
        let mut rest = bytes;
        while let (Some(&byte), false) = (rest.first(), self.is_done()) {
            let used = match self.state {
                State::Length(left) | State::Chunk(left) => {
                    let used = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    content(&rest[..used]);
                    self.state = self.after_content(left - used as u64);
                    used
                }
                State::UntilClose => {
                    content(rest);
                    rest.len()
                }
                State::Size { .. }
                | State::Extension { .. }
                | State::ChunkEnd
                | State::Trailer { .. }
                | State::Done => {
                    self.state = self.after_framing(byte)?;
                    1
                }
            };
            rest = &rest[used..];
        }
        Ok(bytes.len() - rest.len())
    }

    fn after_content(&self, left: u64) -> State {
        match (self.state, left) {
            (State::Chunk(_), 0) => State::ChunkEnd,
            (State::Chunk(_), _) => State::Chunk(left),
            (_, 0) => State::Done,
            (_, _) => State::Length(left),
        }
    }

    fn after_framing(&self, byte: u8) -> Result<State, Broken> {
        let state = match (self.state, byte) {
            (State::Size { digits: 0, .. }, b'\r' | b'\n' | b';' | b' ' | b'\t') => return Err(Broken::Size),
            (State::Size { size, .. } | State::Extension { size, .. }, b'\n') => match size {
                0 => State::Trailer { length: 0, line: 0 },
                _ => State::Chunk(size),
            },
            (State::Size { size, .. }, b'\r' | b';' | b' ' | b'\t') => State::Extension { size, length: 0 },
            (State::Size { size, digits }, _) => {
                let digit = (byte as char).to_digit(16).ok_or(Broken::Size)?;
                if digits == LONGEST_LINE || size >> 60 != 0 {
                    return Err(Broken::Size);
                }
                State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (
                State::Extension { length: LONGEST_LINE, .. } | State::Trailer { length: LONGEST_LINE, .. },
                _,
            ) => {
                return Err(Broken::TooLong);
            }
            (State::Extension { size, length }, _) => State::Extension { size, length: length + 1 },
            (State::ChunkEnd, b'\r') => State::ChunkEnd,
            (State::ChunkEnd, b'\n') => State::Size { size: 0, digits: 0 },
            (State::ChunkEnd, _) => return Err(Broken::ChunkEnd),
            (State::Trailer { line: 0, .. }, b'\n') => State::Done,
            (State::Trailer { length, .. }, b'\n') => State::Trailer { length: length + 1, line: 0 },
            (State::Trailer { length, line }, b'\r') => State::Trailer { length: length + 1, line },
            (State::Trailer { length, line }, _) => State::Trailer { length: length + 1, line: line + 1 },
            (State::Length(_) | State::Chunk(_) | State::UntilClose | State::Done, _) => self.state,
        };
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content and the number of bytes that belong to the body, cut into parts of `size` bytes.
    fn read(framing: Framing, bytes: &[u8], size: usize) -> Result<(Vec<u8>, usize, bool), Broken> {
        let (mut body, mut content, mut used) = (Body::new(framing), Vec::new(), 0);
        for part in bytes.chunks(size) {
            used += body.take(part, |bytes| content.extend_from_slice(bytes))?;
        }
        Ok((content, used, body.is_done()))
    }

    #[test]
    fn chunks_are_put_together_however_they_were_cut() {
        let bytes = b"5\r\nhello\r\n00b;name=value\r\n, you there\r\n0\r\nX: y\r\n\r\nrest";
        for size in 1..bytes.len() {
            let (content, used, done) = read(Framing::Chunked, bytes, size).expect("well framed");
            assert_eq!(content, b"hello, you there");
            assert_eq!((used, done), (bytes.len() - 4, true), "cut into {size}");
        }
    }

    #[test]
    fn a_length_counts_and_the_rest_is_not_of_the_body() {
        assert_eq!(read(Framing::Length(5), b"hello, you", 3), Ok((b"hello".to_vec(), 5, true)));
        assert_eq!(read(Framing::Length(50), b"hello", 3), Ok((b"hello".to_vec(), 5, false)));
        assert_eq!(read(Framing::None, b"hello", 3), Ok((vec![], 0, true)));
        assert_eq!(read(Framing::UntilClose, b"hello", 3), Ok((b"hello".to_vec(), 5, false)));
    }

    #[test]
    fn broken_chunks_are_told_apart() {
        assert_eq!(read(Framing::Chunked, b"ffffffffffffffffff\r\n", 4), Err(Broken::Size));
        assert_eq!(read(Framing::Chunked, b"\r\n", 4), Err(Broken::Size));
        assert_eq!(read(Framing::Chunked, b"-5\r\nhello\r\n", 4), Err(Broken::Size));
        assert_eq!(read(Framing::Chunked, b"5\r\nhello, you", 4), Err(Broken::ChunkEnd));
        let endless = [b"5;".to_vec(), vec![b'x'; 10_000]].concat();
        assert_eq!(read(Framing::Chunked, &endless, 100), Err(Broken::TooLong));
        let zeros = vec![b'0'; 10_000];
        assert_eq!(read(Framing::Chunked, &zeros, 100), Err(Broken::Size));
        let trailer = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(10_000)].concat();
        assert_eq!(read(Framing::Chunked, &trailer, 100), Err(Broken::TooLong));
    }

    #[test]
    fn the_greatest_chunk_is_no_overflow() {
        let (content, _, done) = read(Framing::Chunked, b"ffffffffffffffff\r\nhello", 4).expect("a number");
        assert_eq!((content.as_slice(), done), (b"hello".as_slice(), false));
    }
}
