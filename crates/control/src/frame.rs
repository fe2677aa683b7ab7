//! Frames: a length and as many bytes of JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest request in bytes: nobody has that much to ask.
pub const LONGEST_REQUEST: usize = 64 << 10;

/// Longest reply in bytes: the status of a hundred thousand real servers.
pub const LONGEST_REPLY: usize = 128 << 20;

/// Bytes of the length.
pub const LENGTH: usize = 4;

/// Why a frame cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream.
    #[error("{0}")]
    Stream(#[from] io::Error),
    /// The length.
    #[error("a message of {0} bytes is too long")]
    Length(usize),
    /// The contents.
    #[error("the message cannot be understood: {0}")]
    Contents(#[from] serde_json::Error),
}

/// A message with its length before it.
///
/// # Errors
/// When it is too long.
pub fn encode(message: &impl Serialize, longest: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; LENGTH];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - LENGTH;
    match u32::try_from(length) {
        Ok(short) if length <= longest => bytes[..LENGTH].copy_from_slice(&short.to_be_bytes()),
        _ => return Err(FrameError::Length(length)),
    }
    Ok(bytes)
}

/// How many bytes follow a length.
///
/// # Errors
/// When they are too many.
pub fn length(bytes: [u8; LENGTH], longest: usize) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(bytes) as usize;
    if length > longest { Err(FrameError::Length(length)) } else { Ok(length) }
}

/// Writes a message.
///
/// # Errors
/// When the stream breaks or the message is too long.
pub fn write(stream: &mut impl Write, message: &impl Serialize, longest: usize) -> Result<(), FrameError> {
    stream.write_all(&encode(message, longest)?)?;
    Ok(stream.flush()?)
}

/// Reads a message.
///
/// # Errors
/// When the stream breaks, or what it gives is no message.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read, longest: usize) -> Result<T, FrameError> {
    let mut head = [0; LENGTH];
    stream.read_exact(&mut head)?;
    let mut bytes = Vec::new();
    let wanted = length(head, longest)?;
    // Room is made for what comes, not for what is announced.
    if stream.take(wanted as u64).read_to_end(&mut bytes)? < wanted {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Question, Request, VERSION};

    #[test]
    fn what_was_written_is_read() {
        let request =
            Request { version: VERSION, question: Question::Events { about: Some("VI_1".into()), last: 5 } };
        let mut bytes = Vec::new();
        write(&mut bytes, &request, LONGEST_REQUEST).expect("it is short");
        assert_eq!(read::<Request>(&mut bytes.as_slice(), LONGEST_REQUEST).expect("it is whole"), request);
        let shown = String::from_utf8_lossy(&bytes[LENGTH..]).into_owned();
        assert_eq!(
            shown, r#"{"version":1,"question":{"events":{"about":"VI_1","last":5}}}"#,
            "a stable format"
        );
    }

    #[test]
    fn what_is_too_long_cut_or_nonsense_is_an_error() {
        let too_long = u32::MAX.to_be_bytes();
        assert!(matches!(read::<Request>(&mut too_long.as_slice(), 10), Err(FrameError::Length(_))));
        assert!(matches!(
            read::<Request>(&mut [0, 0, 0, 9, b'{'].as_slice(), 10),
            Err(FrameError::Stream(_))
        ));
        assert!(matches!(
            read::<Request>(&mut [0, 0, 0, 1, b'{'].as_slice(), 10),
            Err(FrameError::Contents(_))
        ));
        assert!(matches!(encode(&"long", 3), Err(FrameError::Length(6))));
    }
}
