//! The steps of `cargo xtask test`, in order: what fails fast comes first.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::steps::{Count, Steps, check, count_tests};
use crate::{cargo, coverage, fuzz, machine, simulation, tidy, vm};

/// What to run, and how strictly.
#[derive(Debug)]
pub struct Options {
    /// Parts of step names; empty for all.
    pub only: Vec<String>,
    /// How long each fuzz target runs, in seconds.
    pub fuzz_seconds: u32,
    /// A missing tool or peer is a failure.
    pub ci: bool,
}

/// Runs everything and ends with the line `N passed, M failed`.
///
/// # Errors
/// Fails if something cannot be run at all; checks that fail end the process with status 1.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let runner = Runner { root: root.to_owned(), nextest: machine::has("cargo-nextest") };
    let mut steps = Steps::only(&options.only);
    steps.run("machine", || look_at_machine(options.ci));
    steps.run("format", || check(runner.cargo(&["fmt", "--all", "--check"]).arg("--quiet")));
    steps.run("tidy", || tidy::run(root).map(|()| Count::ONE));
    steps.run("lints", || {
        check(&mut runner.cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]))
    });
    steps.run("keywords", || {
        let rows = coverage::look(root)?;
        println!("each of {rows} keywords has its verdict");
        Ok(Count::ONE)
    });
    steps.run("docs", || {
        let mut command = runner.cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
        check(command.env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.run("tests", || runner.tests(&["--workspace"], "not binary(pairs)"));
    steps.run("doc tests", || count_tests(&mut runner.cargo(&["test", "--workspace", "--doc", "--quiet"])));
    steps.run("simulator", || simulation::run(root));
    steps.run("pairs of daemons", || runner.pairs());
    steps.run("in a guest with ip_vs", || vm::run_tests(root, &vm::Options::default(), None, &[]));
    steps.run("fuzzing", || fuzz::run(root, options.fuzz_seconds));
    steps.finish()
}

/// Names what is missing. On a build server that is a failure, elsewhere the steps that need it will say so again.
fn look_at_machine(ci: bool) -> Result<Count> {
    let missing = machine::prepare()?;
    if !missing.is_empty() {
        let advice = format!("missing, and needed by some steps: apt-get install {}", missing.join(" "));
        if ci {
            bail!(advice);
        }
        println!("{advice}");
    }
    if !machine::has("cargo-nextest") {
        println!("without cargo-nextest, `cargo test` runs the tests: slower, the same verdict");
    }
    Ok(Count::ONE)
}

/// How tests are run on this machine.
struct Runner {
    root: PathBuf,
    nextest: bool,
}

impl Runner {
    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root).args(words);
        command
    }

    /// Everything but the pairs of daemons.
    fn tests(&self, scope: &[&str], filter: &str) -> Result<Count> {
        if self.nextest {
            let mut command = self.cargo(&["nextest", "run", "--no-fail-fast"]);
            return count_tests(command.args(scope).args(["-E", filter]));
        }
        let mut command = self.cargo(&["test", "--no-fail-fast", "--workspace", "--lib", "--bins"]);
        for (package, name) in integration_tests(&self.root)? {
            if name != "pairs" {
                println!("with the tests {name} of {package}");
                command.args(["--test", &name]);
            }
        }
        count_tests(&mut command)
    }

    /// Real daemons in network namespaces, one test after the other. An ordinary user gets a user namespace, in which
    /// FRR cannot become its own user.
    fn pairs(&self) -> Result<Count> {
        let root = machine::is_root()?;
        let mut words = if root {
            Vec::new()
        } else {
            println!("as an ordinary user: inside a user namespace, and without FRR");
            ["unshare", "--user", "--map-root-user", "--net", "--mount", "--"].map(str::to_owned).to_vec()
        };
        words.push(cargo().get_program().to_string_lossy().into_owned());
        let rest: &[&str] = match (self.nextest, root) {
            (true, true) => &["nextest", "run", "--no-fail-fast", "-E", "binary(pairs)"],
            (true, false) => &["nextest", "run", "--no-fail-fast", "-E", "binary(pairs) and not test(frr)"],
            (false, true) => &["test", "--test", "pairs", "--", "--test-threads=1"],
            (false, false) => &["test", "--test", "pairs", "--", "--test-threads=1", "--skip", "frr"],
        };
        words.extend(rest.iter().map(|word| (*word).to_owned()));
        let (program, rest) = words.split_first().context("the program was pushed above")?;
        count_tests(Command::new(program).args(rest).current_dir(&self.root))
    }
}

/// Every integration test: package and name.
fn integration_tests(root: &Path) -> Result<Vec<(String, String)>> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root).no_deps().exec()?;
    let targets = metadata.packages.iter().flat_map(|package| {
        let tests = package.targets.iter().filter(|target| target.is_test());
        tests.map(|target| (package.name.to_string(), target.name.clone()))
    });
    Ok(targets.collect())
}
