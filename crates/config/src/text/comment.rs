//! Step 1: comments. `#` and `!` start one anywhere on a line; only double quotes and a backslash protect.

use super::line::{Composer, Line};

/// A line without its comment.
pub(crate) struct Stripped<'text> {
    /// What is left, trimmed.
    pub line: Line<'text>,
    /// Offset in the old line of a `"` that has no partner.
    pub unbalanced_quote: Option<usize>,
}

/// Takes the comment off, and the backslash of `\#` and `\!`.
///
/// `only_replaced`: look for the start of a comment only in text that came out of a parameter. The rest was looked at
/// before, and a `\#` in it is a plain `#` by now.
pub(crate) fn strip(line: Line<'_>, only_replaced: bool) -> Stripped<'_> {
    if !line.text.bytes().any(|byte| matches!(byte, b'#' | b'!' | b'"' | b'\\')) {
        return Stripped { line: line.trimmed(), unbalanced_quote: None };
    }
    let bytes = line.text.as_bytes();
    let mut quote = None;
    let mut escapes = Vec::new();
    let mut end = bytes.len();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => quote = if quote.is_none() { Some(at) } else { None },
            b'#' | b'!' if quote.is_none() && (!only_replaced || line.is_replaced(at)) => {
                end = at;
                break;
            }
            b'\\' => {
                if quote.is_none() && !only_replaced && matches!(bytes.get(at + 1), Some(b'#' | b'!')) {
                    escapes.push(at);
                }
                // What follows a backslash is never a quote or a comment of ours.
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    let stripped = if escapes.is_empty() {
        if end == line.text.len() { line } else { line.part(0, end) }
    } else {
        let mut composer = Composer::new(&line);
        let mut from = 0;
        for escape in escapes {
            composer.copy(&line, from, escape);
            from = escape + 1;
        }
        composer.copy(&line, from, end);
        composer.finish(&line)
    };
    Stripped { line: stripped.trimmed(), unbalanced_quote: quote }
}
