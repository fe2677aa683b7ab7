//! The one table of keywords: it drives the structure check, "did you mean", the manual and the coverage report.
//!
//! Its source of truth for keepalived's own words is `reference/keywords.tsv` (keepalived 2.4.3); a test compares the
//! two row by row. Usage, default and meaning are the reference's words; [`Shape`] is the typed form of the usage.
//!
//! The tables: `root`, `global`, `instance`, `tracking`, `bfd`, `server`, `checkers`, the lines of
//! `lines`, our own words in `ours`, and the words of the past in `history`.

mod bfd;
mod checkers;
mod global;
pub(crate) mod history;
mod instance;
mod lines;
mod ours;
mod root;
mod server;
mod shape;
mod tracking;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use self::shape::{Kind, Naming, Shape};

/// One word of the language, or one option of a line.
#[derive(Debug, Clone, Copy)]
pub struct Keyword {
    /// As written in the file; `a|b` where an option of a line has two spellings, `<IPADDR>` where it is no fixed word.
    pub name: &'static str,
    /// What may follow.
    pub shape: Shape,
    /// What may follow, as a manual writes it.
    pub usage: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it is for, in a few words.
    pub meaning: &'static str,
    /// Which part of the daemon it is for.
    pub subsystem: &'static str,
    /// How it stands with the word.
    pub status: Status,
}

/// How it stands with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Current,
    /// Still read; the other word is to be written instead.
    Deprecated(&'static str),
    /// Another spelling of a word, as good as it.
    SynonymOf(&'static str),
    /// In keepalived's manual, but not in its parser.
    OnlyInTheManual,
    /// A word of Mainstay's own.
    Ours,
    /// A word of Mainstay's own that is read and has no effect yet.
    Planned,
}

/// What may stand in a block.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Its contents.
    pub contents: Contents,
}

/// The contents of a block.
#[derive(Debug, Clone, Copy)]
pub enum Contents {
    /// Statements with these keywords.
    Keywords(&'static [&'static [Keyword]]),
    /// Lines of their own form, with these options.
    Lines(&'static [&'static [Keyword]]),
}

/// A block of names, addresses or the like, one a line.
static NAMES: Block = Block { contents: Contents::Lines(&[]) };

const fn row(
    name: &'static str,
    shape: Shape,
    usage: &'static str,
    default: &'static str,
    subsystem: &'static str,
    meaning: &'static str,
) -> Keyword {
    Keyword { name, shape, usage, default, meaning, subsystem, status: Status::Current }
}

/// An option of a line: how many words it takes is the business of whoever reads the line.
const fn option(
    name: &'static str,
    usage: &'static str,
    default: &'static str,
    subsystem: &'static str,
    meaning: &'static str,
) -> Keyword {
    row(name, Shape::Syntax, usage, default, subsystem, meaning)
}

impl Keyword {
    const fn with(self, status: Status) -> Self {
        Self { status, ..self }
    }

    const fn deprecated(self, instead: &'static str) -> Self {
        self.with(Status::Deprecated(instead))
    }

    const fn synonym_of(self, word: &'static str) -> Self {
        self.with(Status::SynonymOf(word))
    }

    const fn only_in_the_manual(self) -> Self {
        self.with(Status::OnlyInTheManual)
    }

    const fn ours(self) -> Self {
        self.with(Status::Ours)
    }

    const fn planned(self) -> Self {
        self.with(Status::Planned)
    }

    /// Whether keepalived does not know it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self.status, Status::Ours | Status::Planned)
    }

    /// How it is written with its arguments.
    #[must_use]
    pub fn synopsis(&self) -> String {
        match self.usage {
            "(none)" | "(flag)" => self.name.to_owned(),
            usage => format!("{} {usage}", self.name),
        }
    }
}

impl Block {
    /// The keywords of the block, or the options of its lines.
    pub fn keywords(&self) -> impl Iterator<Item = &'static Keyword> + use<> {
        let (Contents::Keywords(tables) | Contents::Lines(tables)) = self.contents;
        tables.iter().flat_map(|table| table.iter())
    }

    /// Whether it holds lines rather than statements with keywords.
    #[must_use]
    pub fn is_lines(&self) -> bool {
        matches!(self.contents, Contents::Lines(_))
    }

    /// The keyword of a statement in the block. What belongs to the line pipeline is no statement.
    #[must_use]
    pub fn find(&self, word: &str) -> Option<&'static Keyword> {
        let Contents::Keywords(tables) = self.contents else { return None };
        // A block has 3 to 140 words; comparing lengths first makes this as fast as a hash.
        let found = tables.iter().flat_map(|table| table.iter()).find(|keyword| keyword.name == word);
        found.filter(|keyword| !matches!(keyword.shape, Shape::Syntax))
    }
}

/// The file itself: what may stand outside all blocks.
#[must_use]
pub fn root() -> &'static Block {
    &root::BLOCK
}

/// The whole table: each keyword with the path of its block (`vrrp_instance/virtual_routes`; the file is `(root)`).
#[must_use]
pub fn rows() -> Vec<(String, &'static Keyword)> {
    fn add(path: &str, block: &'static Block, out: &mut Vec<(String, &'static Keyword)>) {
        for keyword in block.keywords() {
            out.push((path.to_owned(), keyword));
            if let Some(inner) = keyword.shape.block() {
                let inner_path =
                    if path == ROOT { keyword.name.to_owned() } else { format!("{path}/{}", keyword.name) };
                add(&inner_path, inner, out);
            }
        }
    }
    let mut out = Vec::with_capacity(1_000);
    add(ROOT, root(), &mut out);
    out
}

/// The path of the file itself.
pub const ROOT: &str = "(root)";

/// The blocks in which a word is a keyword, by path.
pub(crate) fn places_of(word: &str) -> &'static [String] {
    static PLACES: LazyLock<HashMap<&'static str, Vec<String>>> = LazyLock::new(|| {
        let mut places: HashMap<&'static str, Vec<String>> = HashMap::new();
        for (path, keyword) in rows() {
            if !matches!(keyword.shape, Shape::Syntax) {
                places.entry(keyword.name).or_default().push(path);
            }
        }
        places
    });
    PLACES.get(word).map_or(&[], Vec::as_slice)
}

/// Every keyword of keepalived's, wherever it belongs.
pub(crate) fn every_name() -> impl Iterator<Item = &'static str> {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let keywords = rows().into_iter().map(|(_, keyword)| keyword);
        let mut names: Vec<_> = keywords
            .filter(|keyword| !keyword.is_ours() && !matches!(keyword.shape, Shape::Syntax))
            .map(|keyword| keyword.name)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    });
    NAMES.iter().copied()
}
