//! The head of an HTTP/1 answer: status line and fields (RFC 9112 sections 4 to 6).
//!
//! A check wants to know the status and where the body ends, so nothing else is read. The parser is forgiving where it
//! does not matter (bare line feeds, any 1.x version, unknown fields) and strict where it does: two different lengths
//! are no length.

/// Longest head of an answer. (keepalived takes 4 KiB.)
pub const LONGEST: usize = 64 * 1024;

/// What an answer says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Status code: three digits.
    pub status: u16,
    /// How the end of the body is to be recognised.
    pub framing: Framing,
}

/// How the end of a body is recognised (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body, whatever the fields say.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, the last of which is empty.
    Chunked,
    /// Everything until the server closes.
    UntilClose,
}

/// Not an answer of HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// Something else than `HTTP/` and a version.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// No three digits in the status line.
    #[error("the answer has no status code")]
    NoStatus,
    /// `Content-Length` is no number, or two different ones.
    #[error("the answer has a bad Content-Length")]
    BadLength,
    /// Longer than [`LONGEST`].
    #[error("the head of the answer is longer than 64 KiB")]
    TooLong,
}

/// Where the head ends, if it does: the number of its bytes with the empty line. `scanned` bytes were looked at before.
#[must_use]
pub fn end(bytes: &[u8], scanned: usize) -> Option<usize> {
    let mut from = scanned.saturating_sub(3);
    while let Some(found) = bytes.get(from..)?.iter().position(|&byte| byte == b'\n') {
        let next = from + found + 1;
        match bytes.get(next..) {
            Some([b'\n', ..]) => return Some(next + 1),
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            Some(_) | None => from = next,
        }
    }
    None
}

/// Whether these bytes can be the beginning of an answer at all.
///
/// # Errors
/// They cannot.
pub fn check_beginning(bytes: &[u8]) -> Result<(), Nonsense> {
    let known = bytes.len().min(PREFIX.len());
    if bytes[..known].eq_ignore_ascii_case(&PREFIX[..known]) { Ok(()) } else { Err(Nonsense::NotHttp) }
}

const PREFIX: &[u8] = b"HTTP/";

impl Head {
    /// Reads a whole head, as [`end`] cuts it off.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Nonsense> {
        check_beginning(bytes)?;
        let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let status = status(lines.next().unwrap_or_default())?;
        let (mut length, mut chunked) = (None, false);
        for (name, value) in lines.filter_map(field) {
            if name.eq_ignore_ascii_case(b"content-length") {
                let this = number(value)?;
                if length.is_some_and(|length| length != this) {
                    return Err(Nonsense::BadLength);
                }
                length = Some(this);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
                chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            }
        }
        let framing = match (status, length) {
            (100..=199 | 204 | 304, _) => Framing::None,
            _ if chunked => Framing::Chunked,
            (_, Some(length)) => Framing::Length(length),
            (_, None) => Framing::UntilClose,
        };
        Ok(Self { status, framing })
    }
}

/// `HTTP/1.1 200 OK`; the words behind the code are anything.
fn status(line: &[u8]) -> Result<u16, Nonsense> {
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let version = words.next().and_then(|word| word.get(PREFIX.len()..)).unwrap_or_default();
    if !version.first().is_some_and(u8::is_ascii_digit) {
        return Err(Nonsense::NotHttp);
    }
    match words.next() {
        Some(&[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => {
            Ok(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        Some(_) | None => Err(Nonsense::NoStatus),
    }
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
}

/// A length, perhaps said several times over (`5, 5`), as proxies make it of two equal fields.
fn number(value: &[u8]) -> Result<u64, Nonsense> {
    let mut found = None;
    for part in value.split(|&byte| byte == b',') {
        let digits = part.trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Nonsense::BadLength);
        }
        let this = digits
            .iter()
            .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
            .ok_or(Nonsense::BadLength)?;
        if found.is_some_and(|found| found != this) {
            return Err(Nonsense::BadLength);
        }
        found = Some(this);
    }
    found.ok_or(Nonsense::BadLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Head, Nonsense> {
        Head::parse(text.as_bytes())
    }

    fn framing(text: &str) -> Framing {
        parse(text).expect("an answer").framing
    }

    #[test]
    fn status_and_framing_are_read() {
        let head = parse("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 12\r\n\r\n").expect("an answer");
        assert_eq!(head, Head { status: 200, framing: Framing::Length(12) });
        assert_eq!(parse("HTTP/1.0 503\r\n\r\n").expect("no reason needed").status, 503);
        assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n"), Framing::UntilClose);
        assert_eq!(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), Framing::Chunked);
        assert_eq!(framing("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n"), Framing::None);
    }

    #[test]
    fn chunks_win_over_a_length() {
        // RFC 9112 section 6.3: a message with both is chunked.
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(framing(both), Framing::Chunked);
    }

    #[test]
    fn equal_lengths_are_one_and_different_ones_are_nonsense() {
        assert_eq!(
            framing("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\n"),
            Framing::Length(5)
        );
        for bad in ["5, 6", "five", "-1", "", "99999999999999999999999"] {
            assert_eq!(
                parse(&format!("HTTP/1.1 200 OK\r\nContent-Length: {bad}\r\n\r\n")),
                Err(Nonsense::BadLength)
            );
        }
    }

    #[test]
    fn what_is_not_http_is_recognised_at_its_first_byte() {
        assert_eq!(check_beginning(b"S"), Err(Nonsense::NotHttp));
        assert_eq!(check_beginning(b"<html>"), Err(Nonsense::NotHttp));
        assert_eq!(check_beginning(b"HT"), Ok(()));
        assert_eq!(check_beginning(b""), Ok(()));
        assert_eq!(parse("HTTP/1.1 2xx OK\r\n\r\n"), Err(Nonsense::NoStatus));
        assert_eq!(parse("HTTP/1.1 2000 OK\r\n\r\n"), Err(Nonsense::NoStatus));
        assert_eq!(parse("HTTP/1.1\r\n\r\n"), Err(Nonsense::NoStatus));
        assert_eq!(parse("HTTP/ 200\r\n\r\n"), Err(Nonsense::NotHttp));
    }

    #[test]
    fn the_end_is_found_wherever_the_bytes_were_cut() {
        let bytes = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody";
        let whole = bytes.len() - 4;
        for scanned in 0..bytes.len() {
            let expected = if scanned < whole { Some(whole) } else { end(bytes, scanned) };
            assert_eq!(end(bytes, scanned), expected, "after {scanned} bytes");
        }
        for length in 0..whole {
            assert_eq!(end(&bytes[..length], 0), None, "of {length} bytes");
        }
        assert_eq!(end(b"HTTP/1.0 200 OK\nA: b\n\nbody", 0), Some(22));
    }
}
