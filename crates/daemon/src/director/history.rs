//! What happened, for `mainstay why` and `mainstay events`: the newest, of both processes; and, if the configuration names
//! one, in a file, from which a successor takes them up.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use mainstay_control::{Happening, Level};

use super::ledger::{self, Ledger};

/// How many are kept.
const KEPT: usize = 10_000;

/// The newest events, oldest first.
#[derive(Debug, Default)]
pub struct History {
    happenings: VecDeque<Happening>,
    ledger: Option<Ledger>,
}

impl History {
    /// Appends to this file from now on. At the beginning, what it holds is what happened before.
    pub fn follow(&mut self, path: Option<&Path>) {
        if self.ledger.as_ref().map(Ledger::path) == path {
            return;
        }
        // It writes what waits first.
        self.ledger = None;
        let Some(path) = path else { return };
        if self.happenings.is_empty() {
            self.happenings = ledger::newest(path, KEPT).into();
        }
        match Ledger::open(path) {
            Ok(ledger) => self.ledger = Some(ledger),
            Err(error) => {
                tracing::error!("event_file {}: {error}; events are kept in memory only", path.display())
            }
        }
    }

    /// Something happened now.
    pub fn note(&mut self, subject: String, level: Level, text: String) {
        self.keep(Happening { at_ms: now_ms(), subject, level, text });
    }

    /// Something happened elsewhere.
    pub fn keep(&mut self, happening: Happening) {
        if self.happenings.len() >= KEPT {
            let _ = self.happenings.pop_front();
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.write(&happening);
        }
        self.happenings.push_back(happening);
    }

    /// The newest, at most so many, oldest first; only those about a name, if there is one.
    pub fn newest(&self, about: Option<&str>, last: usize) -> Vec<Happening> {
        let concerns = |happening: &&Happening| {
            about.is_none_or(|name| happening.subject == name || mentions(&happening.text, name))
        };
        let mut found: Vec<_> = self.happenings.iter().rev().filter(concerns).take(last).cloned().collect();
        found.reverse();
        found
    }
}

/// Whether a text has this name in it as a word of its own: `web1` is not `web10`.
fn mentions(text: &str, name: &str) -> bool {
    let is_part =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || "_-".contains(letter));
    text.match_indices(name).any(|(at, _)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + name.len()..].chars().next())
    })
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_a_name_is_found_and_what_only_begins_like_it_is_not() {
        let mut history = History::default();
        for (subject, text) in [
            ("web1", "(web1) Entering MASTER STATE"),
            ("web10", "(web10) Entering BACKUP STATE"),
            ("script chk", "VRRP_Script(chk) failed"),
            ("G", "VRRP_Group(G) Syncing instances with web1"),
        ] {
            history.note(subject.into(), Level::Info, text.into());
        }
        let about =
            |name: &str| history.newest(Some(name), 9).into_iter().map(|one| one.subject).collect::<Vec<_>>();
        assert_eq!(about("web1"), ["web1", "G"]);
        assert_eq!(about("chk"), ["script chk"]);
        assert_eq!(about("script chk"), ["script chk"]);
        assert_eq!(history.newest(None, 2).len(), 2);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut history = History::default();
        for number in 0..KEPT + 3 {
            history.note(String::new(), Level::Info, number.to_string());
        }
        assert_eq!(history.happenings.len(), KEPT);
        assert_eq!(history.newest(None, KEPT)[0].text, "3");
    }
}
