//! The files that were read, kept so that a diagnostic can show the line it is about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every file read for one configuration, in the order of first reading.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The files.
    pub files: Vec<Source>,
}

/// One file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path as it was found.
    pub path: PathBuf,
    /// Its text; bytes that are not UTF-8 were replaced.
    pub text: Arc<str>,
    /// Whether bytes had to be replaced.
    pub lossy: bool,
}

impl Sources {
    /// Adds a file, or finds it again if it was read before. Its index is what [`crate::tree::Span::file`] holds.
    pub(crate) fn add(&mut self, path: &Path, bytes: Vec<u8>) -> u32 {
        let (text, lossy) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        // Compared as bytes: comparing paths takes them apart, and a file may be included thousands of times.
        let same = |file: &Source| file.path.as_os_str() == path.as_os_str() && *file.text == *text;
        let known = self.files.iter().position(same);
        let index = known.unwrap_or_else(|| {
            self.files.push(Source { path: path.to_owned(), text: text.into(), lossy });
            self.files.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The file a span points into.
    #[must_use]
    pub fn file(&self, index: u32) -> Option<&Source> {
        self.files.get(index as usize)
    }
}

impl Source {
    /// One line, from 1, without its line end.
    #[must_use]
    pub fn line(&self, number: u32) -> Option<&str> {
        let index = (number as usize).checked_sub(1)?;
        self.text.split('\n').nth(index).map(|line| line.strip_suffix('\r').unwrap_or(line))
    }
}
