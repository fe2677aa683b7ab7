//! Builds the tree out of what the line pipeline delivers.

use super::{Span, Statement};
use crate::diagnostic::{Class, Diagnostic, Diagnostics};
use crate::keywords;
use crate::text::Receiver;
use crate::text::line::Line;
use crate::text::words;

/// A tree under construction.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    /// The blocks that are open, the outermost first. The first is the file itself.
    open: Vec<Open>,
    /// Statements at the level of the file.
    root: Vec<Statement>,
}

/// An open block: its statement is the last one of the level above.
#[derive(Debug)]
struct Open {
    /// Where its keyword stands.
    span: Span,
    keyword: String,
    /// What was read of it so far.
    statements: Vec<Statement>,
}

impl Builder {
    /// The statements of the file. Blocks that are still open are closed, with a complaint.
    pub fn finish(mut self, diagnostics: &mut Diagnostics) -> Vec<Statement> {
        while let Some(open) = self.open.pop() {
            diagnostics.push(
                Diagnostic::error(
                    Class::Complaint,
                    "missing-brace",
                    format!("the block of `{}` is not closed", open.keyword),
                )
                .at(open.span)
                .because("expected a `}` before the end of the file"),
            );
            self.put_back(open.statements);
        }
        self.root
    }

    fn level(&mut self) -> &mut Vec<Statement> {
        match self.open.last_mut() {
            Some(open) => &mut open.statements,
            None => &mut self.root,
        }
    }

    /// Gives the statement that opened the innermost block its statements.
    fn put_back(&mut self, statements: Vec<Statement>) {
        if let Some(statement) = self.level().last_mut() {
            statement.block = Some(statements);
        }
    }
}

impl Receiver for Builder {
    fn text(&mut self, line: &Line<'_>, from: usize, to: usize, _diagnostics: &mut Diagnostics) {
        let text = &line.text[from..to];
        let keyword = text.split_ascii_whitespace().next().unwrap_or_default();
        let words = match keywords::escapes(keyword) {
            Some(escapes) => words::shell_like(line, from, to, escapes),
            None => words::ordinary(line, from, to),
        };
        if words.is_empty() {
            return;
        }
        let statement = Statement { words, block: None, line: text.to_owned(), ours: line.ours };
        self.level().push(statement);
    }

    fn open(&mut self, span: Span, diagnostics: &mut Diagnostics) {
        match self.level().last() {
            Some(statement) if statement.block.is_none() => {
                let open = Open {
                    span: statement.span(),
                    keyword: statement.keyword().to_owned(),
                    statements: Vec::new(),
                };
                self.open.push(open);
            }
            _ => diagnostics.push(
                Diagnostic::error(Class::Complaint, "unexpected-brace", "a `{` without a keyword").at(span),
            ),
        }
    }

    fn close(&mut self, span: Span, diagnostics: &mut Diagnostics) {
        match self.open.pop() {
            Some(open) => self.put_back(open.statements),
            None => diagnostics.push(
                Diagnostic::error(Class::Complaint, "surplus-brace", "a `}` without a block to close")
                    .at(span),
            ),
        }
    }
}
