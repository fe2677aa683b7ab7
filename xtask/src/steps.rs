//! Running steps one after the other, and telling how they went.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How many checks a step made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Checks that passed.
    pub passed: u32,
    /// Checks that failed.
    pub failed: u32,
    /// Checks that passed only when they were repeated. They are among those that passed.
    pub repeated: u32,
}

impl Count {
    /// A step that is one check.
    pub const ONE: Self = Self { passed: 1, ..Self::NONE };
    /// Nothing was checked.
    pub const NONE: Self = Self { passed: 0, failed: 0, repeated: 0 };

    /// Both together.
    #[must_use]
    pub const fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            repeated: self.repeated + other.repeated,
        }
    }
}

/// All steps of one run.
#[derive(Debug, Default)]
pub struct Steps {
    only: Vec<String>,
    done: Vec<Done>,
}

#[derive(Debug)]
struct Done {
    name: &'static str,
    count: Count,
    took: Duration,
    complaint: Option<String>,
}

impl Steps {
    /// Takes only steps whose name contains one of these words; all if there are none.
    #[must_use]
    pub fn only(words: &[String]) -> Self {
        Self { only: words.to_vec(), done: Vec::new() }
    }

    /// Runs one step. A step that fails is noted, and the next one runs all the same.
    pub fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<Count>) {
        if !self.only.is_empty() && !self.only.iter().any(|word| name.contains(word.as_str())) {
            return;
        }
        println!("\n==== {name}");
        let start = Instant::now();
        let outcome = work();
        let took = start.elapsed();
        let (count, complaint) = match outcome {
            Ok(count) if count.failed == 0 && count.repeated == 0 => (count, None),
            Ok(count) if count.failed == 0 => {
                (count, Some(format!("{} only when repeated (FLAKY above)", count.repeated)))
            }
            Ok(count) => (count, Some(format!("{} failed", count.failed))),
            Err(error) => (Count { failed: 1, ..Count::NONE }, Some(format!("{error:#}"))),
        };
        if let Some(complaint) = &complaint {
            println!("---- {name}: {complaint}");
        }
        self.done.push(Done { name, count, took, complaint });
    }

    /// Prints the table, and as the last line of all how many checks passed and failed.
    ///
    /// # Errors
    /// Fails if a check failed or nothing was run.
    pub fn finish(self) -> Result<()> {
        println!("\n{:<28} {:>7} {:>7} {:>9}", "step", "passed", "failed", "seconds");
        for done in &self.done {
            let seconds = done.took.as_secs_f64();
            let complaint =
                done.complaint.as_deref().and_then(|text| text.lines().next()).unwrap_or_default();
            println!(
                "{:<28} {:>7} {:>7} {seconds:>9.1}  {complaint}",
                done.name, done.count.passed, done.count.failed
            );
        }
        let total = self.done.iter().fold(Count::NONE, |sum, done| sum.add(done.count));
        let seconds: f64 = self.done.iter().map(|done| done.took.as_secs_f64()).sum();
        println!("{:<28} {:>7} {:>7} {seconds:>9.1}", "all", total.passed, total.failed);
        if total == Count::NONE {
            bail!("no step of that name");
        }
        std::io::stderr().flush().context("flush")?;
        println!("\n{} passed, {} failed", total.passed, total.failed);
        std::io::stdout().flush().context("flush")?;
        if total.failed > 0 {
            // The table has said what; the line above is to be the last.
            std::process::exit(1);
        }
        Ok(())
    }
}

/// Runs a command whose exit status is its verdict.
///
/// # Errors
/// Fails if it cannot be started or does not end well.
pub fn check(command: &mut Command) -> Result<Count> {
    let status =
        command.status().with_context(|| format!("start {}", command.get_program().to_string_lossy()))?;
    if !status.success() {
        bail!("{}: {status}", words(command));
    }
    Ok(Count::ONE)
}

