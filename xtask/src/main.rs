//! The project's own chores: `cargo xtask test | tidy | coverage | fuzz | mutants | bench | vm | vm-tests | vm-tables | ci`.
//!
//! `cargo xtask test` is the one command of the README. It looks at what the machine has ([`machine`]), runs one
//! [`steps`] after the other as listed in [`mod@test`], and ends with a table and a line that says how many checks passed.

mod bench;
mod coverage;
mod fuzz;
mod machine;
mod mutants;
mod simulation;
mod steps;
mod test;
mod tidy;
mod vm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::ensure;
use clap::{Parser, Subcommand};

/// The project's own chores.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check everything: format, lints, docs, tests, pairs of real daemons, fuzzing, tidiness, examples.
    Test {
        /// Only these steps (any part of a step's name), in the usual order.
        steps: Vec<String>,
        /// How long each fuzz target runs, in seconds.
        #[arg(long, default_value_t = fuzz::DEFAULT_SECONDS)]
        fuzz_seconds: u32,
    },
    /// What `test` does on a build server: a missing tool or peer is a failure.
    Ci,
    /// Check the shape of the source: arrows between crates, banned words, module docs, file lengths.
    Tidy,
    /// Say of every keyword whether it works, and which test shows it.
    Coverage {
        /// Only what does not work.
        #[arg(long)]
        missing: bool,
    },
    /// Build the fuzz targets and run each for a while.
    Fuzz {
        /// How long each target runs, in seconds.
        #[arg(long, default_value_t = fuzz::DEFAULT_SECONDS)]
        seconds: u32,
    },
    /// Plant small faults in a copy of core and see whether the simulator notices.
    Mutants {
        /// Only those with one of these words in their names.
        words: Vec<String>,
        /// How many seeds each has to survive.
        #[arg(long, default_value_t = 1500)]
        seeds: u32,
    },
    /// Run a command as root in a guest machine with Debian's kernel, which has ip_vs, and end with its exit status.
    Vm {
        #[command(flatten)]
        options: vm::Options,
        /// The command and its words.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Build the tests that need ip_vs and run them in one such guest.
    VmTests {
        #[command(flatten)]
        options: vm::Options,
        /// Only the tests of this package.
        #[arg(long, short)]
        package: Option<String>,
        /// Only tests with one of these words in their names.
        words: Vec<String>,
    },
    /// Compare, in one such guest, the IPVS tables we and keepalived make of the same files.
    VmTables {
        #[command(flatten)]
        options: vm::Options,
        /// A folder of configurations; those of ours are always compared.
        #[arg(long, default_value = "../shared/corpus")]
        corpus: PathBuf,
        /// Only files with one of these words in their names.
        words: Vec<String>,
    },
    /// Measure against keepalived in one run.
    Bench {
        /// In the guest of `vm`.
        #[arg(long)]
        vm: bool,
        /// Name of the benchmark, such as `vrrp`.
        name: String,
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Test { steps, fuzz_seconds } => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            test::run(&root(), &test::Options { only: steps, fuzz_seconds, ci })
        }
        Chore::Ci => {
            let options = test::Options { only: Vec::new(), fuzz_seconds: fuzz::DEFAULT_SECONDS, ci: true };
            test::run(&root(), &options)
        }
        Chore::Tidy => tidy::run(&root()),
        Chore::Coverage { missing } => coverage::run(&root(), missing),
        Chore::Fuzz { seconds } => fuzz::run(&root(), seconds).map(drop),
        Chore::Mutants { words, seeds } => mutants::run(&root(), &words, seeds),
        Chore::Vm { options, words } => vm::run(&root(), &options, &words).map(|status| {
            // The status of the command is to be ours, whatever it is.
            std::process::exit(status)
        }),
        Chore::VmTests { options, package, words } => {
            vm::run_tests(&root(), &options, package.as_deref(), &words).and_then(all_passed)
        }
        Chore::VmTables { options, corpus, words } => {
            vm::compare_tables(&root(), &options, &corpus, &words).and_then(all_passed)
        }
        Chore::Bench { vm: false, name, words } => bench::run(&root(), &name, &words),
        Chore::Bench { vm: true, name, words } => bench::run_in_guest(&root(), &name, &words),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// For tests in a guest.
fn all_passed(count: steps::Count) -> anyhow::Result<()> {
    ensure!(count.failed == 0, "{} tests failed in the guest", count.failed);
    Ok(())
}

/// The workspace's folder: the parent of this package's.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// The cargo that runs us.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
