//! Any bytes at all as an answer of HTTP/1: nothing panics, and how the bytes were cut on their way changes nothing.
//!
//! The first byte of the input says how long the pieces are; the rest is the answer.

#![no_main]

#[path = "../../crates/system/src/probe/http/body.rs"]
mod body;
#[path = "../../crates/system/src/probe/http/head.rs"]
mod head;

use body::{Body, Broken};
use head::{Framing, Head, Nonsense};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&size, answer)) = input.split_first() else { return };
    let whole = read(answer, answer.len().max(1));
    let pieces = read(answer, usize::from(size).max(1));
    assert_eq!(whole, pieces);
});

/// What an answer says, read in pieces of that size.
fn read(answer: &[u8], size: usize) -> Result<Option<(Head, Result<Content, Broken>)>, Nonsense> {
    let (mut known, mut scanned) = (0, 0);
    let used = loop {
        if let Some(used) = head::end(&answer[..known], scanned) {
            break used;
        }
        scanned = known;
        if known == answer.len() {
            // What cannot become an answer was to be recognised by now; a beginning of one was not.
            let _ = head::check_beginning(answer);
            return Ok(None);
        }
        known = (known + size).min(answer.len());
    };
    let head = Head::parse(&answer[..used])?;
    assert!((100..=999).contains(&head.status) && used <= answer.len());
    Ok(Some((head, content(head.framing, &answer[used..], size))))
}

/// Content, how many bytes of the answer it took, and whether it was complete.
type Content = (Vec<u8>, usize, bool);

fn content(framing: Framing, bytes: &[u8], size: usize) -> Result<Content, Broken> {
    let (mut body, mut content, mut used) = (Body::new(framing), Vec::new(), 0);
    for piece in bytes.chunks(size) {
        used += body.take(piece, |bytes| content.extend_from_slice(bytes))?;
    }
    assert!(used <= bytes.len() && content.len() <= used);
    if let Framing::Length(length) = framing {
        assert_eq!(content.len() as u64, length.min(bytes.len() as u64));
    }
    Ok((content, used, body.is_done()))
}
