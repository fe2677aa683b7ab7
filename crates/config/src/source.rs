//! The files that were read, kept so that a diagnostic can show the line it is about.

use std::path::PathBuf;

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
    pub text: String,
}
