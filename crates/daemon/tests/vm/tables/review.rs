//! The reviewed list: where our tables differ from keepalived's, and why that is right.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::comparison::Found;
use super::subject::Subject;

/// What the list says of one moment of one file.
#[derive(Debug)]
struct Entry {
    /// How many lines only we have.
    ours: usize,
    /// How many lines only keepalived has.
    theirs: usize,
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
            let count = |field: &str| field.parse().with_context(|| format!("a count is wanted: {line}"));
            let entry = Entry { ours: count(ours)?, theirs: count(theirs)? };
            let before = entries.insert((file.to_owned(), moment.to_owned()), entry);
            ensure!(before.is_none(), "twice in the list: {line}");
        }
        Ok(Self { entries })
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
            Some(entry) if (entry.ours, entry.theirs) == (ours.len(), theirs.len()) => None,
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

    /// Entries of compared folders that nothing was compared for.
    pub fn rest(self, subjects: &[Subject]) -> Vec<String> {
        let folder = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
        let folders: Vec<_> = subjects.iter().map(|subject| folder(&subject.to_string())).collect();
        let rest = self.entries.into_keys().filter(|(file, _)| folders.contains(&folder(file)));
        rest.map(|(file, moment)| format!("{file}\t{moment}\tlisted, but not compared")).collect()
    }
}

/// Lines of a difference that are shown.
const MOST_LINES: usize = 12;
