//! Steps 4 and 5: a line becomes several, or another one.

use std::rc::Rc;

use super::super::line::Line;
use super::super::replace::{self, Replaced, Trouble, TroubleKind, World};
use super::super::sequence::{self, Repetition};
use super::{DEEPEST, KEEPALIVED_LINE, MOST_EXPANDED_BYTES, MOST_EXPANDED_LINES, Reader};
use crate::diagnostic::{Class, Diagnostic};
use crate::suggest;
use crate::tree::Span;

impl Reader<'_> {
    /// Step 4: whether the line was one to repeat, which is done then.
    pub(super) fn repetition(&mut self, line: &Line<'_>) -> bool {
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
            && let Some(replaced) = self.replaced(&parameters)
        {
            parameters = replaced.line;
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

    pub(super) fn bad_sequence(&mut self, line: &Line<'_>, message: String) {
        self.diagnostics.push(
            Diagnostic::error(Class::Complaint, "bad-sequence", message)
                .at(line.whole())
                .because("the line is ignored"),
        );
    }

    /// Step 5: the line with its references replaced, and the further lines to read after it.
    pub(super) fn replaced(&mut self, line: &Line<'_>) -> Option<Replaced> {
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
        Some(replaced)
    }

    pub(super) fn trouble(&mut self, line: &Line<'_>, trouble: Trouble) {
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
                let near = self.near_parameter(&name);
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

    /// The defined name nearest to one that is not defined; searched only so many times.
    pub(super) fn near_parameter(&mut self, name: &str) -> Option<String> {
        self.searches_left = self.searches_left.checked_sub(1)?;
        let known = self.definitions.names().chain(replace::PREDEFINED);
        suggest::nearest(name, known).map(|near| format!("${{{near}}}"))
    }

    /// Reads the further lines of a value of several lines.
    pub(super) fn value(&mut self, name: &str, lines: &Rc<[Line<'static>]>) {
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
    pub(super) fn deeper(&mut self, span: Span) -> bool {
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
    pub(super) fn spend(&mut self, line: &Line<'_>) -> bool {
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
}
