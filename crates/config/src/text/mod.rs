//! TEXT: the lines of a configuration, through the pipeline of keepalived's language, in its order.
//!
//! 1. Comments (module `comment`): `#` and `!`.
//! 2. Conditions (`condition`): `@id`.
//! 3. Definitions (`definition`): `$NAME=`.
//! 4. Repetitions (`sequence`): `~SEQ`, `~LST`.
//! 5. Parameters (`replace`): `$NAME`, `${NAME}`.
//! 6. Files (`include`).
//! 7. Blocks (`brace`).
//! 8. Words (`words`): done by the receiver, since it depends on the keyword.
//!
//! The module `reader` takes every line through them.
//!
//! Everything is bounded: depth, length of a line, number of lines, and the work they make: twice the text takes twice
//! the time. The bounds are far above what real files need, and reaching one is a diagnostic.

mod brace;
mod comment;
mod condition;
mod definition;
mod include;
pub(crate) mod line;
mod random;
mod reader;
mod replace;
mod sequence;
pub(crate) mod words;

use std::path::{Path, PathBuf};

use self::line::Line;
use self::reader::Reader;
use crate::diagnostic::Diagnostics;
use crate::source::Sources;
use crate::tree::Span;
use crate::{Host, Options};

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
    let mut reader = Reader::new(config_id, host, sources, receiver, diagnostics);
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
