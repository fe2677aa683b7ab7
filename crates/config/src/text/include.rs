//! Step 6: `include` and its stricter relatives put other files in the place of a line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What an include line insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Checks {
    /// Every file found must be readable.
    pub read: bool,
    /// A name without wildcards must exist.
    pub matches: bool,
    /// A pattern with wildcards must match something.
    pub wildcard: bool,
    /// Every alternative of a `{a,b}` must match something.
    pub brace: bool,
}

impl Checks {
    /// All of them.
    pub const ALL: Self = Self { read: true, matches: true, wildcard: true, brace: true };

    /// `include_check [+|-]WORD ...`: the checks after it, or the word that is none. No word at all asks for all.
    ///
    /// DIFFERS: `readable`, keepalived's manual word for `read`, is taken too.
    pub fn changed_by<'word>(self, words: &mut dyn Iterator<Item = &'word str>) -> Result<Self, &'word str> {
        let mut checks = self;
        let mut first = true;
        for word in words {
            let (set, name) = match word.strip_prefix('-') {
                Some(name) => (false, name),
                None => (true, word.strip_prefix('+').unwrap_or(word)),
            };
            if first && !word.starts_with(['+', '-']) {
                checks = Self::default();
            }
            first = false;
            match name {
                "read" | "readable" => checks.read = set,
                "match" => checks.matches = set,
                "wildcard_match" => checks.wildcard = set,
                "brace_match" => checks.brace = set,
                _ => return Err(word),
            }
        }
        Ok(if first { Self::ALL } else { checks })
    }
}

/// An include line: which checks its own word adds, and where its pattern starts, if it has one.
pub(crate) fn parse(text: &str) -> Option<(Checks, Option<usize>)> {
    let after = text.strip_prefix("include")?;
    let none = Checks::default();
    let end = after.find([' ', '\t']).unwrap_or(after.len());
    let added = match &after[..end] {
        "" => none,
        "r" => Checks { read: true, ..none },
        "m" => Checks { matches: true, ..none },
        "w" => Checks { wildcard: true, ..none },
        "b" => Checks { brace: true, ..none },
        "a" => Checks::ALL,
        _ => return None,
    };
    let pattern = text.len() - after[end..].trim_ascii_start().len();
    Some((added, (pattern < text.len()).then_some(pattern)))
}

impl std::ops::BitOr for Checks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            read: self.read | other.read,
            matches: self.matches | other.matches,
            wildcard: self.wildcard | other.wildcard,
            brace: self.brace | other.brace,
        }
    }
}

/// Braces may make this many alternatives of one pattern.
const MOST_ALTERNATIVES: usize = 1_000;

/// A pattern may have this many braces.
const MOST_BRACES: usize = 64;

/// One pattern may match this many files.
const MOST_MATCHES: usize = 10_000;

/// What one alternative of a pattern matched.
#[derive(Debug)]
pub(crate) struct Found {
    /// The alternative, as written.
    pub pattern: String,
    /// Whether it has wildcards.
    pub wildcard: bool,
    /// What it matched, sorted by name.
    pub paths: Vec<PathBuf>,
}

/// Finds the files of an include pattern, relative to `directory`. An error is a pattern that cannot be one.
pub(crate) fn find(pattern: &str, directory: &Path) -> Result<Vec<Found>, String> {
    if pattern.matches('{').count() > MOST_BRACES {
        return Err(format!("more than {MOST_BRACES} braces"));
    }
    let mut alternatives = Vec::new();
    alternatives_of(pattern, &mut alternatives)?;
    alternatives
        .into_iter()
        .map(|alternative| {
            let wildcard = alternative.contains(['*', '?', '[']);
            let paths = if wildcard {
                glob_in(&alternative, directory)?
            } else {
                let path = directory.join(&alternative);
                // A dangling link is found and then not readable, which says more than "missing".
                if path.symlink_metadata().is_ok() { vec![path] } else { Vec::new() }
            };
            Ok(Found { pattern: alternative, wildcard, paths })
        })
        .collect()
}

fn glob_in(pattern: &str, directory: &Path) -> Result<Vec<PathBuf>, String> {
    let absolute = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        let directory = directory.to_str().ok_or("the directory's name is not UTF-8")?;
        format!("{}/{pattern}", glob::Pattern::escape(directory))
    };
    // To glob(3) `**` is `*`; to the library it would be any depth of directories.
    let mut collapsed = String::with_capacity(absolute.len());
    for c in absolute.chars() {
        if c != '*' || !collapsed.ends_with('*') {
            collapsed.push(c);
        }
    }
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let paths = glob::glob_with(&collapsed, options).map_err(|error| error.to_string())?;
    Ok(paths.filter_map(Result::ok).take(MOST_MATCHES).collect())
}

/// Expands `{a,b}` as a C shell does: the first group by every alternative, then the next.
fn alternatives_of(pattern: &str, out: &mut Vec<String>) -> Result<(), String> {
    if out.len() >= MOST_ALTERNATIVES {
        return Err(format!("more than {MOST_ALTERNATIVES} alternatives"));
    }
    let bytes = pattern.as_bytes();
    let Some(open) = pattern.find('{') else {
        out.push(pattern.to_owned());
        return Ok(());
    };
    let mut cuts = vec![open];
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    cuts.push(at);
                    break;
                }
            }
            b',' if depth == 1 => cuts.push(at),
            _ => {}
        }
    }
    if depth != 0 {
        return Err("a `{` in the name has no `}`".to_owned());
    }
    let (before, after) = (&pattern[..open], &pattern[cuts[cuts.len() - 1] + 1..]);
    for cut in cuts.windows(2) {
        alternatives_of(&format!("{before}{}{after}", &pattern[cut[0] + 1..cut[1]]), out)?;
    }
    Ok(())
}

/// A configuration file may have this many bytes.
const LARGEST_FILE: u64 = 256 << 20;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The system says no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A directory, a pipe, a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// keepalived's guard against a script taken for a configuration.
    #[error("it is executable, so probably no configuration")]
    Executable,
    /// Too large to be meant.
    #[error("it is larger than 256 MiB")]
    TooLarge,
}

/// Reads one file, if it is one that keepalived would read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Refused> {
    use std::os::unix::fs::MetadataExt as _;
    // Asked before opening: opening a pipe would stop us until somebody writes to it.
    let facts = fs::metadata(path)?;
    if !facts.is_file() {
        return Err(Refused::NotRegular);
    }
    if facts.mode() & 0o111 != 0 {
        return Err(Refused::Executable);
    }
    if facts.size() > LARGEST_FILE {
        return Err(Refused::TooLarge);
    }
    Ok(fs::read(path)?)
}
