//! Builds the tree out of what the line pipeline delivers, and checks its structure against the keyword table.
//!
//! It never gives up. A block that nobody knows is skipped as a whole; a brace that is missing or left over is reported
//! with the block that it belongs to, and reading goes on where the author most probably is.

use super::check;
use super::{Span, Statement};
use crate::diagnostic::{Class, Diagnostic, Diagnostics};
use crate::keywords::{self, Block, Keyword, Naming, Shape};
use crate::text::Receiver;
use crate::text::line::Line;
use crate::text::words;

/// Blocks may be nested this deep; the language needs five levels.
const DEEPEST: usize = 64;

/// A tree under construction.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    /// Statements at the level of the file.
    root: Vec<Statement>,
    /// The blocks that are open, the outermost first.
    open: Vec<Open>,
    /// What was read last, while a `{` may still follow.
    pending: Pending,
    /// How many blocks deeper than [`DEEPEST`] are open; what is in them is left out.
    beyond: usize,
    /// A block that was closed by a `}` which stands under an outer one.
    suspicion: Option<Suspicion>,
}

/// An open block.
#[derive(Debug)]
struct Open {
    /// Where its keyword stands.
    span: Span,
    /// Its keyword as it is written.
    word: String,
    /// What may stand in it.
    inside: Inside,
    /// Its statement, and what was read of its block so far; `None` in a block that is not kept.
    statement: Option<(Statement, Vec<Statement>)>,
}

/// What may stand in an open block.
#[derive(Debug, Clone, Copy)]
enum Inside {
    /// What the table says.
    Known(&'static Block),
    /// Anything: the block is skipped.
    Skipped,
    /// Whatever may stand around it: a `{` without a keyword.
    Same,
}

/// What was read last.
#[derive(Debug, Default)]
enum Pending {
    /// Nothing that a `{` could belong to.
    #[default]
    Nothing,
    /// A statement that opens this block; not in the tree yet.
    Opener(Statement, &'static Block),
    /// A complete statement, the last one of the innermost block.
    Complete(&'static Keyword),
    /// A line in a block of lines, the last one of the innermost block.
    Line,
    /// A statement with a word that is unknown in its block; not in the tree.
    Unknown(Statement),
    /// A statement that was left out and reported, or one in a block that is skipped.
    LeftOut(Statement),
}

/// A `}` whose indentation says that an inner `}` is missing.
#[derive(Debug)]
struct Suspicion {
    /// The block that it closed.
    closed: (Span, String),
    /// The `}`.
    brace: Span,
    /// The block that it stands under.
    under: (Span, String),
}

impl Builder {
    /// The statements of the file. Blocks that are still open are closed, with a complaint.
    pub fn finish(mut self, diagnostics: &mut Diagnostics) -> Vec<Statement> {
        self.settle(diagnostics);
        if !self.open.is_empty() {
            self.close_down_to(0, "the end of the file", diagnostics);
        }
        self.root
    }

    /// What may stand at this place; `None` in a skipped block.
    fn block(&self) -> Option<&'static Block> {
        self.block_of_level(self.open.len())
    }

    /// What may stand in the block that `depth` blocks are around.
    fn block_of_level(&self, depth: usize) -> Option<&'static Block> {
        for open in self.open[..depth].iter().rev() {
            match open.inside {
                Inside::Known(block) => return Some(block),
                Inside::Skipped => return None,
                Inside::Same => {}
            }
        }
        Some(keywords::root())
    }

    fn statements(&mut self) -> &mut Vec<Statement> {
        for open in self.open.iter_mut().rev() {
            if let Some((_, statements)) = &mut open.statement {
                return statements;
            }
        }
        &mut self.root
    }

    /// Reports what turned out to be wrong with the last statement, now that no `{` followed.
    fn settle(&mut self, diagnostics: &mut Diagnostics) {
        match std::mem::take(&mut self.pending) {
            Pending::Opener(statement, _) => diagnostics.push(
                Diagnostic::error(
                    Class::Complaint,
                    "missing-block",
                    format!("`{}` has no block", statement.keyword()),
                )
                .at(statement.span())
                .because("expected a `{` after it; it is left out"),
            ),
            Pending::Unknown(statement) => self.report_unknown(&statement, false, diagnostics),
            Pending::Nothing | Pending::Complete(_) | Pending::Line | Pending::LeftOut(_) => {}
        }
    }

    fn report_unknown(&self, statement: &Statement, with_block: bool, diagnostics: &mut Diagnostics) {
        if let Some(block) = self.block() {
            let path: Vec<&str> = self.open.iter().map(|open| open.word.as_str()).collect();
            diagnostics.push_with("unknown-keyword", || check::unknown(statement, block, &path, with_block));
        }
    }

