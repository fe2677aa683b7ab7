//! Numbers, durations, booleans and addresses, as keepalived reads them.
//!
//! Every function says what is wrong itself and returns `None`; the caller then keeps its default, as keepalived does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use mainstay_core::address::{Family, Prefix};

use super::report::Report;
use crate::tree::{Statement, Word};

/// Longest interface name: `IFNAMSIZ` without its terminator.
pub(crate) const LONGEST_LINK_NAME: usize = 15;

/// keepalived's timers are microseconds in 32 bits.
pub(crate) const LONGEST_TIMER: Duration = Duration::from_micros(u32::MAX as u64);

/// The word a keyword cannot do without. keepalived exits at once when it is missing.
pub(crate) fn required<'s>(report: &mut Report, statement: &'s Statement, what: &str) -> Option<&'s Word> {
    let word = statement.arguments().first();
    if word.is_none() {
        report
            .abort(
                "missing-parameter",
                statement.span(),
                format!("`{}` is missing {what}", statement.keyword()),
            )
            .because("keepalived stops here and does not start");
    }
    word
}

/// The word after an option word, as in `dev eth0`. keepalived exits at once when it is missing.
pub(crate) fn following<'w>(
    report: &mut Report,
    option: &Word,
    words: &mut std::slice::Iter<'w, Word>,
    what: &str,
) -> Option<&'w Word> {
    let word = words.next();
    if word.is_none() {
        report
            .abort("missing-parameter", option.span, format!("`{option}` is missing {what}"))
            .because("keepalived stops here and does not start");
    }
    word
}

/// A whole number in a range.
///
/// keepalived started by hand takes `5x` for 5 with a warning; so do we, and `check` complains as `keepalived -t` does.
pub(crate) fn integer(report: &mut Report, word: &Word, range: RangeInclusive<i64>) -> Option<i64> {
    let (digits, rest) = split_number(&word.text, false);
    let Ok(value) = digits.parse::<i128>() else {
        expected_number(report, word, &range_text(range.start(), range.end()));
        return None;
    };
    if value < i128::from(*range.start()) || value > i128::from(*range.end()) {
        report
            .complain("number-out-of-range", word.span, format!("`{word}` is out of range"))
            .because(format!("expected {}; the default is kept", range_text(range.start(), range.end())));
        return None;
    }
    trailing(report, word, digits, rest);
    i64::try_from(value).ok()
}

/// A whole number that fits the type wanted; `range` says what else must hold.
pub(crate) fn number<T: TryFrom<i64>>(
    report: &mut Report,
    word: &Word,
    range: RangeInclusive<i64>,
) -> Option<T> {
    integer(report, word, range).and_then(|value| T::try_from(value).ok())
}

/// A number that may be hexadecimal (`0x10`), as in `tos`, `table` and `fwmark`.
pub(crate) fn any_base(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok(),
        None if lower.len() > 1 && lower.starts_with('0') => u64::from_str_radix(&lower, 8).ok(),
        None => lower.parse().ok(),
    }
}

/// Decimal seconds, `1.5`, in a range; finer than a microsecond is rounded.
pub(crate) fn seconds(report: &mut Report, word: &Word, range: RangeInclusive<Duration>) -> Option<Duration> {
    let expected = || format!("{} to {} seconds", range.start().as_secs_f64(), range.end().as_secs_f64());
    let (digits, rest) = split_number(&word.text, true);
    let Some(duration) = parse_seconds(digits) else {
        if digits.starts_with('-') && digits.len() > 1 {
            report
                .complain("number-out-of-range", word.span, format!("`{word}` is negative"))
                .because(format!("expected {}; the default is kept", expected()));
        } else {
            expected_number(report, word, &expected());
        }
        return None;
    };
    if !range.contains(&duration) {
        report
            .complain("number-out-of-range", word.span, format!("`{word}` is out of range"))
            .because(format!("expected {}; the default is kept", expected()));
        return None;
    }
    trailing(report, word, digits, rest);
    Some(duration)
}

