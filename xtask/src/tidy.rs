//! The shape of the source, as DESIGN and STYLE want it: checked, because a rule that nobody checks is a wish.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

/// Which of our crates a crate may depend on. A crate that is not listed may not exist.
const ARROWS: [(&str, &[&str]); 9] = [
    ("mainstay-core", &[]),
    ("mainstay-agentx", &[]),
    ("mainstay-config", &["mainstay-core"]),
    ("mainstay-system", &["mainstay-core"]),
    ("mainstay-control", &["mainstay-core"]),
    ("mainstay-dataplane", &["mainstay-core"]),
    ("mainstay-simulator", &["mainstay-core", "mainstay-config"]),
    (
        "mainstay",
        &[
            "mainstay-agentx",
            "mainstay-core",
            "mainstay-config",
            "mainstay-system",
            "mainstay-control",
            "mainstay-dataplane",
        ],
    ),
    ("xtask", &[]),
];

/// Good Rust in this field sits at 100-400 lines a file; over this it is a file that ran away.
const LONGEST_FILE: usize = 900;

/// Checks everything and prints all complaints.
///
/// # Errors
/// Fails with the number of complaints.
pub fn run(root: &Path) -> Result<()> {
    let mut complaints = arrows(root)?;
    let files = source_files(root)?;
    for file in &files {
        let text = fs::read_to_string(root.join(file)).with_context(|| format!("read {}", file.display()))?;
        complaints.extend(complaints_about(file, &text));
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    if !complaints.is_empty() {
        bail!("{} complaints", complaints.len());
    }
    println!("{} files are tidy", files.len());
    Ok(())
}

/// Compares the dependencies between our crates with [`ARROWS`].
fn arrows(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec().context("cargo metadata")?;
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let used = package.dependencies.iter().map(|dependency| dependency.name.as_str());
        complaints.extend(arrows_of(name, used.filter(|used| ours.contains(used))));
    }
    Ok(complaints)
}

fn arrows_of<'a>(name: &str, used: impl Iterator<Item = &'a str>) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![format!("{name}: DESIGN knows no such crate")];
    };
    used.filter(|used| !allowed.contains(used))
        .map(|used| format!("{name} depends on {used}, which DESIGN does not allow"))
        .collect()
}

/// Every Rust file of ours, relative to the workspace.
///
/// # Errors
/// When a folder cannot be listed.
pub fn source_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders: Vec<_> = ["crates", "xtask", "fuzz"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.extend(path.strip_prefix(root).map(Path::to_owned));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What is wrong with one file.
fn complaints_about(file: &Path, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with("//!")) {
        complaints.push(format!("{}:1: does not begin with what the file is for (//!)", file.display()));
    }
    let length = text.lines().count();
    if length > LONGEST_FILE {
        complaints
            .push(format!("{}: {length} lines; over {LONGEST_FILE} is too long to read", file.display()));
    }
    let in_core = file.starts_with("crates/core/src");
    if file == Path::new("crates/core/src/lib.rs") && !text.contains("#![no_std]") {
        complaints.push(format!("{}: is no longer no_std", file.display()));
    }
    let is_test_file = file.file_name().is_some_and(|name| name == "tests.rs");
    let mut in_tests = is_test_file;
    for (number, line) in (1..).zip(text.lines()) {
        let code = code_of(line);
        let code = code.as_str();
        in_tests |= code.contains("#[cfg(test)]");
        let mut complain = |what: &str| complaints.push(format!("{}:{number}: {what}", file.display()));
        if in_core && ["HashMap", "HashSet"].iter().any(|word| has_word(code, word)) {
            complain("iterates in random order; use a BTreeMap or BTreeSet");
        }
        if in_core && !in_tests && has_word(code, "std") && code.contains("std::") {
            complain("uses std in core");
        }
        if !file.starts_with("crates/system") && has_word(code, "unsafe") {
            complain("unsafe belongs in crates/system");
        }
    }
    complaints
}

/// Whether a line has this word, not as a part of another.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let before = line[..at].chars().next_back().is_some_and(part_of_word);
        let after = line[at + word.len()..].chars().next().is_some_and(part_of_word);
        !before && !after
    })
}

/// A line of code without its comment and without what stands between quotes.
fn code_of(line: &str) -> String {
    let outside_quotes: String =
        line.replace("\\\"", "").split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    outside_quotes.split("//").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(file: &str, text: &str) -> Vec<String> {
        complaints_about(Path::new(file), text)
    }

    #[test]
    fn an_arrow_against_the_design_is_a_complaint() {
        assert!(arrows_of("mainstay-config", ["mainstay-core"].into_iter()).is_empty());
        assert_eq!(arrows_of("mainstay-core", ["mainstay-config"].into_iter()).len(), 1);
        assert_eq!(arrows_of("mainstay", ["mainstay-simulator"].into_iter()).len(), 1);
        assert_eq!(
            arrows_of("mainstay-utils", [].into_iter()).len(),
            1,
            "an unknown crate is a complaint as well"
        );
    }

    #[test]
    fn a_file_without_a_word_on_itself_is_a_complaint() {
        assert!(complaints("crates/config/src/a.rs", "//! Why.\n").is_empty());
        assert!(complaints("crates/config/src/a.rs", "\n//! Why.\n").is_empty());
        assert_eq!(complaints("crates/config/src/a.rs", "use a::b;\n//! Why.\n").len(), 1);
    }

    #[test]
    fn core_has_no_random_order_and_no_std() {
        let core = "crates/core/src/a.rs";
        assert_eq!(complaints(core, "//! Why.\nuse x::HashMap;\n").len(), 1);
        assert_eq!(complaints(core, "//! Why.\nuse std::vec;\n").len(), 1);
        assert!(complaints(core, "//! Why.\n// no HashMap, no std::vec\nuse core::fmt;\n").is_empty());
        assert!(complaints(core, "//! Why.\n#[cfg(test)]\nuse std::vec;\n").is_empty());
        assert!(
            complaints("crates/config/src/a.rs", "//! Why.\nuse std::collections::HashMap;\n").is_empty()
        );
        assert_eq!(complaints("crates/core/src/lib.rs", "//! Why.\n").len(), 1, "no_std is not to get lost");
    }

    #[test]
    fn unsafe_code_is_for_system_alone() {
        for line in
            ["unsafe { f() }", "pub unsafe fn f() {}", "unsafe impl Send for A {}", "unsafe trait A {}"]
        {
            let expected = usize::from(!line.contains('"'));
            assert_eq!(
                complaints("crates/daemon/src/a.rs", &format!("//! Why.\n{line}\n")).len(),
                expected,
                "{line}"
            );
            assert!(
                complaints("crates/system/src/a.rs", &format!("//! Why.\n{line}\n")).is_empty(),
                "{line}"
            );
        }
        for line in ["#![forbid(unsafe_code)]", "// unsafe is not for us", "say(\"unsafe { }\");"] {
            assert!(
                complaints("crates/daemon/src/a.rs", &format!("//! Why.\n{line}\n")).is_empty(),
                "{line}"
            );
        }
    }

    #[test]
    fn a_file_that_runs_away_is_a_complaint() {
        let line = "// a line\n";
        assert!(
            complaints("xtask/src/a.rs", &format!("//! Why.\n{}", line.repeat(LONGEST_FILE - 1))).is_empty()
        );
        assert_eq!(
            complaints("xtask/src/a.rs", &format!("//! Why.\n{}", line.repeat(LONGEST_FILE))).len(),
            1
        );
    }
}
