//! TREE: the file after its lines were expanded, as blocks of statements with their places. No meaning yet.
//!
//! What the tree promises to whoever reads it: every statement is a keyword that is known in its block, with at least
//! the arguments it needs, and with a block exactly if it takes one. What was not so was reported and left out.

mod build;
mod check;

use std::fmt;

pub(crate) use build::Builder;

/// A place in a source file: where a word stands, for a diagnostic.
///
/// A word that came out of a `$NAME` has the place of the reference, so that an error points at what the reader of the
/// file sees. A line out of a value of several lines has its own place in the definition: there it is to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which file: an index into [`crate::source::Sources`].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column of the first character, from 1, in bytes of the physical line.
    pub column: u32,
    /// Length in bytes of the physical line; at least 1.
    pub length: u32,
}

impl Span {
    /// From the start of this to the end of `other`, if both are on one line; else just this.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file == other.file && self.line == other.line && other.column >= self.column {
            Self { length: other.column + other.length - self.column, ..self }
        } else {
            self
        }
    }
}

/// One word of a statement: quotes removed, substitutions done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// Whether it was in quotes.
    pub quoted: bool,
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// One statement: `keyword argument ... { children }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its words, the keyword first. Never empty.
    ///
    /// For keywords whose argument is a command or a regular expression (see the keyword table) the words after the
    /// keyword were split shell-like; for all others by white space with double quotes.
    pub words: Vec<Word>,
    /// The statements between its braces; `None` if it has none.
    pub block: Option<Vec<Statement>>,
    /// The line after expansion, without the braces: what `--show` prints.
    pub line: String,
    /// Written behind `@mainstay`, or a word of our own.
    pub ours: bool,
}

impl Statement {
    /// The keyword.
    #[must_use]
    pub fn keyword(&self) -> &str {
        &self.words[0].text
    }

    /// The words after the keyword.
    #[must_use]
    pub fn arguments(&self) -> &[Word] {
        &self.words[1..]
    }

    /// The place of the keyword.
    #[must_use]
    pub fn span(&self) -> Span {
        self.words[0].span
    }

    /// The statements between its braces; empty if it has none.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or(&[])
    }
}
