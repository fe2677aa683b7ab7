//! Diagnostics for people and for machines, and the effective configuration.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::diagnostic::{Class, Diagnostic, Severity};
use crate::source::Sources;
use crate::tree::{Span, Statement};

/// Columns of a terminal that a long line is cut to.
const WIDTH: usize = 120;

/// The diagnostics with the lines they are about, the place marked, and a count at the end.
#[must_use]
pub fn human(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer =
        if color { Renderer::styled().decor_style(DecorStyle::Unicode) } else { Renderer::plain() }
            .term_width(WIDTH);
    let mut lines = Lines::new(sources);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic, sources, &mut lines, &renderer));
        out.push_str("\n\n");
    }
    out.push_str(&count(diagnostics));
    out.push('\n');
    out
}

fn one(diagnostic: &Diagnostic, sources: &Sources, lines: &mut Lines<'_>, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut elements: Vec<Element<'_>> = Vec::with_capacity(3);
    let place = diagnostic.span.and_then(|span| Some((span, sources.file(span.file)?, lines.get(span)?)));
    if let Some((span, source, line)) = place {
        let mark = AnnotationKind::Primary.span(mark(span, line));
        let snippet =
            Snippet::source(masked(line)).line_start(span.line as usize).path(source.path.to_string_lossy());
        elements.push(snippet.annotation(mark).into());
    }
    if let Some(note) = &diagnostic.note {
        elements.push(Level::NOTE.message(note).into());
    }
    if let Some(suggestion) = &diagnostic.suggestion {
        elements.push(Level::HELP.message(format!("write `{suggestion}` instead")).into());
    }
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code);
    renderer.render(&[Group::with_title(title).elements(elements)])
}

/// The line with secrets behind `auth_pass`, `password`, `heartbeat_key` and `key ID` starred out, byte for byte, so that marks fit.
fn masked(line: &str) -> Cow<'_, str> {
    let words = || line.split_ascii_whitespace();
    let Some((place, visible)) = words().enumerate().find_map(|(place, word)| match word {
        "auth_pass" | "password" | "heartbeat_key" => Some((place, 1)),
        "key" => Some((place, 2)),
        _ => None,
    }) else {
        return Cow::Borrowed(line);
    };
    let Some(secret) = words().nth(place + visible) else { return Cow::Borrowed(line) };
    // A word of the line is a part of its memory.
    let from = secret.as_ptr() as usize - line.as_ptr() as usize;
    let rest =
        line[from..].bytes().map(|byte| if byte.is_ascii_whitespace() { char::from(byte) } else { '*' });
    Cow::Owned(line[..from].chars().chain(rest).collect())
}

/// The bytes of the line to mark, inside the line and between characters.
fn mark(span: Span, line: &str) -> Range<usize> {
    let mut from = (span.column as usize - 1).min(line.len());
    while !line.is_char_boundary(from) {
        from -= 1;
    }
    let mut to = (from + span.length as usize).min(line.len());
    while !line.is_char_boundary(to) {
        to += 1;
    }
    from..to
}

/// `2 errors, 1 warning`; notes are only counted where there are any.
#[must_use]
pub fn count(diagnostics: &[Diagnostic]) -> String {
    let number = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let number = number(severity);
        (number > 0).then(|| format!("{number} {}{}", severity.name(), if number == 1 { "" } else { "s" }))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() { "nothing to complain about".to_owned() } else { counts.join(", ") }
}

/// A diagnostic for machines. A place that is not known is null.
#[derive(Serialize)]
struct Record<'a> {
    file: Option<String>,
    line: Option<u32>,
    /// From 1, in bytes.
    column: Option<u32>,
    /// In bytes.
    length: Option<u32>,
    severity: &'static str,
    code: &'static str,
    /// What keepalived makes of it: `silent`, `complaint`, `script-security`, `abort`.
    keepalived: &'static str,
    message: &'a str,
    note: Option<&'a str>,
    suggestion: Option<&'a str>,
}

/// The diagnostics as a JSON array, one object a line.
#[must_use]
pub fn json(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut out = String::from("[");
    for diagnostic in diagnostics {
        let span = diagnostic.span;
        let source = span.and_then(|span| sources.file(span.file));
        let record = Record {
            file: source.map(|source| source.path.to_string_lossy().into_owned()),
            line: span.map(|span| span.line),
            column: span.map(|span| span.column),
            length: span.map(|span| span.length),
            severity: diagnostic.severity.name(),
            code: diagnostic.code,
            keepalived: match diagnostic.class {
                Class::Silent => "silent",
                Class::Complaint => "complaint",
                Class::ScriptSecurity => "script-security",
                Class::Abort => "abort",
            },
            message: &diagnostic.message,
            note: diagnostic.note.as_deref(),
            suggestion: diagnostic.suggestion.as_deref(),
        };
        out.push_str(if out.len() == 1 { "\n" } else { ",\n" });
        out.push_str(&serde_json::to_string(&record).expect("strings and numbers are always JSON"));
    }
    out.push_str("\n]\n");
    out
}

/// The effective configuration: everything expanded and included, as a keepalived.conf that says the same.
///
/// What could not be understood is not in it. Secrets are masked.
#[must_use]
pub fn show(statements: &[Statement]) -> String {
    let mut out = String::new();
    write(statements, "", 0, &mut out);
    out
}

fn write(statements: &[Statement], inside: &str, level: usize, out: &mut String) {
    for (index, statement) in statements.iter().enumerate() {
        if level == 0 && index > 0 {
            out.push('\n');
        }
        let indent = |out: &mut String| (0..level).for_each(|_| out.push_str("    "));
        indent(out);
        if statement.ours {
            out.push_str("@mainstay ");
        }
        match secret(statement, inside) {
            Some(words) => {
                let shown = statement.words.iter().take(words).map(|word| word.text.as_str());
                out.extend(shown.flat_map(|word| [word, " "]));
                out.push_str("********");
            }
            None => escaped(&statement.line, out),
        }
        if let Some(block) = &statement.block {
            out.push_str(" {\n");
            write(block, statement.keyword(), level + 1, out);
            indent(out);
            out.push('}');
        }
        out.push('\n');
    }
}

/// How many words of a statement with a secret may be shown; `None` if it has none.
fn secret(statement: &Statement, inside: &str) -> Option<usize> {
    match (inside, statement.keyword()) {
        ("authentication", "auth_pass") | ("SSL", "password") | ("global_defs", "heartbeat_key") => Some(1),
        ("auth_hmac", "key") => Some(2),
        _ => None,
    }
}

/// Writes a line so that it is read as the same line again: a `#` or `!` outside quotes needs its backslash back.
fn escaped(line: &str, out: &mut String) {
    let mut quoted = false;
    let mut protected = false;
    for c in line.chars() {
        match c {
            _ if protected => protected = false,
            '\\' => protected = true,
            '"' => quoted = !quoted,
            '#' | '!' if !quoted => out.push('\\'),
            _ => {}
        }
        out.push(c);
    }
}

/// Finds the lines of the files, each file cut into lines once.
struct Lines<'a> {
    sources: &'a Sources,
    files: HashMap<u32, Vec<&'a str>>,
}

impl<'a> Lines<'a> {
    fn new(sources: &'a Sources) -> Self {
        Self { sources, files: HashMap::new() }
    }

    fn get(&mut self, span: Span) -> Option<&'a str> {
        let source = self.sources.file(span.file)?;
        let lines = self.files.entry(span.file).or_insert_with(|| source.text.split('\n').collect());
        let line = lines.get((span.line as usize).checked_sub(1)?)?;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}
