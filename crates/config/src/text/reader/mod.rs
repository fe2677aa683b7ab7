//! Takes every line through the steps.

mod expand;
mod include;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::condition;
use super::definition::{self, Definitions, Unfinished};
use super::include::Checks;
use super::line::{Composer, Line};
use super::random::Random;
use super::replace::Replaced;
use super::{Receiver, brace, comment};
use crate::Host;
use crate::diagnostic::{Class, Diagnostic, Diagnostics};
use crate::source::Sources;
use crate::tree::Span;

/// keepalived drops a line of more bytes than this.
const KEEPALIVED_LINE: usize = 1024;

/// How deep includes, repetitions and values of several lines may be nested.
const DEEPEST: usize = 64;

/// How many lines may come out of repetitions and values of several lines.
const MOST_EXPANDED_LINES: usize = 500_000;

/// How many bytes may come out of them.
const MOST_EXPANDED_BYTES: usize = 32 << 20;

/// How many names that are not defined get a suggestion.
const MOST_SEARCHES: usize = 500;

/// How many times a file may be opened.
const MOST_FILES: usize = 10_000;

/// The state of reading.
pub(super) struct Reader<'a> {
    host: &'a dyn Host,
    sources: &'a mut Sources,
    receiver: &'a mut dyn Receiver,
    diagnostics: &'a mut Diagnostics,
    definitions: Definitions,
    random: Random,
    config_id: String,
    checks: Checks,
    /// The files being read, the innermost last.
    open_files: Vec<OpenFile>,
    files_read: usize,
    /// A definition that goes on in the next line.
    unfinished: Option<(Unfinished, Span)>,
    /// The values of several lines being read, the innermost last.
    expanding: Vec<String>,
    depth: usize,
    expanded_lines: usize,
    expanded_bytes: usize,
    /// A bound was reached: nothing is expanded or included any more.
    exhausted: bool,
    /// Places of long lines, each said once.
    said_long: HashSet<Span>,
    /// How many more times to look for a name like one that is not defined.
    searches_left: usize,
}

/// A file while it is read.
struct OpenFile {
    /// Its real path, to notice a file that includes itself.
    real: PathBuf,
    /// Its directory.
    directory: PathBuf,
    /// Whether it had bytes that are not UTF-8.
    lossy: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a configuration.
    pub fn new(
        config_id: String,
        host: &'a dyn Host,
        sources: &'a mut Sources,
        receiver: &'a mut dyn Receiver,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self {
            host,
            sources,
            receiver,
            diagnostics,
            definitions: Definitions::default(),
            random: Random::from_config_id(&config_id),
            config_id,
            checks: Checks::default(),
            open_files: Vec::new(),
            files_read: 0,
            unfinished: None,
            expanding: Vec::new(),
            depth: 0,
            expanded_lines: 0,
            expanded_bytes: 0,
            exhausted: false,
            said_long: HashSet::new(),
            searches_left: MOST_SEARCHES,
        }
    }
}

