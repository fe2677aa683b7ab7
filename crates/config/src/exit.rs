//! keepalived's exit codes for `-t`, and Mainstay's for `mainstay check`.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | nothing to complain about |
//! | 2 | keepalived would stop reading (a missing argument), or there is no file: DIFFERS, keepalived says 0 |
//! | 5 | complaints; also a script of `notify*` that cannot run: DIFFERS, keepalived says nothing |
//! | 6 | scripts run unprotected; wins over 5, loses to 2 (seen in `verdicts.tsv`) |
//!
//! A daemon that finds no file at all exits with 6, as keepalived's does; that is not decided here.

use crate::diagnostic::{Class, Diagnostic};

/// What keepalived says nothing about and yet must not pass a check.
const OURS: [&str; 2] = ["notify-script-missing", "notify-script-user"];

/// The code of the one diagnostic after which there is nothing to start with.
const NO_FILE: &str = "unreadable-file";

/// Exit code of `mainstay check` and `-t`.
#[must_use]
pub fn exit_code(diagnostics: &[Diagnostic]) -> u8 {
    match diagnostics.iter().map(class).max().unwrap_or(Class::Silent) {
        Class::Silent => 0,
        Class::Complaint => 5,
        Class::ScriptSecurity => 6,
        Class::Abort => 2,
    }
}

/// Whether the daemon starts: with everything but the absence of a file.
///
/// DIFFERS: keepalived stops for a missing argument, an unknown interface, two instances of one VRID and more; Mainstay
/// leaves out the line or the instance.
#[must_use]
pub fn would_start(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().all(|diagnostic| diagnostic.code != NO_FILE)
}

fn class(diagnostic: &Diagnostic) -> Class {
    if OURS.contains(&diagnostic.code) { diagnostic.class.max(Class::Complaint) } else { diagnostic.class }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(class: Class) -> Diagnostic {
        Diagnostic::warning(class, "test", "test")
    }

    #[test]
    fn script_security_wins_over_complaints_and_loses_to_an_abort() {
        assert_eq!(exit_code(&[]), 0);
        assert_eq!(exit_code(&[of(Class::Silent)]), 0);
        assert_eq!(exit_code(&[of(Class::Silent), of(Class::Complaint)]), 5);
        assert_eq!(exit_code(&[of(Class::ScriptSecurity), of(Class::Complaint)]), 6);
        assert_eq!(exit_code(&[of(Class::Abort), of(Class::ScriptSecurity)]), 2);
    }

    #[test]
    fn a_notify_script_that_cannot_run_does_not_pass_a_check() {
        let missing = Diagnostic::warning(Class::Silent, "notify-script-missing", "test");
        assert_eq!(exit_code(&[missing]), 5);
    }

    #[test]
    fn only_the_absence_of_a_file_keeps_from_starting() {
        assert!(would_start(&[of(Class::Abort)]));
        assert!(!would_start(&[Diagnostic::error(Class::Abort, "unreadable-file", "test")]));
    }
}
