//! `auth_hmac`: signed adverts.

use std::num::NonZeroU8;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::secret::Secret;
use mainstay_core::vrrp::signature::{AntiReplay, Mode, NumberedKey, SignaturePlan};

use super::Lowering;
use super::report::Report;
use super::values::{number, required};
use crate::Host;
use crate::tree::{Span, Statement, Word};

/// Shortest and longest key in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 32..=64;

/// As much of a key file as is read: the longest key in hexadecimal, and a line end.
const LONGEST_FILE: u64 = 256;

/// The window that is used without `time_window` is three adverts long, in these limits.
const SHORTEST_USUAL_WINDOW: Duration = Duration::from_secs(5);
const LONGEST_WINDOW: Duration = Duration::from_secs(300);

/// What an instance says about signatures.
#[derive(Debug)]
pub(crate) struct Said {
    keys: Vec<NumberedKey>,
    active: NonZeroU8,
    window: Option<Duration>,
    anti_replay: AntiReplay,
    mode: Mode,
    /// Where the block is.
    pub(crate) span: Span,
}

/// Takes in the block; `None` if nothing can be signed with it.
pub(crate) fn block(lowering: &mut Lowering<'_>, block: &Statement) -> Option<Said> {
    let (host, report) = (lowering.host, &mut lowering.report);
    let (mut keys, mut active, mut window) = (Vec::<NumberedKey>::new(), None, None);
    let (mut anti_replay, mut mode) = (AntiReplay::default(), Mode::default());
    for statement in block.children() {
        match statement.keyword() {
            "key" => {
                let Some(key) = key(host, report, statement) else { continue };
                if keys.iter().any(|known| known.id == key.id) {
                    report
                        .complain("duplicate-key", statement.span(), format!("there are two keys {}", key.id))
                        .because("the first one is used");
                    continue;
                }
                keys.push(key);
            }
            "active_key" => {
                if let Some(word) = required(report, statement, "a number") {
                    let id = number::<u8>(report, word, 1..=255).and_then(NonZeroU8::new);
                    active = id.map(|id| (id, word.span));
                }
            }
            "time_window" => {
                if let Some(word) = required(report, statement, "seconds") {
                    window = number::<u16>(report, word, 1..=300).map(|s| Duration::from_secs(s.into()));
                }
            }
            "anti_replay" => {
                let words = [("time", AntiReplay::Time), ("monotonic", AntiReplay::Monotonic)];
                anti_replay = one_of(report, statement, &words).unwrap_or(anti_replay);
            }
            "mode" => {
                let words = [
                    ("enforce", Mode::Enforce),
                    ("permissive", Mode::Permissive),
                    ("receive-only", Mode::ReceiveOnly),
                ];
                mode = one_of(report, statement, &words).unwrap_or(mode);
            }
            _ => {}
        }
    }
    let span = block.span();
    let active = match active {
        Some((id, _)) if keys.iter().any(|key| key.id == id) => Some(id),
        Some((id, span)) => {
            report
                .complain("unknown-key", span, format!("there is no key {id}"))
                .because("adverts are neither signed nor verified, as in keepalived");
            None
        }
        None => {
            report
                .complain("missing-value", span, "`auth_hmac` has no `active_key`")
                .because("adverts are neither signed nor verified, as in keepalived");
            None
        }
    };
    Some(Said { keys, active: active?, window, anti_replay, mode, span })
}

impl Said {
    /// What is used with this advert interval, in strict mode or not.
    pub(crate) fn finish(self, report: &mut Report, interval: Duration, strict: bool) -> Arc<SignaturePlan> {
        let Self { keys, active, window, anti_replay, mut mode, span } = self;
        if strict && mode != Mode::Enforce {
            report
                .complain("strict-signatures", span, "strict mode wants `mode enforce` in `auth_hmac`")
                .because("it is used");
            mode = Mode::Enforce;
        }
        let usual = (interval * 3).clamp(SHORTEST_USUAL_WINDOW, LONGEST_WINDOW);
        Arc::new(SignaturePlan { keys, active, window: window.unwrap_or(usual), anti_replay, mode })
    }
}

/// `key ID TEXT|hex:DIGITS|file:PATH`. The key itself is never part of a message.
fn key(host: &dyn Host, report: &mut Report, statement: &Statement) -> Option<NumberedKey> {
    let id = required(report, statement, "a number and the key")?;
    let id = NonZeroU8::new(number::<u8>(report, id, 1..=255)?)?;
    let Some(word) = statement.arguments().get(1) else {
        report.abort("missing-parameter", statement.span(), "`key` is missing the key");
        return None;
    };
    let refuse = |report: &mut Report, why: String| {
        report
            .complain("bad-key", word.span, why)
            .because("expected 32 to 64 bytes, as text, as hex: or in a file:; the key is left out");
    };
    let bytes = match bytes(host, word) {
        Ok(bytes) => bytes,
        Err(why) => {
            refuse(report, why);
            return None;
        }
    };
    if !KEY_BYTES.contains(&bytes.bytes().len()) {
        refuse(report, format!("key {id} has {} bytes", bytes.bytes().len()));
        return None;
    }
    Some(NumberedKey { id, secret: bytes })
}

/// The bytes of a key as it is written. A file holds what could stand here, in one line.
fn bytes(host: &dyn Host, word: &Word) -> Result<Secret, String> {
    let Some(path) = word.text.strip_prefix("file:") else { return text(word.text.as_bytes()) };
    let Some(content) = host.read(Path::new(path), LONGEST_FILE) else {
        return Err(format!("`{path}` cannot be read"));
    };
    let content = Secret::from(content);
    text(content.bytes().trim_ascii_end())
}

fn text(written: &[u8]) -> Result<Secret, String> {
    let Some(digits) = written.strip_prefix(b"hex:") else { return Ok(written.to_vec().into()) };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    bytes.map(Secret::from).ok_or_else(|| "the key is no even number of hexadecimal digits".to_owned())
}

fn one_of<T: Copy>(report: &mut Report, statement: &Statement, words: &[(&str, T)]) -> Option<T> {
    let word = required(report, statement, "its value")?;
    let found = words.iter().find(|(text, _)| *text == word.text);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(text, _)| *text).collect();
        report
            .complain("bad-value", word.span, format!("`{word}` is not understood"))
            .because(format!("expected {}", known.join(", ")));
    }
    found.map(|(_, value)| *value)
}
