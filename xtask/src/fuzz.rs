//! Coverage-guided fuzzing on the stable toolchain.
//!
//! `fuzz/` is an ordinary cargo-fuzz package, and `cargo fuzz run NAME` works there for those who have it and a
//! nightly compiler. Neither is needed here: the coverage that libFuzzer asks for is a code generation flag of the
//! stable compiler; only the address sanitizer is not, and our parsers are free of unsafe code.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo;
use crate::steps::{Count, check};

/// How long each target runs unless told otherwise, in seconds.
pub const DEFAULT_SECONDS: u32 = 15;

/// Counters on every edge and operands of every comparison, as libFuzzer reads them.
const COVERAGE: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Naming the target keeps the flags away from build scripts.
fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// Builds the targets and runs each for so many seconds.
///
/// # Errors
/// Fails if a target does not build, finds an input that panics, or there is no target.
pub fn run(root: &Path, seconds: u32) -> Result<Count> {
    let folder = root.join("fuzz");
    let mut build = cargo();
    build.current_dir(&folder).args(["build", "--release", "--quiet", "--target", &target()]);
    build.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
    check(&mut build)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("fuzz_targets")).context("list fuzz targets")? {
        let path = entry.context("list fuzz targets")?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    if names.is_empty() {
        bail!("no fuzz target");
    }
    let mut count = Count::NONE;
    for name in names {
        match run_target(&folder, &name, seconds) {
            Ok(()) => count.passed += 1,
            Err(error) => {
                println!("{error:#}");
                count.failed += 1;
            }
        }
    }
    Ok(count)
}

/// Runs one target on its seeds (`fuzz/seeds/NAME`, in the repository) and what it found before (`fuzz/corpus/NAME`).
fn run_target(folder: &Path, name: &str, seconds: u32) -> Result<()> {
    let corpus = folder.join("corpus").join(name);
    let artifacts = folder.join("artifacts").join(name);
    for made in [&corpus, &artifacts] {
        fs::create_dir_all(made).with_context(|| format!("make {}", made.display()))?;
    }
    let mut command = Command::new(folder.join("target").join(target()).join("release").join(name));
    command.arg(format!("-max_total_time={seconds}")).arg("-timeout=5").arg("-verbosity=0");
    command.arg("-print_final_stats=1").arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(corpus);
    let seeds = folder.join("seeds").join(name);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    println!("{name}: {seconds} s");
    check(&mut command).map(drop)
}
