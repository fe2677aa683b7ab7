//! Step 8: the two ways a statement is split into words.

use super::line::Line;
use crate::tree::Word;

/// What becomes of backslashes in a shell-like word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// They are processed: `\n`, `\x41`, `\101`, `\cC`, `\ ` and the like (`notify_*`, `regex`).
    Process,
    /// They stay for the program that is called (`script`, `misc_path`).
    Keep,
}

/// Splits at white space. A word that starts with `"` goes on to the next `"`; there are no escapes.
pub(crate) fn ordinary(line: &Line<'_>, from: usize, to: usize) -> Vec<Word> {
    let text = &line.text[..to];
    let bytes = text.as_bytes();
    let mut words = Vec::with_capacity(3);
    let mut at = from;
    loop {
        while at < to && bytes[at].is_ascii_whitespace() {
            at += 1;
        }
        if at >= to {
            return words;
        }
        if bytes[at] == b'"' {
            let close = text[at + 1..].find('"').map_or(to, |length| at + 1 + length);
            let end = (close + 1).min(to);
            words.push(Word { text: text[at + 1..close].to_owned(), span: line.span(at, end), quoted: true });
            at = end;
        } else {
            let start = at;
            while at < to && !bytes[at].is_ascii_whitespace() {
                at += 1;
            }
            words.push(Word { text: text[start..at].to_owned(), span: line.span(start, at), quoted: false });
        }
    }
}

/// Splits as a shell does: `"` and `'` anywhere in a word keep white space together and are removed.
pub(crate) fn shell_like(line: &Line<'_>, from: usize, to: usize, escapes: Escapes) -> Vec<Word> {
    let mut words = Vec::with_capacity(3);
    split_shell_like(&line.text[from..to], escapes, |start, end, text, quoted| {
        words.push(Word { text, span: line.span(from + start, from + end), quoted });
    });
    words
}

/// Splits a command line, the one word of `notify "/bin/tell 'two words'"`, into program and arguments.
#[must_use]
pub fn command_words(text: &str, escapes: Escapes) -> Vec<String> {
    let mut words = Vec::new();
    split_shell_like(text, escapes, |_, _, word, _| words.push(word));
    words
}

fn split_shell_like(text: &str, escapes: Escapes, mut word: impl FnMut(usize, usize, String, bool)) {
    let mut rest = text.char_indices().peekable();
    loop {
        while rest.next_if(|(_, c)| c.is_ascii_whitespace()).is_some() {}
        let Some(&(start, _)) = rest.peek() else { return };
        let mut buffer = String::new();
        let mut quoted = false;
        let mut quote = None;
        let mut end = text.len();
        while let Some(&(at, c)) = rest.peek() {
            if quote.is_none() && c.is_ascii_whitespace() {
                end = at;
                break;
            }
            rest.next();
            match c {
                '"' | '\'' if quote.is_none() => {
                    quote = Some(c);
                    quoted = true;
                }
                _ if quote == Some(c) => quote = None,
                '\\' => {
                    let consumed = escape(&text[at + 1..], escapes, &mut buffer);
                    while rest.next_if(|(next, _)| *next < at + 1 + consumed).is_some() {}
                }
                _ => buffer.push(c),
            }
        }
        word(start, end, buffer, quoted);
    }
}

/// One escape sequence: `after` is the text behind the backslash. Gives how many bytes of it belong to the sequence.
fn escape(after: &str, escapes: Escapes, out: &mut String) -> usize {
    let Some(first) = after.chars().next() else {
        out.push('\\');
        return 0;
    };
    if escapes == Escapes::Keep {
        out.push('\\');
        out.push(first);
        return first.len_utf8();
    }
    let simple = match first {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'E' => '\u{1b}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => return numeric(&after[1..], 16, 2, out).map_or(0, |length| length + 1).max(1),
        '0'..='7' => return numeric(after, 8, 3, out).unwrap_or(1),
        'c' => {
            // `\cC` is control-C: the letter without its upper bits.
            let Some(letter) = after[1..].chars().next().filter(char::is_ascii) else { return 1 };
            out.push(char::from(letter as u8 & 0x1f));
            return 2;
        }
        other => other,
    };
    out.push(simple);
    first.len_utf8()
}

/// A character by its number. Gives the digits used; `None`, with nothing written, if there is none.
fn numeric(digits: &str, radix: u32, most: usize, out: &mut String) -> Option<usize> {
    let length = digits.chars().take(most).take_while(|digit| digit.is_digit(radix)).count();
    let number = u32::from_str_radix(&digits[..length], radix).ok()?;
    // A number over 255 is cut as a byte; 0 would end the word for every program and is left out.
    if let Some(byte) = u8::try_from(number & 0xff).ok().filter(|byte| *byte != 0) {
        out.push(char::from(byte));
    }
    Some(length)
}