/// Runs a test runner, shows what it prints, and counts tests by its closing lines.
///
/// # Errors
/// Fails if it cannot be started, or does not end well although no test failed.
pub fn count_tests(command: &mut Command) -> Result<Count> {
    let name = words(command);
    // cargo test tells results on its output, nextest on its errors: a shell makes one stream of both.
    let mut merged = Command::new("sh");
    merged.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            merged.env(key, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        merged.current_dir(folder);
    }
    let mut child = merged.stdout(Stdio::piped()).spawn().with_context(|| format!("start {name}"))?;
    let output = child.stdout.take().context("the pipe was asked for")?;
    let mut count = Count::NONE;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("read what the tests print")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(more) = closing_line(&line) {
            count = count.add(more);
        }
    }
    let status = child.wait().with_context(|| format!("wait for {name}"))?;
    if !status.success() && count.failed == 0 {
        bail!("{name}: {status}");
    }
    if count == Count::NONE {
        bail!("{name}: no test was run");
    }
    Ok(count)
}

/// Reads `Summary [ 1.2s] 9 tests run: 8 passed (1 slow), 1 failed, 0 skipped` of nextest, and
/// `test result: ok. 8 passed; 1 failed; ...` of cargo test. A test that ran out of time has failed.
pub fn closing_line(line: &str) -> Option<Count> {
    // nextest shows what a failed test printed, indented: a closing line in there is not the runner's.
    let counts = if line.trim_start().starts_with("Summary [") {
        line.split_once("run:")?.1
    } else if line.starts_with("test result:") {
        line.split_once('.')?.1
    } else {
        return None;
    };
    let number_before = |word: &str| -> u32 {
        let parts = counts.split([',', ';', '(', ')']).map(str::trim);
        let numbers = parts.filter_map(|part| {
            let (number, rest) = part.split_once(' ')?;
            if rest.starts_with(word) { number.parse::<u32>().ok() } else { None }
        });
        numbers.sum()
    };
    let failed = number_before("failed") + number_before("timed out") + number_before("exec failed");
    Some(Count { passed: number_before("passed"), failed, repeated: number_before("flaky") })
}

fn words(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    command.get_args().fold(name, |all, word| all + " " + &word.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_understood() {
        let nextest =
            "     Summary [   2.030s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 3 skipped";
        assert_eq!(closing_line(nextest), Some(Count { passed: 6, failed: 3, repeated: 0 }));
        let flaky = "     Summary [   2.030s] 9 tests run: 9 passed (1 slow, 2 flaky), 3 skipped";
        assert_eq!(closing_line(flaky), Some(Count { passed: 9, failed: 0, repeated: 2 }));
        let once = "     Summary [   2.030s] 9 tests run: 9 passed (1 flaky), 3 skipped";
        assert_eq!(closing_line(once), Some(Count { passed: 9, failed: 0, repeated: 1 }));
        let one = "     Summary [   2.030s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(closing_line(one), Some(Count::ONE));
        let cargo = "test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.1s";
        assert_eq!(closing_line(cargo), Some(Count { passed: 5, failed: 1, repeated: 0 }));
        assert_eq!(closing_line("        PASS [   2.029s] failed"), None);
        assert_eq!(closing_line(&format!("    {cargo}")), None, "shown by nextest, counted by nextest");
    }

    #[test]
    fn a_runner_that_runs_nothing_is_a_failure() {
        assert!(count_tests(&mut Command::new("true")).is_err());
    }

    #[test]
    fn a_failing_command_is_a_failure_with_its_words() {
        let error = check(Command::new("false").arg("indeed")).expect_err("false fails");
        assert!(error.to_string().starts_with("false indeed: "), "{error}");
    }

    #[test]
    fn tests_are_counted_on_both_streams() {
        let script = "echo 'Summary [ 1s] 2 tests run: 2 passed, 0 skipped' >&2; echo 'test result: ok. 3 passed; 0 failed'";
        let count = count_tests(Command::new("sh").args(["-c", script])).expect("the script ends well");
        assert_eq!(count, Count { passed: 5, ..Count::NONE });
    }
}