/// Decimal milliseconds, `3.312`, in a range; finer than a microsecond is rounded.
pub(crate) fn milliseconds(
    report: &mut Report,
    word: &Word,
    range: RangeInclusive<Duration>,
) -> Option<Duration> {
    let expected = || {
        let milliseconds = |duration: &Duration| duration.as_secs_f64() * 1_000.0;
        format!("{} to {} milliseconds", milliseconds(range.start()), milliseconds(range.end()))
    };
    let (digits, rest) = split_number(&word.text, true);
    let Some(seconds) = parse_seconds(digits) else {
        expected_number(report, word, &expected());
        return None;
    };
    let micros = u64::try_from((seconds.as_micros() + 500) / 1_000).unwrap_or(u64::MAX);
    let duration = Duration::from_micros(micros);
    if !range.contains(&duration) {
        report
            .complain("number-out-of-range", word.span, format!("`{word}` is out of range"))
            .because(format!("expected {}; the default is kept", expected()));
        return None;
    }
    trailing(report, word, digits, rest);
    Some(duration)
}

/// Whole seconds.
pub(crate) fn whole_seconds(
    report: &mut Report,
    word: &Word,
    range: RangeInclusive<i64>,
) -> Option<Duration> {
    number::<u64>(report, word, range).map(Duration::from_secs)
}

/// `on|off|true|false|yes|no`; alone the keyword means `true`.
pub(crate) fn switch(report: &mut Report, statement: &Statement) -> Option<bool> {
    match statement.arguments().first() {
        None => Some(true),
        Some(word) => match boolean(&word.text) {
            Some(value) => Some(value),
            None => {
                report
                    .complain("bad-boolean", word.span, format!("`{word}` is neither on nor off"))
                    .because("expected on, off, true, false, yes or no, in small letters");
                None
            }
        },
    }
}

/// keepalived's words for true and false.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// An address alone.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    }
}

/// An address with an optional prefix length; a bad length becomes the longest, as in keepalived.
pub(crate) fn prefix(report: &mut Report, word: &Word) -> Option<Prefix> {
    let (host, length) = match word.text.split_once('/') {
        Some((host, length)) => (host, Some(length)),
        None => (word.text.as_str(), None),
    };
    let Some(address) = address(host) else {
        bad_address(report, word);
        return None;
    };
    let bits = Family::of(address).bits();
    let length = match length {
        // keepalived accepts `10.0.0.1/` without a word.
        None | Some("") => bits,
        Some(text) => match text.parse::<u8>() {
            Ok(length) if length <= bits => length,
            _ => {
                report
                    .complain("bad-prefix-length", word.span, format!("prefix length `{text}` is not valid"))
                    .because(format!("expected 0 to {bits}; /{bits} is used"));
                bits
            }
        },
    };
    Some(Prefix { address, length })
}

/// Says that a word is no address, with what is usually meant.
pub(crate) fn bad_address(report: &mut Report, word: &Word) {
    report
        .complain("bad-address", word.span, format!("`{word}` is not an IP address"))
        .because("expected an IPv4 or IPv6 address, as in 192.0.2.1/24 or 2001:db8::1/64; it is left out");
}

/// An interface name that the kernel could have.
pub(crate) fn link_name(report: &mut Report, word: &Word) -> Option<String> {
    if word.text.len() > LONGEST_LINK_NAME {
        report
            .complain(
                "interface-name-too-long",
                word.span,
                format!("`{word}` is too long for an interface name"),
            )
            .because(format!("the kernel allows {LONGEST_LINK_NAME} characters; it is ignored"));
        return None;
    }
    Some(word.text.clone())
}

/// Whether an address is an IPv4 or IPv6 multicast address.
pub(crate) const fn is_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}

fn expected_number(report: &mut Report, word: &Word, expected: &str) {
    report
        .complain("bad-number", word.span, format!("`{word}` is not a number"))
        .because(format!("expected {expected}; the default is kept"));
}

fn trailing(report: &mut Report, word: &Word, digits: &str, rest: &str) {
    if !rest.is_empty() {
        report
            .complain("number-with-a-tail", word.span, format!("`{word}` is not a plain number"))
            .because(format!("`{digits}` is used and `{rest}` is ignored"))
            .suggest(digits);
    }
}

fn range_text(start: &i64, end: &i64) -> String {
    if *end >= i64::from(u32::MAX) { format!("{start} or more") } else { format!("{start} to {end}") }
}