    /// A statement at a place where the table knows the keywords.
    fn statement(
        &mut self,
        line: &Line<'_>,
        from: usize,
        to: usize,
        block: &'static Block,
        diagnostics: &mut Diagnostics,
    ) {
        let text = &line.text[from..to];
        let word = check::first_word(text);
        let Some(keyword) = block.find(word) else {
            self.pending = Pending::Unknown(ordinary(line, from, to));
            return;
        };
        let words = match keyword.shape.escapes() {
            Some(escapes) => words::shell_like(line, from, to, escapes),
            None => words::ordinary(line, from, to),
        };
        let ours = line.ours || keyword.is_ours();
        let statement = Statement { words, block: None, line: text.to_owned(), ours };
        if let Some(complaint) = check::arguments(&statement, keyword) {
            let left_out = complaint.severity == crate::Severity::Error;
            diagnostics.push(complaint);
            if left_out {
                self.pending = Pending::LeftOut(statement);
                return;
            }
        }
        if let Some(remark) = check::status(&statement, keyword) {
            diagnostics.push(remark);
        }
        self.pending = match keyword.shape {
            Shape::Opens(_, inner) => Pending::Opener(statement, inner),
            _ => {
                self.statements().push(statement);
                Pending::Complete(keyword)
            }
        };
    }

    /// Whether a statement can only belong to an outer block, so that a `}` is missing. Gives how many blocks stay open.
    ///
    /// It must be known out there and not here, open a block or end a block of lines, and not be indented deeper than
    /// the block that would end before it.
    fn belongs_outside(&self, word: &str, span: Span, opens: bool) -> Option<usize> {
        if self.block().is_some_and(|block| block.find(word).is_some()) {
            return None;
        }
        (0..self.open.len()).rev().find(|depth| {
            let ends = &self.open[*depth];
            let near = span.column <= ends.span.column;
            let known = self.block_of_level(*depth).and_then(|block| block.find(word));
            near && known.is_some_and(|keyword| keyword.shape.block().is_some() == opens)
        })
    }

    /// Closes blocks until `depth` are open, and says which `}` is missing.
    fn close_down_to(&mut self, depth: usize, before: &str, diagnostics: &mut Diagnostics) {
        let mut suspicion = self.suspicion.take();
        while self.open.len() > depth {
            let Some(open) = self.open.pop() else { return };
            let suspected = suspicion.take_if(|suspicion| suspicion.under.0 == open.span);
            diagnostics.push(match suspected {
                Some(Suspicion { closed, brace, under }) => missing_brace(closed.0, &closed.1).because(format!(
                    "the `}}` in line {} closes it, but stands under `{}` of line {}, which is not closed before {before}",
                    brace.line, under.1, under.0.line
                )),
                None => missing_brace(open.span, &open.word).because(format!("expected a `}}` before {before}")),
            });
            self.put_back(open);
        }
    }

    /// Gives the statement of a block its contents and puts it in its place.
    fn put_back(&mut self, open: Open) {
        if let Some((mut statement, statements)) = open.statement {
            statement.block = Some(statements);
            self.statements().push(statement);
        }
    }

    fn push_open(&mut self, statement: Statement, block: &'static Block) {
        let (span, word) = (statement.span(), statement.keyword().to_owned());
        let inside = Inside::Known(block);
        self.open.push(Open { span, word, inside, statement: Some((statement, Vec::new())) });
    }

    fn push_skipped(&mut self, span: Span, word: String) {
        self.open.push(Open { span, word, inside: Inside::Skipped, statement: None });
    }
}

fn missing_brace(span: Span, word: &str) -> Diagnostic {
    Diagnostic::error(Class::Complaint, "missing-brace", format!("the block of `{word}` is not closed"))
        .at(span)
}

fn ordinary(line: &Line<'_>, from: usize, to: usize) -> Statement {
    let words = words::ordinary(line, from, to);
    Statement { words, block: None, line: line.text[from..to].to_owned(), ours: line.ours }
}

impl Receiver for Builder {
    fn text(&mut self, line: &Line<'_>, from: usize, to: usize, diagnostics: &mut Diagnostics) {
        if self.beyond > 0 {
            return;
        }
        let word = check::first_word(&line.text[from..to]);
        // A forgotten `{`: what follows is known in the block that was announced, and not here.
        if let Pending::Opener(statement, inner) = &self.pending {
            let fits_inside = inner.find(word).is_some() || (inner.is_lines() && self.block().is_some());
            let fits_here = self.block().is_some_and(|block| block.find(word).is_some());
            if fits_inside && !fits_here {
                diagnostics.push(
                    Diagnostic::error(
                        Class::Complaint,
                        "missing-block",
                        format!("`{}` has no `{{`", statement.keyword()),
                    )
                    .at(statement.span())
                    .because("what follows is read as its block"),
                );
                if let Pending::Opener(statement, inner) = std::mem::take(&mut self.pending) {
                    self.push_open(statement, inner);
                }
            }
        }
        self.settle(diagnostics);
        match self.block() {
            None => self.pending = Pending::LeftOut(ordinary(line, from, to)),
            Some(block) if block.is_lines() => {
                let span = line.span(from, from + word.len());
                match self.belongs_outside(word, span, false) {
                    // Nothing but the end of this very block of lines can have been forgotten.
                    Some(depth) if depth + 1 == self.open.len() => {
                        self.close_down_to(depth, &format!("line {}", span.line), diagnostics);
                        if let Some(block) = self.block() {
                            self.statement(line, from, to, block, diagnostics);
                        }
                    }
                    _ => {
                        let statement = ordinary(line, from, to);
                        self.statements().push(statement);
                        self.pending = Pending::Line;
                    }
                }
            }
            Some(block) => self.statement(line, from, to, block, diagnostics),
        }
    }

