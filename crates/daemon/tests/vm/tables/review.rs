//! The reviewed list: where our tables differ from keepalived's, and why that is right.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::comparison::Found;
use super::subject::Subject;

/// What stands in the list for a moment if keepalived does not run with the file.
const REFUSED: &str = "refused";

/// What the list says of one moment of one file.
#[derive(Debug)]
struct Entry {
    /// How many lines only we have.
    ours: Lines,
    /// How many lines only keepalived has.
    theirs: Lines,
}

impl Entry {
    fn fits(&self, ours: usize, theirs: usize) -> bool {
        self.ours.fits(ours) && self.theirs.fits(theirs)
    }
}

/// How many lines a difference has: a number, or `*` where chance decides.
#[derive(Debug, Clone, Copy)]
enum Lines {
    Exactly(usize),
    Any,
}

impl Lines {
    fn parse(field: &str) -> Result<Self> {
        Ok(if field == "*" { Self::Any } else { Self::Exactly(field.parse()?) })
    }

    fn fits(self, lines: usize) -> bool {
        match self {
            Self::Exactly(number) => number == lines,
            Self::Any => true,
        }
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(number) => number.fmt(formatter),
            Self::Any => formatter.write_str("*"),
        }
    }
}

/// The list; what was judged is taken out of it.
#[derive(Debug)]
pub struct Review {
    entries: BTreeMap<(String, String), Entry>,
}

impl Review {
    /// Reads `differences.tsv`.
    pub fn read() -> Result<Self> {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/tables/differences.tsv");
        let text = std::fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
        let mut entries = BTreeMap::new();
        for line in text.lines().skip(1) {
            let [file, moment, ours, theirs, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
                bail!("five fields are wanted: {line}");
            };
            ensure!(!reason.is_empty(), "a reason is wanted: {line}");
            let count = |field: &str| {
                Lines::parse(field).with_context(|| format!("a count or `*` is wanted: {line}"))
            };
            let entry = Entry { ours: count(ours)?, theirs: count(theirs)? };
            let before = entries.insert((file.to_owned(), moment.to_owned()), entry);
            ensure!(before.is_none(), "twice in the list: {line}");
        }
        Ok(Self { entries })
    }

    /// Whether this is as the list says: equal, or different in as many lines.
    pub fn expects(&self, subject: &Subject, found: &Found) -> bool {
        match self.entries.get(&(subject.to_string(), found.moment.to_string())) {
            Some(entry) => {
                entry.fits(found.ours.without(&found.theirs).len(), found.theirs.without(&found.ours).len())
            }
            None => found.is_equal(),
        }
    }

    /// What is wrong: a difference that is not in the list as it is, or an equality where the list has a difference.
    pub fn judge(&mut self, subject: &Subject, found: &Found) -> Option<String> {
        let entry = self.entries.remove(&(subject.to_string(), found.moment.to_string()));
        let ours = found.ours.without(&found.theirs);
        let theirs = found.theirs.without(&found.ours);
        let differences = ours.iter().map(|line| format!("  ours:   {line}\n"));
        let differences = differences.chain(theirs.iter().map(|line| format!("  theirs: {line}\n")));
        let differences: String = differences.take(MOST_LINES).collect();
        if !differences.is_empty() {
            println!("{subject}\t{}\t{}\t{}\n{differences}", found.moment, ours.len(), theirs.len());
        }
        match entry {
            None if ours.is_empty() && theirs.is_empty() => None,
            Some(entry) if entry.fits(ours.len(), theirs.len()) => None,
            Some(entry) => Some(format!(
                "{subject}\t{}\tlisted with {} and {} lines, but it has {} and {}",
                found.moment,
                entry.ours,
                entry.theirs,
                ours.len(),
                theirs.len()
            )),
            None => {
                Some(format!("{subject}\t{}\t{}\t{}\n{differences}", found.moment, ours.len(), theirs.len()))
            }
        }
    }

    /// keepalived does not run with a file: what is wrong if the list does not say so.
    pub fn judge_refused(&mut self, subject: &Subject, words: &str) -> Option<String> {
        println!("{subject}\t{REFUSED}\t0\t0\tkeepalived does not run with it: {words}");
        let entry = self.entries.remove(&(subject.to_string(), REFUSED.to_owned()));
        entry.is_none().then(|| format!("{subject}: keepalived does not run with it: {words}"))
    }

    /// Entries that nothing was compared for: of compared folders, or of wanted files if only some were wanted.
    pub fn rest(self, subjects: &[Subject], wanted: &[String]) -> Vec<String> {
        let folder = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
        let folders: Vec<_> = subjects.iter().map(|subject| folder(&subject.to_string())).collect();
        let is_wanted = |file: &str| wanted.is_empty() || wanted.iter().any(|part| file.contains(part));
        let rest = self.entries.into_keys();
        let rest = rest.filter(|(file, _)| folders.contains(&folder(file)) && is_wanted(file));
        rest.map(|(file, moment)| format!("{file}\t{moment}\tlisted, but not compared")).collect()
    }
}

/// Lines of a difference that are shown.
const MOST_LINES: usize = 12;
