//! The reviewed list: what is said of each word.
//!
//! ```text
//! block    keyword      verdict                   evidence
//! *        rise, fall   works                     a_test another_test
//! SSL      *            accepted without effect   the reason
//! ```
//!
//! with one tab between the fields. `*` stands for any text; several patterns have a comma and a blank between them. The
//! first line that matches decides, so special ones stand above general ones. Lines that begin with `#` are for readers.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};

/// How it stands with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It has its effect, and tests show it.
    Works,
    /// The code is there, and no test shows the effect. It does not count as covered.
    NotShown,
    /// It is read and checked, and nothing comes of it.
    WithoutEffect,
    /// It is an error.
    Refused,
}

impl Verdict {
    /// From good to bad.
    pub const ALL: [Self; 4] = [Self::Works, Self::NotShown, Self::WithoutEffect, Self::Refused];

    const fn words(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::NotShown => "works, not shown",
            Self::WithoutEffect => "accepted without effect",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.words())
    }
}

/// One line.
#[derive(Debug)]
pub struct Line {
    /// Where it stands, from 1.
    pub number: usize,
    blocks: Vec<String>,
    keywords: Vec<String>,
    pub verdict: Verdict,
    /// Names of tests for what works, otherwise the reason.
    pub evidence: String,
}

impl Line {
    /// Whether it says something of this keyword in this block.
    pub fn is_about(&self, block: &str, keyword: &str) -> bool {
        let any = |patterns: &[String], text| patterns.iter().any(|pattern| matches(pattern, text));
        any(&self.blocks, block) && any(&self.keywords, keyword)
    }
}

/// Reads the list; the first line names the fields.
///
/// # Errors
/// Names the first line that is not understood.
pub fn parse(text: &str) -> Result<Vec<Line>> {
    let lines = (1..).zip(text.lines()).skip(1);
    lines
        .filter(|(_, line)| !line.starts_with('#') && !line.is_empty())
        .map(|(number, line)| parse_line(number, line).with_context(|| format!("line {number}")))
        .collect()
}

fn parse_line(number: usize, line: &str) -> Result<Line> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [blocks, keywords, verdict, evidence] = fields[..] else { bail!("{} fields, not 4", fields.len()) };
    let patterns = |field: &str| field.split(", ").map(str::to_owned).collect();
    let verdict = Verdict::ALL
        .into_iter()
        .find(|known| known.words() == verdict)
        .with_context(|| format!("there is no verdict `{verdict}`"))?;
    ensure!(!evidence.trim().is_empty(), "neither a test nor a reason");
    Ok(Line {
        number,
        blocks: patterns(blocks),
        keywords: patterns(keywords),
        verdict,
        evidence: evidence.to_owned(),
    })
}

/// Whether a text is what a pattern says; `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text) in
            [("*", ""), ("*", "a/b"), ("a", "a"), ("vrrp_*", "vrrp_x"), ("*_GET/*", "x/SSL_GET/url")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", "ab"), ("vrrp_*", "vrrp"), ("*b", "abc")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_line_has_patterns_a_verdict_and_evidence() {
        let list = parse("header\n# why\n\nSSL, a*\tkey, brd|broadcast\tworks, not shown\tno test\n")
            .expect("a list");
        let [line] = list.as_slice() else { panic!("{list:?}") };
        assert_eq!((line.number, line.verdict, line.evidence.as_str()), (4, Verdict::NotShown, "no test"));
        assert!(line.is_about("SSL", "key") && line.is_about("about", "brd|broadcast"));
        assert!(!line.is_about("SSL", "brd") && !line.is_about("x", "key"));
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        for (text, complaint) in [
            ("header\na\tb\tworks\n", "3 fields"),
            ("header\na\tb\tperfect\tc\n", "no verdict `perfect`"),
            ("header\na\tb\tworks\t \n", "neither"),
        ] {
            let error = format!("{:#}", parse(text).expect_err("nonsense"));
            assert!(error.starts_with("line 2: ") && error.contains(complaint), "{error}");
        }
    }
}
