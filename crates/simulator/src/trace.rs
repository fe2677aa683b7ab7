//! What is told of a run: nothing, or one readable line for each thing that happens; and always a hash of everything.

use crate::moment::Moment;

/// Where the lines go.
#[derive(Debug, Default)]
pub struct Trace {
    mode: Mode,
    hash: u64,
    lines: Vec<String>,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It is not made.
    #[default]
    Silent,
    /// It is kept.
    Kept,
    /// It is printed.
    Printed,
}

impl Trace {
    /// A trace of this kind.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Adds a number to the hash.
    pub const fn mix(&mut self, number: u64) {
        // FNV-1a over words: order matters, and that is all that is asked of it.
        self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    /// Tells of something.
    pub fn tell(&mut self, now: Moment, line: impl FnOnce() -> String) {
        match self.mode {
            Mode::Silent => {}
            Mode::Kept => self.lines.push(format!("{now} {}", line())),
            Mode::Printed => println!("{now} {}", line()),
        }
    }

    /// The hash of everything so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The kept lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