impl Reader<'_> {
    /// Reads a file that the daemon was told to read.
    pub fn first_file(&mut self, path: &Path) {
        match super::include::read(path) {
            Ok(bytes) => self.file(path, bytes),
            Err(error) => self.diagnostics.push(
                Diagnostic::error(
                    Class::Abort,
                    "unreadable-file",
                    format!("cannot read {}: {error}", path.display()),
                )
                .because("there is no configuration"),
            ),
        }
    }

    /// Reads the text of one file.
    pub fn file(&mut self, path: &Path, bytes: Vec<u8>) {
        self.files_read += 1;
        let index = self.sources.add(path, bytes);
        let source = self.sources.file(index);
        let lossy = source.is_some_and(|file| file.lossy);
        let text = source.map(|file| Arc::clone(&file.text)).unwrap_or_default();
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let directory = real.parent().unwrap_or(Path::new("/")).to_owned();
        self.open_files.push(OpenFile { real, directory, lossy });
        let checks = self.checks;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        // What follows the last newline is a line only if there is something.
        let lines = text.strip_suffix('\n').unwrap_or(text);
        for (number, raw) in (1..).zip(lines.split('\n')) {
            self.physical(Line::physical(raw, index, number));
        }
        if let Some((unfinished, span)) = self.unfinished.take() {
            self.diagnostics.push(
                Diagnostic::warning(
                    Class::Silent,
                    "unfinished-definition",
                    format!("the definition of `${}` goes on to the end of the file", unfinished.name),
                )
                .at(span)
                .because("its last line ends in a backslash, too"),
            );
            let (name, value) = unfinished.finish();
            self.definitions.set_value(&name, value);
        }
        self.checks = checks;
        self.open_files.pop();
    }

    /// A line as it stands in the file.
    fn physical(&mut self, line: Line<'_>) {
        if line.text.contains('\0') {
            self.diagnostics.push(
                Diagnostic::error(Class::Complaint, "nul-byte", "a NUL byte in a line; the line is ignored")
                    .at(line.whole()),
            );
            return;
        }
        if line.text.len() > KEEPALIVED_LINE {
            self.long(line.whole());
        }
        let nothing = line.text.trim_end_matches('\r').is_empty();
        let line = self.without_foreign_blanks(line);
        let comment_goes_on = line.text.trim_ascii_end().ends_with('\\');
        let stripped = comment::strip(line, false);
        if let Some(offset) = stripped.unbalanced_quote {
            let end = stripped.line.text.len();
            self.diagnostics.push(
                Diagnostic::warning(Class::Complaint, "unbalanced-quote", "a `\"` without a closing one")
                    .at(stripped.line.span(offset.min(end.saturating_sub(1)), end)),
            );
        }
        let line = stripped.line;
        self.replacement_character(&line);
        let Some((unfinished, _)) = &mut self.unfinished else {
            if !line.text.is_empty() {
                self.line(line, false);
            }
            return;
        };
        let goes_on = comment_goes_on && !line.text.ends_with('\\');
        if goes_on {
            // DIFFERS: keepalived 2.4.3 takes the backslash for a part of the comment; 2.2.7 did as we do.
            self.diagnostics.push(
                Diagnostic::warning(
                    Class::Complaint,
                    "comment-in-definition",
                    "a comment inside a definition of several lines",
                )
                .at(line.whole())
                .because("Mainstay goes on with the next line; keepalived 2.4 ends the definition here"),
            );
        } else if line.text.is_empty() && !nothing {
            // A comment or blanks between the lines; one with nothing at all ends the definition.
            return;
        }
        if unfinished.add(line, goes_on)
            && let Some((unfinished, _)) = self.unfinished.take()
        {
            let (name, value) = unfinished.finish();
            self.definitions.set_value(&name, value);
        }
    }

    /// A password with a byte that is not UTF-8 is another password then.
    fn replacement_character(&mut self, line: &Line<'_>) {
        if !self.open_files.last().is_some_and(|file| file.lossy) {
            return;
        }
        if let Some(at) = line.text.find('\u{fffd}') {
            self.diagnostics.push(
                Diagnostic::warning(Class::Silent, "not-utf8", "a byte that is not UTF-8")
                    .at(line.span(at, at + 3))
                    .because("it is replaced by U+FFFD; write the file in UTF-8"),
            );
        }
    }

    /// DIFFERS: a no-break space, copied from a web page, is a blank; to keepalived it is a letter.
    fn without_foreign_blanks<'text>(&mut self, line: Line<'text>) -> Line<'text> {
        const NO_BREAK: &str = "\u{a0}";
        // Only ASCII can be searched this fast, and nearly all lines are ASCII.
        if line.text.is_ascii() || !line.text.contains(NO_BREAK) {
            return line;
        }
        let comment = line.text.find(['#', '!']).unwrap_or(line.text.len());
        let mut composer = Composer::new(&line);
        let mut from = 0;
        for (at, _) in line.text.match_indices(NO_BREAK) {
            composer.copy(&line, from, at);
            composer.replace(&line, at, at + NO_BREAK.len(), " ");
            from = at + NO_BREAK.len();
            if at < comment {
                self.diagnostics.push(
                    Diagnostic::warning(Class::Complaint, "no-break-space", "a no-break space (U+00A0)")
                        .at(line.span(at, from))
                        .because("Mainstay reads it as a blank; to keepalived it is a part of the word"),
                );
            }
        }
        composer.copy(&line, from, line.text.len());
        composer.finish(&line)
    }

    /// DIFFERS: keepalived drops the line. The limit is no meaning, so we take it and say so.
    fn long(&mut self, span: Span) {
        if self.said_long.insert(span) {
            self.diagnostics.push(
                Diagnostic::warning(Class::Complaint, "long-line", "the line is longer than 1024 bytes")
                    .at(span)
                    .because("Mainstay reads it; keepalived drops such a line"),
            );
        }
    }

    /// Steps 2 to 7 of one line. `replaced`: step 5 was done.
    fn line(&mut self, line: Line<'_>, replaced: bool) {
        let mut line = line.trimmed();
        while line.text.starts_with('@') {
            match self.condition(line) {
                Some(rest) => line = rest,
                None => return,
            }
        }
        if let Some((name, value)) = definition::parse(&line.text) {
            match value.strip_suffix('\\') {
                Some(first) => {
                    let (name, first) = (name.to_owned(), first.trim_ascii_end().to_owned());
                    self.unfinished = Some((Unfinished { name, first, rest: Vec::new() }, line.whole()));
                }
                None => self.definitions.set(name, value),
            }
            return;
        }
        if line.text.starts_with('~') && self.repetition(&line) {
            return;
        }
        if !replaced
            && line.text.contains('$')
            && let Some(Replaced { line, rest }) = self.replaced(&line)
        {
            // DIFFERS: keepalived does not look for `~SEQ` in what came out of a parameter.
            self.line(comment::strip(line, true).line, true);
            for (name, lines) in rest {
                self.value(&name, &lines);
            }
            return;
        }
        if line.text.starts_with("include") && self.include(&line) {
            return;
        }
        self.emit(&line);
    }

    /// Step 2: the rest of the line, if the condition holds.
    fn condition<'text>(&mut self, line: Line<'text>) -> Option<Line<'text>> {
        let condition = condition::parse(&line.text)?;
        let Some(rest) = condition.rest else {
            self.diagnostics.push(
                Diagnostic::warning(
                    Class::Silent,
                    "empty-condition",
                    format!("nothing follows `{}`", line.text),
                )
                .at(line.whole()),
            );
            return None;
        };
        if !condition.holds(&self.config_id) {
            return None;
        }
        let ours = line.ours || condition.id == condition::OURS;
        let end = line.text.len();
        let mut rest = line.part(rest, end);
        rest.ours = ours;
        Some(rest)
    }

    /// Step 7: the parts of a line that is worked out.
    fn emit(&mut self, line: &Line<'_>) {
        if line.text.starts_with("random_seed") {
            let mut words = line.text.split_ascii_whitespace();
            if let (Some("random_seed"), Some(Ok(seed))) = (words.next(), words.next().map(str::parse)) {
                self.random = Random::new(seed);
            }
        }
        if let Some(at) = line.text.find("{{").filter(|at| !line.text[..*at].contains('"')) {
            self.diagnostics.push(
                Diagnostic::warning(
                    Class::Silent,
                    "template",
                    "`{{` looks like a template that was not filled in",
                )
                .at(line.span(at, at + 2)),
            );
        }
        let (receiver, diagnostics) = (&mut *self.receiver, &mut *self.diagnostics);
        brace::split(&line.text, |part| match part {
            brace::Part::Text(from, to) => receiver.text(line, from, to, diagnostics),
            brace::Part::Open(at) => receiver.open(line.span(at, at + 1), diagnostics),
            brace::Part::Close(at) => receiver.close(line.span(at, at + 1), diagnostics),
        });
    }
}