/// Splits `12x` into `12` and `x`.
fn split_number(text: &str, decimal: bool) -> (&str, &str) {
    let sign = usize::from(text.starts_with(['-', '+']));
    let mut dot = !decimal;
    let end = text[sign..]
        .find(|character: char| match character {
            '0'..='9' => false,
            '.' if !dot => {
                dot = true;
                false
            }
            _ => true,
        })
        .map_or(text.len(), |position| position + sign);
    text.split_at(end)
}

fn parse_seconds(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut micros = 0_u64;
    for position in 0..7 {
        let digit = fraction.as_bytes().get(position).map_or(0, |byte| u64::from(byte - b'0'));
        if position < 6 {
            micros = micros * 10 + digit;
        } else if digit >= 5 {
            micros += 1;
        }
    }
    Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Class;
    use crate::tree::Span;

    fn word(text: &str) -> Word {
        Word { text: text.into(), span: Span { file: 0, line: 1, column: 1, length: 1 }, quoted: false }
    }

    fn said(report: Report) -> Vec<&'static str> {
        report.into_diagnostics().iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn a_number_with_a_tail_is_taken_with_a_complaint() {
        let mut report = Report::default();
        assert_eq!(integer(&mut report, &word("5x"), 1..=255), Some(5));
        let diagnostics = report.into_diagnostics();
        assert_eq!(diagnostics[0].class, Class::Complaint);
        assert_eq!(diagnostics[0].suggestion.as_deref(), Some("5"));
    }

    #[test]
    fn a_number_out_of_range_leaves_the_default() {
        let mut report = Report::default();
        assert_eq!(integer(&mut report, &word("300"), 1..=255), None);
        assert_eq!(integer(&mut report, &word("99999999999999999999"), 0..=255), None);
        assert_eq!(integer(&mut report, &word("-1"), 0..=255), None);
        assert_eq!(said(report), ["number-out-of-range"; 3]);
    }

    #[test]
    fn a_word_is_no_number() {
        let mut report = Report::default();
        assert_eq!(integer(&mut report, &word("abc"), 1..=255), None);
        assert_eq!(integer(&mut report, &word(""), 1..=255), None);
        assert_eq!(seconds(&mut report, &word("."), Duration::ZERO..=LONGEST_TIMER), None);
        assert_eq!(said(report), ["bad-number"; 3]);
    }

    #[test]
    fn seconds_have_a_resolution_of_a_microsecond() {
        let mut report = Report::default();
        let range = Duration::ZERO..=LONGEST_TIMER;
        assert_eq!(seconds(&mut report, &word("1.5"), range.clone()), Some(Duration::from_millis(1500)));
        assert_eq!(seconds(&mut report, &word(".25"), range.clone()), Some(Duration::from_millis(250)));
        assert_eq!(seconds(&mut report, &word("0.0000015"), range.clone()), Some(Duration::from_micros(2)));
        assert_eq!(said(report), [""; 0]);
        let mut report = Report::default();
        assert_eq!(seconds(&mut report, &word("-1"), range.clone()), None);
        assert_eq!(seconds(&mut report, &word("4295"), range), None);
        assert_eq!(said(report), ["number-out-of-range"; 2]);
    }

    #[test]
    fn an_address_without_a_length_is_a_host() {
        let mut report = Report::default();
        assert_eq!(prefix(&mut report, &word("10.0.0.1")).map(|prefix| prefix.length), Some(32));
        assert_eq!(prefix(&mut report, &word("fe80::1")).map(|prefix| prefix.length), Some(128));
        assert_eq!(prefix(&mut report, &word("10.0.0.1/")).map(|prefix| prefix.length), Some(32));
        assert_eq!(said(report), [""; 0]);
    }

    #[test]
    fn a_bad_prefix_length_becomes_the_longest() {
        let mut report = Report::default();
        assert_eq!(prefix(&mut report, &word("10.0.0.1/33")).map(|prefix| prefix.length), Some(32));
        assert_eq!(prefix(&mut report, &word("fe80::1/x")).map(|prefix| prefix.length), Some(128));
        assert_eq!(said(report), ["bad-prefix-length"; 2]);
    }

    #[test]
    fn numbers_may_have_the_bases_of_c() {
        assert_eq!(any_base("0x10"), Some(16));
        assert_eq!(any_base("010"), Some(8));
        assert_eq!(any_base("10"), Some(10));
        assert_eq!(any_base("1x"), None);
    }
}
