//! The simulator's part of `cargo xtask test`: the same seeds every time, and some that nobody has run.
//!
//! Seeds from the clock would find more, and fail a gate for what its commit did not do. So the fresh ones are made from
//! the sources of the protocol and of the simulator: each change of them meets other seeds, and a gate that failed fails
//! again until it is mended.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::steps::{Count, check};
use crate::{cargo, tidy};

/// The same every time: about half a minute on two cores.
const FIXED: [&str; 5] = ["--everything", "--seeds", "20000", "--node-hours", "5000"];

/// Fresh seeds: about as long again.
const FRESH_SEEDS: &str = "20000";

/// What makes seeds fresh when it changes.
const SOURCES: [&str; 2] = ["crates/core/src", "crates/simulator/src"];

/// Runs both; two checks.
///
/// # Errors
/// Fails if the simulator cannot be built, or shows a violation.
pub fn run(root: &Path) -> Result<Count> {
    check(simulator(root).args(FIXED))?;
    let first = fresh_seed(root)?;
    println!("fresh seeds for these sources, from {first} on:");
    check(simulator(root).args(["--first", &first.to_string(), "--seeds", FRESH_SEEDS]))?;
    Ok(Count::ONE.add(Count::ONE))
}

fn simulator(root: &Path) -> Command {
    let mut command = cargo();
    command.current_dir(root).args(["run", "--release", "--quiet", "-p", "mainstay-simulator", "--"]);
    command
}

/// A first seed from the names and contents of the sources; there is room for as many seeds as anybody runs after it.
fn fresh_seed(root: &Path) -> Result<u64> {
    let files = tidy::source_files(root)?;
    let mut hash = Sha256::new();
    for file in files.iter().filter(|file| SOURCES.iter().any(|folder| file.starts_with(folder))) {
        let contents = fs::read(root.join(file)).with_context(|| format!("read {}", file.display()))?;
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update((contents.len() as u64).to_be_bytes());
        hash.update(contents);
    }
    let [a, b, c, d, ..] = hash.finalize().0;
    Ok(u64::from(u32::from_be_bytes([a, b, c, d])) << 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_source_has_other_seeds_and_an_unchanged_one_the_same() -> Result<()> {
        let root = std::env::temp_dir().join(format!("mainstay-seeds-{}", std::process::id()));
        for folder in SOURCES {
            fs::create_dir_all(root.join(folder).join("deeper"))?;
        }
        let file = root.join(SOURCES[0]).join("deeper/a.rs");
        let mut seeds = Vec::new();
        for text in ["one", "two", "one"] {
            fs::write(&file, text)?;
            seeds.push(fresh_seed(&root)?);
        }
        fs::remove_dir_all(&root)?;
        assert_eq!(seeds[0], seeds[2]);
        assert_ne!(seeds[0], seeds[1]);
        Ok(())
    }
}
