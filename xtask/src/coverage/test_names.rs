//! The names of all tests in the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::tidy::source_files;

/// The function below every `#[test]`, whatever crate it is in.
///
/// # Errors
/// When a source cannot be read.
pub fn names(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in source_files(root)? {
        let text =
            fs::read_to_string(root.join(&file)).with_context(|| format!("read {}", file.display()))?;
        names.extend(names_in(&text));
    }
    Ok(names)
}

fn names_in(text: &str) -> Vec<String> {
    let (mut names, mut below_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            // `#[test]`, `#[tokio::test(..)]`
            let path = line.trim_start_matches("#[").split(['(', ']']).next().unwrap_or_default();
            below_test |= path == "test" || path.ends_with("::test");
        } else if let Some(name) = function(line) {
            if std::mem::take(&mut below_test) {
                names.push(name.to_owned());
            }
        } else if !line.starts_with("//") {
            below_test = false;
        }
    }
    names
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_function_below_the_attribute_is_a_test() {
        let text = "#[test]\n#[ignore = \"x\"]\nfn a() {}\nfn helper() {}\n    #[tokio::test(flavor = \"x\")]\n    // why\n    \
                    async fn b() {\n#[derive(Debug)]\nstruct C;\nfn c() {}\n#[cfg(test)]\nfn d() {}\n#[test]\nfn e(x in 0..3) {";
        assert_eq!(names_in(text), ["a", "b", "e"]);
    }
}
