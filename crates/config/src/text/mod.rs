//! TEXT: the lines of a configuration, through the pipeline of keepalived's language, in its order.
//!
//! 1. Comments (module [`comment`]): `#` and `!`.
//! 2. Conditions ([`condition`]): `@id`.
//! 3. Definitions ([`definition`]): `$NAME=`.
//! 4. Repetitions ([`sequence`]): `~SEQ`, `~LST`.
//! 5. Parameters ([`replace`]): `$NAME`, `${NAME}`.
//! 6. Files ([`include`]).
//! 7. Blocks ([`brace`]).
//! 8. Words ([`words`]): done by the receiver, since it depends on the keyword.
//!
//! Everything is bounded: depth, length of a line, number of lines. The bounds are far above what real files need, and
//! reaching one is a diagnostic.

mod brace;
mod comment;
mod condition;
mod definition;
mod include;
pub(crate) mod line;
mod random;
mod replace;
mod sequence;
pub(crate) mod words;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use self::definition::{Definitions, Unfinished};
use self::include::Checks;
use self::line::Line;
use self::random::Random;
use self::replace::{Trouble, TroubleKind, World};
use self::sequence::Repetition;
use crate::diagnostic::{Class, Diagnostic, Diagnostics};
use crate::source::Sources;
use crate::tree::Span;
use crate::{Host, Options, suggest};

pub use self::words::{Escapes, command_words};

