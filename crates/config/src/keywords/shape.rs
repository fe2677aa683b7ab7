//! What may follow a keyword.

use super::Block;
use crate::text::Escapes;

/// The arguments of a keyword.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// None at all.
    Empty,
    /// `on`, `off`, `true`, `false`, `yes`, `no`; none at all is `on`.
    Boolean,
    /// A whole number in a range.
    Number(i64, i64),
    /// Seconds with up to six decimals; the range is in microseconds.
    Seconds(u64, u64),
    /// Milliseconds with up to three decimals; the range is in milliseconds.
    Milliseconds(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words, or none.
    MaybeOf(&'static [&'static str]),
    /// One word.
    One(Kind),
    /// One word or none.
    Maybe(Kind),
    /// From so many words to so many.
    Between(usize, usize),
    /// A command line, then perhaps a user and a group; split shell-like.
    Command,
    /// The same, or nothing.
    OptionalCommand,
    /// A command line whose backslashes are kept for the program.
    KeptCommand,
    /// A regular expression; split shell-like.
    Regex,
    /// A block.
    Opens(Naming, &'static Block),
    /// No statement: a part of the line pipeline.
    Syntax,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A name given elsewhere, or given here.
    Name,
    /// An IP address.
    Address,
    /// A network interface.
    Interface,
    /// A path.
    Path,
}

/// What stands between the keyword of a block and its brace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Nothing.
    Unnamed,
    /// A name.
    Named,
    /// Address and port, or `fwmark N`, or `group NAME`.
    Service,
}

/// Any number of words.
pub(super) const MANY: usize = usize::MAX;
/// keepalived reads most numbers as unsigned 32 bits.
pub(super) const MOST: i64 = u32::MAX as i64;
/// The smallest number of 32 bits with a sign.
pub(super) const LEAST: i64 = i32::MIN as i64;
/// One second, in microseconds.
pub(super) const SECOND: u64 = 1_000_000;
/// keepalived counts timers in microseconds of 32 bits: 4294.967295 s.
pub(super) const LONGEST: u64 = u32::MAX as u64;

impl Shape {
    /// How many words it needs at least.
    #[must_use]
    pub fn least(self) -> usize {
        match self {
            Self::Empty
            | Self::Boolean
            | Self::MaybeOf(_)
            | Self::Maybe(_)
            | Self::OptionalCommand
            | Self::Syntax => 0,
            Self::Number(..)
            | Self::Seconds(..)
            | Self::Milliseconds(..)
            | Self::OneOf(_)
            | Self::One(_)
            | Self::Command
            | Self::KeptCommand
            | Self::Regex => 1,
            Self::Between(least, _) => least,
            Self::Opens(naming, _) => usize::from(naming != Naming::Unnamed),
        }
    }

    /// How many words it takes at most.
    #[must_use]
    pub fn most(self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Boolean
            | Self::Number(..)
            | Self::Seconds(..)
            | Self::Milliseconds(..)
            | Self::OneOf(_)
            | Self::MaybeOf(_)
            | Self::One(_)
            | Self::Maybe(_)
            | Self::Regex => 1,
            // Without quotes all of the line may be meant as the command; whoever reads it knows more.
            Self::Command | Self::OptionalCommand | Self::KeptCommand | Self::Syntax => MANY,
            Self::Between(_, most) => most,
            Self::Opens(Naming::Unnamed, _) => 0,
            Self::Opens(Naming::Named, _) => 1,
            Self::Opens(Naming::Service, _) => 2,
        }
    }

    /// Whether the words are split shell-like, and what becomes of backslashes then.
    #[must_use]
    pub fn escapes(self) -> Option<Escapes> {
        match self {
            Self::Command | Self::OptionalCommand | Self::Regex => Some(Escapes::Process),
            Self::KeptCommand => Some(Escapes::Keep),
            _ => None,
        }
    }

    /// The block that it opens.
    #[must_use]
    pub fn block(self) -> Option<&'static Block> {
        match self {
            Self::Opens(_, block) => Some(block),
            _ => None,
        }
    }
}
