//! Step 6: the text of a file in the place of a line.

use std::path::{Path, PathBuf};

use super::super::include::{self, Checks};
use super::super::line::Line;
use super::{MOST_FILES, Reader};
use crate::diagnostic::{Class, Diagnostic};
use crate::tree::Span;

impl Reader<'_> {
    /// Step 6: whether the line was an include, which is done then.
    pub(super) fn include(&mut self, line: &Line<'_>) -> bool {
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
    pub(super) fn missing_include(&mut self, found: &include::Found, any: bool, checks: Checks, span: Span) {
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
    pub(super) fn included(&mut self, path: &Path, span: Span) {
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
    pub(super) fn include_check(&mut self, line: &Line<'_>) {
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
}
