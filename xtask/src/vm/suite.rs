//! Tests that need the guest's kernel: the integration tests named `vm` of any package, and unit tests of what is made
//! in the kernel, which is an older one there; all in one boot.
//!
//! The targets of the former say `test = false` in the package's manifest, so that `cargo test` on a machine that may lack ip_vs
//! leaves them alone. They are built here and run there: the guest has no compiler's patience.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Message, MetadataCommand};

use super::guest::{Options, script_of};
use super::{provide, quoted, quoted_all};
use crate::cargo;
use crate::steps::{Count, closing_line};

/// The name of the test targets that run in the guest.
const TARGET: &str = "vm";

/// Unit tests that run in the guest as well, where Linux is 6.1: a package, how their names begin, and which of them
/// measure milliseconds, of which an emulated machine has none to spare.
const UNIT_TESTS: [(&str, &str, &[&str]); 1] =
    [("mainstay-system", "lease::tests", &["scale::", "leased::precision", "renewed_in_time_has_no_gap"])];

/// A program that runs tests, and which of them are wanted.
struct Program {
    folder: PathBuf,
    path: PathBuf,
    words: Vec<String>,
}

/// The package and the test that compare the tables of IPVS with keepalived's, and the variables that name the
/// folder of configurations to compare beside our own, and parts of the names of those to compare.
const TABLES: (&str, &str, [&str; 2]) = ("mainstay", "tables::", ["MAINSTAY_CORPUS", "MAINSTAY_TABLES"]);

/// Builds and runs the tests, in one package or in all, whose names contain one of these words (all if there are none).
///
/// # Errors
/// Fails if they do not build, the guest does not run them to the end, or no test was run.
pub fn run(root: &Path, options: &Options, package: Option<&str>, words: &[String]) -> Result<Count> {
    run_with(root, options, package, words, "", &[])
}

/// Compares what we make of every virtual server below this folder with what keepalived makes of it; only in files with
/// one of these words in their names, if there are any.
///
/// # Errors
/// Fails if there is no such folder, or as [`run`] does.
pub fn compare_tables(root: &Path, options: &Options, corpus: &Path, words: &[String]) -> Result<Count> {
    let (package, test, [folder, wanted]) = TABLES;
    let corpus = corpus.canonicalize().with_context(|| format!("find {}", corpus.display()))?;
    let environment = [(folder, corpus.to_string_lossy()), (wanted, words.join(" ").into())];
    let environment = environment.map(|(name, value)| format!("{name}={}", quoted(&value))).join(" ");
    let words = [test.to_owned(), "--nocapture".to_owned()];
    // Hundreds of daemons start there, and an emulated processor needs half a minute for each start of a debug build.
    run_with(root, options, Some(package), &words, &environment, &["--release"])
}

/// `environment` is `NAME=VALUE ...`, quoted, or nothing; `profile` is cargo's word for how to build, or nothing.
fn run_with(
    root: &Path,
    options: &Options,
    package: Option<&str>,
    words: &[String],
    environment: &str,
    profile: &[&str],
) -> Result<Count> {
    let packages = packages_with_tests(root, package)?;
    ensure!(!packages.is_empty(), "no package has a test target named `{TARGET}`");
    let mut programs = build(root, &packages, &[&["--test", TARGET], profile].concat(), words)?;
    for (package, tests, measuring) in UNIT_TESTS {
        let wanted = words.is_empty() || words.iter().any(|word| tests.contains(word.as_str()));
        if wanted && packages.iter().any(|one| one == package) {
            let package = [package.to_owned()];
            let skipped = measuring.iter().flat_map(|test| ["--skip", test]);
            let words: Vec<String> = skipped.chain([tests]).map(str::to_owned).collect();
            programs.extend(build(root, &package, &["--lib"], &words)?);
        }
    }
    let guest = provide(root)?;
    // One test at a time: they share the guest's ip_vs table and links.
    let commands = programs.into_iter().map(|program| {
        let path = quoted(&program.path.to_string_lossy());
        (program.folder, format!("{environment} {path} --test-threads=1 {}", quoted_all(&program.words)))
    });
    let mut count = Count::NONE;
    let script = script_of(&commands.collect::<Vec<_>>());
    let status = guest.run(options, &script, |line| {
        if let Some(more) = closing_line(line) {
            count = count.add(more);
        }
    })?;
    ensure!(status == 0 || count.failed > 0, "a test program in the guest did not end well");
    ensure!(count.passed + count.failed > 0, "no test was run");
    Ok(count)
}

fn packages_with_tests(root: &Path, only: Option<&str>) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec().context("cargo metadata")?;
    let with_tests = metadata.packages.iter().filter(|package| {
        let ours = |target: &cargo_metadata::Target| target.is_test() && target.name == TARGET;
        package.targets.iter().any(ours) && only.is_none_or(|name| package.name.as_str() == name)
    });
    Ok(with_tests.map(|package| package.name.to_string()).collect())
}

/// Builds the test programs of one kind of target, and perhaps of a profile.
fn build(root: &Path, packages: &[String], kind: &[&str], words: &[String]) -> Result<Vec<Program>> {
    let mut command = cargo();
    command.current_dir(root).args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    command.args(kind);
    for package in packages {
        command.args(["--package", package]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("start cargo")?;
    ensure!(output.status.success(), "the tests for the guest do not build");
    let mut programs = Vec::new();
    for message in Message::parse_stream(output.stdout.as_slice()) {
        if let Message::CompilerArtifact(artifact) = message.context("read what cargo says")?
            && artifact.profile.test
            && let (Some(program), Some(folder)) = (artifact.executable, artifact.manifest_path.parent())
        {
            let (folder, path) = (folder.as_std_path().to_owned(), program.into_std_path_buf());
            programs.push(Program { folder, path, words: words.to_vec() });
        }
    }
    Ok(programs)
}
