//! What came of all questions so far, for metrics. It decides nothing.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::outcome::Outcome;
use super::plan::CheckerKind;
use super::report::CheckTally;
use crate::histogram::Histogram;

/// Counts by kind of check. There are ten kinds and ten results: it stays small whatever is configured.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    kinds: BTreeMap<&'static str, Kind>,
}

#[derive(Debug, Clone, Default)]
struct Kind {
    took: Histogram,
    results: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// An answer came.
    pub(super) fn count(&mut self, kind: &CheckerKind, outcome: &Outcome) {
        let tally = self.kinds.entry(kind.keyword()).or_default();
        let count = tally.results.entry(outcome.word()).or_default();
        *count = count.saturating_add(1);
        // How long a script runs says nothing of its server, and is not measured.
        if let (Outcome::Passed { took }, CheckerKind::Exchange(_) | CheckerKind::Urls { .. }) =
            (outcome, kind)
        {
            tally.took.count(*took);
        }
    }

    /// The counts.
    pub(super) fn report(&self) -> Vec<CheckTally> {
        let kinds = self.kinds.iter().map(|(kind, tally)| CheckTally {
            kind: String::from(*kind),
            took: tally.took,
            results: tally.results.iter().map(|(word, count)| (String::from(*word), *count)).collect(),
        });
        kinds.collect()
    }
}
