//! Benchmarks of the daemon, here or in the guest whose kernel has ip_vs.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Message;

use crate::{cargo, vm};

/// Runs one benchmark in release, with its output going to the terminal.
///
/// # Errors
/// Fails if there is none of that name, or it does not end well.
pub fn run(root: &Path, name: &str, words: &[String]) -> Result<()> {
    let mut command = cargo();
    command.current_dir(root).args(["bench", "--package", "mainstay", "--bench", name]);
    if !words.is_empty() {
        command.arg("--").args(words);
    }
    let status = command.status().context("start cargo")?;
    ensure!(status.success(), "cargo bench --bench {name}: {status}");
    Ok(())
}

/// Builds one benchmark here and runs it in the guest.
///
/// # Errors
/// Fails if it does not build, or the guest does not run it to a good end.
pub fn run_in_guest(root: &Path, name: &str, words: &[String]) -> Result<()> {
    let program = build(root, name)?.to_string_lossy().into_owned();
    let words: Vec<String> = std::iter::once(program).chain(words.iter().cloned()).collect();
    // An emulated processor is ten times slower than this one.
    let options = vm::Options { seconds: 1_800, ..vm::Options::default() };
    let status = vm::run(root, &options, &words)?;
    ensure!(status == 0, "{name} in the guest: exit status {status}");
    Ok(())
}

fn build(root: &Path, name: &str) -> Result<PathBuf> {
    let mut command = cargo();
    command.current_dir(root).args(["bench", "--package", "mainstay", "--bench", name, "--no-run"]);
    command.arg("--message-format=json-render-diagnostics");
    let output = command.stderr(Stdio::inherit()).output().context("start cargo")?;
    ensure!(output.status.success(), "the benchmark does not build");
    for message in Message::parse_stream(output.stdout.as_slice()) {
        if let Message::CompilerArtifact(artifact) = message.context("read what cargo says")?
            && artifact.target.name == name
            && let Some(program) = artifact.executable
        {
            return Ok(program.into_std_path_buf());
        }
    }
    anyhow::bail!("cargo built no benchmark named {name}")
}
