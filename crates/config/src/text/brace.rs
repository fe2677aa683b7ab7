//! Step 7: `{` and `}` outside double quotes stand for themselves, wherever on a line they are.

/// A part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text from one offset to another, trimmed, never empty.
    Text(usize, usize),
    /// `{` at an offset.
    Open(usize),
    /// `}` at an offset.
    Close(usize),
}

/// Cuts a line at its braces and gives the parts from left to right.
///
/// DIFFERS: a `"` without a partner protects nothing here, and the braces of a `${NAME}` that nobody defined are no
/// blocks; keepalived loses or invents a block there.
pub(crate) fn split(text: &str, mut part: impl FnMut(Part)) {
    let bytes = text.as_bytes();
    let mut from = 0;
    let mut at = 0;
    let mut closes = true;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                if let Some(close) = closing_quote(bytes, at) {
                    at = close;
                }
            }
            b'\\' => at += 1,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                // Looked for once only: a line of nothing but `${` must not take the square of its length.
                let close = if closes { text[at..].find('}') } else { None };
                closes = close.is_some();
                at += close.unwrap_or(0);
            }
            brace @ (b'{' | b'}') => {
                trimmed(text, from, at, &mut part);
                part(if brace == b'{' { Part::Open(at) } else { Part::Close(at) });
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    trimmed(text, from, text.len(), &mut part);
}

/// Offset of the `"` that ends the quotation started at `open`.
fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn trimmed(text: &str, from: usize, to: usize, part: &mut impl FnMut(Part)) {
    let slice = &text[from..to];
    let start = from + (slice.len() - slice.trim_ascii_start().len());
    let end = from + slice.trim_ascii_end().len();
    if start < end {
        part(Part::Text(start, end));
    }
}