    fn open(&mut self, span: Span, diagnostics: &mut Diagnostics) {
        if self.open.len() >= DEEPEST {
            if self.beyond == 0 {
                let message = format!("blocks nested more than {DEEPEST} deep");
                diagnostics.push(Diagnostic::error(Class::Complaint, "nested-too-deep", message).at(span));
            }
            self.beyond += 1;
            return;
        }
        let pending = match std::mem::take(&mut self.pending) {
            Pending::Line => match self.statements().pop() {
                Some(statement) => Pending::Unknown(statement),
                None => Pending::Nothing,
            },
            other => other,
        };
        let statement = match pending {
            Pending::Opener(statement, inner) => return self.push_open(statement, inner),
            Pending::Complete(keyword) => {
                diagnostics.push(
                    Diagnostic::error(
                        Class::Complaint,
                        "unexpected-brace",
                        format!("`{}` takes no block", keyword.name),
                    )
                    .at(span)
                    .because("the block is skipped"),
                );
                return self.push_skipped(span, keyword.name.to_owned());
            }
            Pending::Nothing | Pending::Line if self.block().is_none() => {
                return self.push_skipped(span, "{".to_owned());
            }
            Pending::Nothing | Pending::Line => {
                let doubled = self.open.last().is_some_and(|open| {
                    matches!(open.inside, Inside::Same) && open.span.to(span).length == 2
                });
                if !doubled {
                    diagnostics.push(
                        Diagnostic::error(Class::Complaint, "unexpected-brace", "a `{` without a keyword")
                            .at(span)
                            .because("it is ignored, and so is its `}`"),
                    );
                }
                self.open.push(Open { span, word: "{".to_owned(), inside: Inside::Same, statement: None });
                return;
            }
            Pending::Unknown(statement) | Pending::LeftOut(statement) => statement,
        };
        let unknown_here = self.block().is_none_or(|block| block.find(statement.keyword()).is_none());
        if unknown_here && let Some(depth) = self.belongs_outside(statement.keyword(), statement.span(), true)
        {
            let before = format!("`{}` in line {}", statement.keyword(), statement.span().line);
            self.close_down_to(depth, &before, diagnostics);
            let found = self.block().and_then(|block| block.find(statement.keyword()));
            if let Some((keyword, inner)) = found.and_then(|keyword| Some((keyword, keyword.shape.block()?)))
            {
                match check::arguments(&statement, keyword) {
                    None => return self.push_open(statement, inner),
                    Some(complaint) => diagnostics.push(complaint),
                }
            }
        } else if unknown_here {
            // DIFFERS: keepalived reads what is in the braces as if it stood outside, and takes the `}` for the end of
            // the block around it.
            self.report_unknown(&statement, true, diagnostics);
        }
        self.push_skipped(statement.span(), statement.keyword().to_owned());
    }

    fn close(&mut self, span: Span, diagnostics: &mut Diagnostics) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        self.settle(diagnostics);
        let Some(open) = self.open.pop() else {
            diagnostics.push(
                Diagnostic::error(Class::Complaint, "surplus-brace", "a `}` without a block to close")
                    .at(span),
            );
            return;
        };
        if open.span.file == span.file && open.span.line != span.line && open.span.column > span.column {
            let under = self.open.iter().rev().find(|outer| outer.span.column == span.column);
            if let Some(under) = under.filter(|under| under.span.file == span.file) {
                self.suspicion = Some(Suspicion {
                    closed: (open.span, open.word.clone()),
                    brace: span,
                    under: (under.span, under.word.clone()),
                });
            }
        }
        self.put_back(open);
    }
}

/// Named blocks may be opened without a name; they are left out then, since nothing can refer to them.
pub(super) fn takes_name(keyword: &Keyword) -> bool {
    matches!(keyword.shape, Shape::Opens(Naming::Named, _))
}