/// Takes the parts that come out of the pipeline, in order.
pub(crate) trait Receiver {
    /// A statement, or the part of one before its block: a part of a line, trimmed, never empty.
    fn text(&mut self, line: &Line<'_>, from: usize, to: usize, diagnostics: &mut Diagnostics);
    /// A `{`.
    fn open(&mut self, span: Span, diagnostics: &mut Diagnostics);
    /// A `}`.
    fn close(&mut self, span: Span, diagnostics: &mut Diagnostics);
}

/// keepalived drops a line of more bytes than this.
const KEEPALIVED_LINE: usize = 1024;

/// How deep includes, repetitions and values of several lines may be nested.
const DEEPEST: usize = 64;

/// How many lines may come out of repetitions and values of several lines.
const MOST_EXPANDED_LINES: usize = 500_000;

/// How many bytes may come out of them.
const MOST_EXPANDED_BYTES: usize = 32 << 20;

/// How many times a file may be opened.
const MOST_FILES: usize = 10_000;

/// Where the text of the first file comes from.
pub(crate) enum Start<'a> {
    /// A file.
    File(&'a Path),
    /// A text that is at hand; includes in it are relative to the folder of this path.
    Text(&'a Path, Vec<u8>),
}

/// Reads a file and what it includes, and feeds the receiver.
pub(crate) fn read(
    start: Start<'_>,
    options: &Options,
    host: &dyn Host,
    sources: &mut Sources,
    receiver: &mut dyn Receiver,
    diagnostics: &mut Diagnostics,
) {
    let config_id = options.config_id.clone().unwrap_or_else(|| {
        let node = host.node_name();
        node.split('.').next().unwrap_or_default().to_owned()
    });
    let mut reader = Reader {
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
    };
    match start {
        Start::Text(path, bytes) => reader.file(path, bytes),
        Start::File(path) => {
            for path in first_files(path) {
                reader.first_file(&path);
            }
        }
    }
}

/// The files that the daemon was told to read: `-f` may be a pattern.
fn first_files(path: &Path) -> Vec<PathBuf> {
    let pattern = path.to_str().filter(|_| !path.exists());
    let found = pattern.and_then(|pattern| include::find(pattern, Path::new(".")).ok()).unwrap_or_default();
    let files: Vec<PathBuf> = found.into_iter().flat_map(|found| found.paths).collect();
    if files.is_empty() { vec![path.to_owned()] } else { files }
}

/// The state of reading.
struct Reader<'a> {
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

impl Reader<'_> {
    /// Reads a file that the daemon was told to read.
    fn first_file(&mut self, path: &Path) {
        match include::read(path) {
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
    fn file(&mut self, path: &Path, bytes: Vec<u8>) {
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
        for (number, raw) in (1..).zip(text.split('\n')) {
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
        } else if line.text.is_empty() {
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
        let mut composer = line::Composer::new(&line);
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
            && let Some((line, rest)) = self.replaced(&line)
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

    /// Step 4: whether the line was one to repeat, which is done then.
    fn repetition(&mut self, line: &Line<'_>) -> bool {
        let call = match sequence::parse(&line.text) {
            None => return false,
            Some(Err(message)) => {
                self.bad_sequence(line, message);
                return true;
            }
            Some(Ok(call)) => call,
        };
        let mut parameters = line.part(call.parameters.start, call.parameters.end);
        if parameters.text.contains('$')
            && let Some((replaced, _)) = self.replaced(&parameters)
        {
            parameters = replaced;
        }
        let kind = call.kind;
        let rest = line.part(call.rest, line.text.len());
        match kind.repetition(&parameters.text) {
            Err(message) => self.bad_sequence(line, message),
            Ok(_) if !self.deeper(line.whole()) => {}
            Ok(Repetition::Numbers { name, start, step, end }) => {
                let mut number = start;
                while (step > 0 && number <= end) || (step < 0 && number >= end) {
                    if !self.spend(&rest) {
                        break;
                    }
                    self.definitions.set(&name, &kind.write(number));
                    self.line(rest.clone(), false);
                    let Some(next) = number.checked_add(step) else { break };
                    number = next;
                }
                self.depth -= 1;
            }
            Ok(Repetition::Tuples { names, tuples }) => {
                for tuple in tuples {
                    if !self.spend(&rest) {
                        break;
                    }
                    for (name, value) in names.iter().zip(tuple) {
                        self.definitions.set(name, &value);
                    }
                    self.line(rest.clone(), false);
                }
                self.depth -= 1;
            }
        }
        true
    }

    fn bad_sequence(&mut self, line: &Line<'_>, message: String) {
        self.diagnostics.push(
            Diagnostic::error(Class::Complaint, "bad-sequence", message)
                .at(line.whole())
                .because("the line is ignored"),
        );
    }

    /// Step 5: the line with its references replaced, and the further lines to read after it.
    #[expect(clippy::type_complexity, reason = "said once")]
    fn replaced(&mut self, line: &Line<'_>) -> Option<(Line<'static>, Vec<(String, Rc<[Line<'static>]>)>)> {
        if self.exhausted {
            return None;
        }
        let host = self.host;
        let environment = |name: &str| host.environment(name);
        let mut world = World {
            definitions: &self.definitions,
            random: &mut self.random,
            config_id: &self.config_id,
            directory: self.open_files.last().and_then(|file| file.directory.to_str()).unwrap_or_default(),
            environment: &environment,
            work: line.text.len(),
        };
        let mut troubles = Vec::new();
        let replaced = replace::replace(line, &mut world, &mut troubles);
        let work = world.work;
        for trouble in troubles {
            self.trouble(line, trouble);
        }
        self.expanded_bytes += work;
        let replaced = replaced?;
        if replaced.line.text.len() > KEEPALIVED_LINE {
            self.long(line.whole());
        }
        Some((replaced.line, replaced.rest))
    }

    fn trouble(&mut self, line: &Line<'_>, trouble: Trouble) {
        let (from, to) = trouble.place;
        let diagnostic = match trouble.kind {
            TroubleKind::SelfReference(name) => {
                let message = format!("the value of `${name}` needs the value of `${name}`");
                Diagnostic::error(Class::Complaint, "self-reference", message)
                    .because("the reference is left as it is; keepalived would never finish reading")
            }
            TroubleKind::TooDeep => {
                Diagnostic::error(Class::Complaint, "expansion-limit", "parameters are nested too deep")
                    .because("the line is left as it is")
            }
            TroubleKind::TooLong => {
                Diagnostic::error(Class::Complaint, "expansion-limit", "the line would grow beyond 64 KiB")
                    .because("the line is left as it is")
            }
            TroubleKind::Undefined(name) => {
                // In quotes it may be meant for a shell.
                let quoted = line.text[..from].matches('"').count() % 2 == 1;
                let known = self.definitions.names().chain(replace::PREDEFINED);
                let near = suggest::nearest(&name, known).map(|near| format!("${{{near}}}"));
                if quoted && near.is_none() {
                    return;
                }
                let message = format!("`{}` is not defined", &line.text[from..to]);
                // keepalived takes the braces of an unknown `${NAME}` for a block.
                let braced = !quoted && line.text[from..to].starts_with("${");
                let class = if braced { Class::Complaint } else { Class::Silent };
                let diagnostic =
                    Diagnostic::warning(class, "undefined-parameter", message).because("it is left as it is");
                match near {
                    Some(near) => diagnostic.suggest(near),
                    None => diagnostic,
                }
            }
            TroubleKind::Glued(name) => {
                let message = format!("`${name}` is not replaced here");
                Diagnostic::warning(Class::Silent, "glued-parameter", message)
                    .because("a name without braces ends at a blank, a comma, a `)` or the end of the line")
                    .suggest(format!("${{{name}}}"))
            }
            TroubleKind::NotLast(name) => {
                let message =
                    format!("`${name}` has several lines, so it must be the last thing on its line");
                Diagnostic::warning(Class::Silent, "parameter-not-last", message)
                    .because("it is left as it is")
            }
        };
        self.diagnostics.push(diagnostic.at(line.span(from, to)));
    }

    /// Reads the further lines of a value of several lines.
    fn value(&mut self, name: &str, lines: &Rc<[Line<'static>]>) {
        let Some(first) = lines.first() else { return };
        if self.expanding.iter().any(|outer| outer == name) {
            self.diagnostics.push(
                Diagnostic::error(
                    Class::Complaint,
                    "self-reference",
                    format!("the value of `${name}` needs the value of `${name}`"),
                )
                .at(first.whole())
                .because("the inner use is left out; keepalived would never finish reading"),
            );
            return;
        }
        if !self.deeper(first.whole()) {
            return;
        }
        self.expanding.push(name.to_owned());
        for line in lines.iter() {
            if !self.spend(line) {
                break;
            }
            let borrowed = line.borrowed();
            self.line(borrowed, false);
        }
        self.expanding.pop();
        self.depth -= 1;
    }

    /// Goes one level down, or says why not. The caller goes up again.
    fn deeper(&mut self, span: Span) -> bool {
        if self.depth >= DEEPEST {
            self.diagnostics.push(
                Diagnostic::error(
                    Class::Complaint,
                    "expansion-limit",
                    format!("nested more than {DEEPEST} deep"),
                )
                .at(span)
                .because("what is deeper is left out"),
            );
            return false;
        }
        self.depth += 1;
        true
    }

    /// Counts a line that comes out of an expansion. False when the bound is reached.
    fn spend(&mut self, line: &Line<'_>) -> bool {
        if self.exhausted {
            return false;
        }
        self.expanded_lines += 1;
        self.expanded_bytes += line.text.len();
        if self.expanded_lines > MOST_EXPANDED_LINES || self.expanded_bytes > MOST_EXPANDED_BYTES {
            self.exhausted = true;
            let message = format!("the file expands to more than {MOST_EXPANDED_LINES} lines or 32 MiB");
            self.diagnostics.push(
                Diagnostic::error(Class::Complaint, "expansion-limit", message)
                    .at(line.whole())
                    .because("nothing is expanded or included from here on"),
            );
        }
        !self.exhausted
    }

    /// Step 6: whether the line was an include, which is done then.
    fn include(&mut self, line: &Line<'_>) -> bool {
        if line.text.starts_with("include_check") {
            self.include_check(line);
            return false;
        }
        let (added, from) = match include::parse(&line.text) {
            Some((_, None)) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        Class::Complaint,
                        "missing-argument",
                        format!("`{}` needs a file name", line.text),
                    )
                    .at(line.whole()),
                );
                return true;
            }
            Some((added, Some(from))) => (added, from),
            None => return false,
        };
        if self.exhausted {
            return true;
        }
        let checks = self.checks | added;
        let pattern = line.text[from..].trim_matches('"').to_owned();
        let span = line.span(from, line.text.len());
        let directory = self.open_files.last().map_or(PathBuf::from("/"), |file| file.directory.clone());
        match include::find(&pattern, &directory) {
            Err(message) => self.diagnostics.push(
                Diagnostic::error(
                    Class::Complaint,
                    "bad-include",
                    format!("cannot look for `{pattern}`: {message}"),
                )
                .at(span),
            ),
            Ok(found) => {
                let any = found.iter().any(|found| !found.paths.is_empty());
                for found in &found {
                    if found.paths.is_empty() {
                        self.missing_include(found, any, checks, span);
                    }
                    for path in &found.paths {
                        self.included(path, span);
                    }
                }
            }
        }
        true
    }

    /// DIFFERS: keepalived only logs a missing file unless told otherwise; we count it as a complaint. A pattern with
    /// wildcards that matches nothing is an empty `conf.d`, and no mistake unless the file says so.
    fn missing_include(&mut self, found: &include::Found, any: bool, checks: Checks, span: Span) {
        let insisted = if found.wildcard { checks.wildcard } else { checks.matches || (any && checks.brace) };
        let message = format!("no file `{}`", found.pattern);
        let diagnostic = if insisted {
            Diagnostic::error(Class::Complaint, "missing-include", message)
        } else if found.wildcard {
            Diagnostic::note("missing-include", format!("no file matches `{}`", found.pattern))
        } else {
            Diagnostic::warning(Class::Complaint, "missing-include", message)
        };
        self.diagnostics.push(diagnostic.at(span));
    }

    /// Reads one included file.
    fn included(&mut self, path: &Path, span: Span) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.open_files.iter().any(|file| file.real == real) {
            self.diagnostics.push(
                Diagnostic::error(
                    Class::Complaint,
                    "recursive-include",
                    format!("{} includes itself", path.display()),
                )
                .at(span)
                .because("it is not read again"),
            );
            return;
        }
        if self.files_read >= MOST_FILES {
            self.diagnostics.push(
                Diagnostic::error(
                    Class::Complaint,
                    "expansion-limit",
                    format!("more than {MOST_FILES} files"),
                )
                .at(span),
            );
            return;
        }
        if !self.deeper(span) {
            return;
        }
        match include::read(path) {
            Ok(bytes) => self.file(path, bytes),
            Err(error) => self.diagnostics.push(
                Diagnostic::error(
                    Class::Complaint,
                    "unreadable-include",
                    format!("{} is not read: {error}", path.display()),
                )
                .at(span),
            ),
        }
        self.depth -= 1;
    }

    /// `include_check`: takes effect here, and is a statement like any other, too.
    fn include_check(&mut self, line: &Line<'_>) {
        let mut words = line.text.split_ascii_whitespace();
        if words.next() != Some("include_check") {
            return;
        }
        match self.checks.changed_by(&mut words) {
            Ok(checks) => self.checks = checks,
            Err(word) => self.diagnostics.push(
                Diagnostic::error(Class::Complaint, "bad-include-check", format!("unknown check `{word}`"))
                    .at(line.whole())
                    .because("expected read, match, wildcard_match or brace_match, each with an optional `+` or `-`"),
            ),
        }
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
