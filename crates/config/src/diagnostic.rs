//! Diagnostics: what is wrong with a configuration, where, and what would be right.

use std::collections::HashMap;

use crate::tree::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; keepalived says nothing or the meaning is unchanged.
    Note,
    /// The daemon starts; the message says what it does.
    Warning,
    /// keepalived's daemon would refuse, or the object is left out.
    Error,
}

impl Severity {
    /// `error`, `warning`, `note`: what a reader sees.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What `keepalived -t` would have made of it: the classes behind its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// keepalived does not complain (exit 0).
    Silent,
    /// keepalived complains (exit 5).
    Complaint,
    /// keepalived complains about script security (exit 6).
    ScriptSecurity,
    /// keepalived stops reading at once (exit 2).
    Abort,
}

/// One thing to say about a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its class in keepalived's exit code.
    pub class: Class,
    /// A stable name, `unknown-keyword`, for filters and tests.
    pub code: &'static str,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Where; `None` if it is about the whole.
    pub span: Option<Span>,
    /// What was expected, or what happens instead.
    pub note: Option<String>,
    /// What to write instead.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// The object is left out, or keepalived would refuse.
    #[must_use]
    pub fn error(class: Class, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, class, code, message.into())
    }

    /// The daemon starts; the message says what it does.
    #[must_use]
    pub fn warning(class: Class, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, class, code, message.into())
    }

    /// Worth knowing. Never counts in the exit code.
    #[must_use]
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, Class::Silent, code, message.into())
    }

    fn new(severity: Severity, class: Class, code: &'static str, message: String) -> Self {
        Self { severity, class, code, message: printable(message), span: None, note: None, suggestion: None }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Says what was expected, or what happens instead.
    #[must_use]
    pub fn because(mut self, note: impl Into<String>) -> Self {
        self.note = Some(printable(note.into()));
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(printable(suggestion.into()));
        self
    }
}

/// A word of the file may hold control characters, and a message goes to logs and terminals.
fn printable(text: String) -> String {
    if !text.chars().any(char::is_control) {
        return text;
    }
    let escape = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// How many of one code are kept: a broken template of a thousand servers must not fill the memory.
const KEPT_PER_CODE: usize = 500;

/// How many of one (code, message) are shown before the rest is only counted.
const SHOWN_PER_MESSAGE: usize = 20;

/// Collects what there is to say while a configuration is read.
#[derive(Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// How many were said of each code; a handful of codes, so a list.
    said: Vec<(&'static str, usize)>,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.count(diagnostic.code) {
            self.list.push(diagnostic);
        }
    }

    /// Adds one that takes time to make, such as a search for a near word; it is not made if it would not be kept.
    pub fn push_with(&mut self, code: &'static str, make: impl FnOnce() -> Diagnostic) {
        if self.count(code) {
            self.list.push(make());
        }
    }

    /// Counts one of a code; gives whether it is kept.
    fn count(&mut self, code: &'static str) -> bool {
        let index = self.said.iter().position(|(known, _)| *known == code).unwrap_or_else(|| {
            self.said.push((code, 0));
            self.said.len() - 1
        });
        self.said[index].1 += 1;
        self.said[index].1 <= KEPT_PER_CODE
    }

    /// All of them in the order of the file; what is about the whole comes last. Repetitions are capped, with a count.
    #[must_use]
    pub fn finish(self) -> Vec<Diagnostic> {
        let Self { mut list, said } = self;
        list.sort_by_key(|diagnostic| (diagnostic.span.is_none(), diagnostic.span));
        // A macro that is used twenty times says the same thing of the same place twenty times.
        list.dedup_by(|next, kept| {
            next.span.is_some()
                && next.span == kept.span
                && next.code == kept.code
                && next.message == kept.message
        });
        let mut shown: HashMap<(&'static str, &str), usize> = HashMap::new();
        let keep: Vec<bool> = list
            .iter()
            .map(|diagnostic| {
                let count = shown.entry((diagnostic.code, diagnostic.message.as_str())).or_default();
                *count += 1;
                *count <= SHOWN_PER_MESSAGE
            })
            .collect();
        let mut more: Vec<Diagnostic> = shown
            .iter()
            .filter(|(_, count)| **count > SHOWN_PER_MESSAGE)
            .map(|((code, message), count)| {
                Diagnostic::note(code, format!("{message}: {} more like this", count - SHOWN_PER_MESSAGE))
            })
            .collect();
        more.sort_by(|left, right| left.message.cmp(&right.message));
        drop(shown);
        for (code, count) in said {
            if count > KEPT_PER_CODE {
                more.push(Diagnostic::note(code, format!("{} more of this kind", count - KEPT_PER_CODE)));
            }
        }
        let mut keep = keep.into_iter();
        list.retain(|_| keep.next().unwrap_or(true));
        list.append(&mut more);
        list
    }

    /// How many were kept so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is nothing to say so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those kept so far, in the order they were said.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }
}
