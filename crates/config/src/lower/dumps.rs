//! Where the files go that signals ask for, and their form.

use std::path::PathBuf;

use super::report::Report;
use super::values::{integer, required, switch};
use crate::model::{Dumps, JsonVersion};
use crate::tree::Statement;

/// Takes in one statement of `global_defs`; says whether it was one about these files.
pub(crate) fn word(dumps: &mut Dumps, report: &mut Report, statement: &Statement) -> bool {
    let place = match statement.keyword() {
        "state_dump_file" => &mut dumps.state,
        "stats_dump_file" => &mut dumps.statistics,
        "json_dump_file" => &mut dumps.json,
        "json_version" => {
            if let Some(word) = required(report, statement, "1 or 2") {
                dumps.json_version = match integer(report, word, 1..=2) {
                    Some(2) => JsonVersion::Two,
                    Some(_) => JsonVersion::One,
                    None => dumps.json_version,
                };
            }
            return true;
        }
        "data_use_instance" => {
            dumps.use_instance = switch(report, statement).unwrap_or(false);
            return true;
        }
        _ => return false,
    };
    let Some(word) = required(report, statement, "a path") else { return true };
    let path = PathBuf::from(&word.text);
    if path.is_absolute() {
        *place = Some(path);
    } else {
        report
            .complain("relative-path", word.span, format!("`{word}` does not begin with /"))
            .because("the file goes to $TMPDIR or /tmp");
    }
    true
}
