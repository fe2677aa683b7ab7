//! Does the simulator notice? Small faults are planted in a copy of `core`, one at a time, and everything the simulator
//! has runs against each (stories, the comparison with the RFC's table, the exhaustive search, seeds).
//!
//! The list is `crates/simulator/mutants.txt`:
//!
//! ```text
//! = what the fault is, in words
//! file router/kernel.rs
//! - a fragment of that file, found once
//! + what stands there instead
//! ~ (only where nothing notices yet) what would
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;

/// A run that takes more time of processors is stuck, which is noticed as well. How busy the machine is does not matter.
const PATIENCE_SECONDS: u32 = 180;

#[derive(Debug, Default, PartialEq, Eq)]
struct Mutant {
    name: String,
    file: String,
    edits: Vec<Edit>,
    expected_to_survive: Option<String>,
}

/// Lines and what stands there instead.
#[derive(Debug, Default, PartialEq, Eq)]
struct Edit {
    find: Vec<String>,
    put: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Caught(String),
    Survived,
    Unbuildable(String),
}

/// Runs the mutants whose name contains one of these words (all if there are none) against so many seeds.
///
/// # Errors
/// Fails if the sources without a mutant fail, a mutant cannot be planted, or fewer than 95 in a hundred are caught.
pub fn run(root: &Path, words: &[String], seeds: u32) -> Result<()> {
    let list = root.join("crates/simulator/mutants.txt");
    let text = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let mutants = parse(&text)?;
    let wanted = |mutant: &&Mutant| words.is_empty() || words.iter().any(|word| mutant.name.contains(word));
    let copy = prepare(root)?;
    let verdict = judge(&copy, seeds)?;
    ensure!(verdict == Verdict::Survived, "without any mutant: {verdict:?}");
    let (mut caught, mut survivors, mut total) = (0, Vec::new(), 0);
    for mutant in mutants.iter().filter(wanted) {
        let start = Instant::now();
        let path = copy.join("crates/core/src").join(&mutant.file);
        let source = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        fs::write(&path, plant(mutant, &source)?)?;
        let verdict = judge(&copy, seeds);
        fs::write(&path, source)?;
        let seconds = start.elapsed().as_secs_f64();
        total += 1;
        match verdict? {
            Verdict::Caught(how) => {
                caught += 1;
                println!("caught    {seconds:5.1} s  {}: {how}", mutant.name);
            }
            Verdict::Survived => {
                println!("SURVIVED  {seconds:5.1} s  {}", mutant.name);
                survivors.push(mutant);
            }
            Verdict::Unbuildable(why) => bail!("{} does not build: {why}", mutant.name),
        }
    }
    println!("{caught} of {total} mutants caught");
    for mutant in &survivors {
        let what = mutant.expected_to_survive.as_deref().unwrap_or("nobody has thought about it yet");
        println!("  survived: {}; what would catch it: {what}", mutant.name);
    }
    ensure!(caught * 100 >= total * 95, "fewer than 95 in a hundred were caught");
    Ok(())
}

fn parse(text: &str) -> Result<Vec<Mutant>> {
    let mut mutants: Vec<Mutant> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        if mark == "=" {
            mutants.push(Mutant { name: rest.to_owned(), ..Mutant::default() });
            continue;
        }
        let Some(mutant) = mutants.last_mut() else { continue };
        match mark {
            "file" => mutant.file = rest.to_owned(),
            "-" => {
                if mutant.edits.last().is_none_or(|edit| !edit.put.is_empty()) {
                    mutant.edits.push(Edit::default());
                }
                if let Some(edit) = mutant.edits.last_mut() {
                    edit.find.push(rest.to_owned());
                }
            }
            "+" => match mutant.edits.last_mut() {
                Some(edit) => edit.put.push(rest.to_owned()),
                None => bail!("mutants.txt:{number}: + without -"),
            },
            "~" => mutant.expected_to_survive = Some(rest.to_owned()),
            "" | "#" => {}
            _ => bail!("mutants.txt:{number}: a line begins with =, file, -, + or ~"),
        }
    }
    Ok(mutants)
}

/// The source with the mutant in it.
fn plant(mutant: &Mutant, source: &str) -> Result<String> {
    let mut source = source.to_owned();
    for edit in &mutant.edits {
        let (find, put) = (edit.find.join("\n"), edit.put.join("\n"));
        let times = source.matches(&find).count();
        ensure!(times == 1, "{}: {find:?} is found {times} times in {}", mutant.name, mutant.file);
        source = source.replacen(&find, &put, 1);
    }
    Ok(source)
}

/// Copies what the simulator needs into a workspace of its own, which keeps its build between runs.
fn prepare(root: &Path) -> Result<PathBuf> {
    let copy = root.join("target/mutants");
    for name in ["core", "simulator"] {
        let to = copy.join("crates").join(name);
        if to.exists() {
            fs::remove_dir_all(&to).with_context(|| format!("remove {}", to.display()))?;
        }
        copy_folder(&root.join("crates").join(name), &to)?;
    }
    fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock")).context("copy Cargo.lock")?;
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("read Cargo.toml")?;
    let ours = |line: &&str| !line.starts_with("default-members") && !line.starts_with("members");
    let mut manifest: String = manifest.lines().filter(ours).map(|line| format!("{line}\n")).collect();
    manifest =
        manifest.replace("[workspace]\n", "[workspace]\nmembers = [\"crates/core\", \"crates/simulator\"]\n");
    // Most mutants do not survive the first second: to build them quickly matters more than to run them quickly.
    manifest.push_str("\n[profile.mutant]\ninherits = \"dev\"\nopt-level = 0\ndebug = false\n");
    fs::write(copy.join("Cargo.toml"), manifest).context("write Cargo.toml")?;
    Ok(copy)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, &target).with_context(|| format!("copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// Builds the copy and runs everything against it.
fn judge(copy: &Path, seeds: u32) -> Result<Verdict> {
    let build = cargo()
        .current_dir(copy)
        .args(["build", "--quiet", "--offline", "--profile", "mutant", "-p", "mainstay-simulator"])
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .env("RUSTFLAGS", "--cap-lints warn")
        .stderr(Stdio::piped())
        .output()
        .context("start cargo")?;
    if !build.status.success() {
        let text = String::from_utf8_lossy(&build.stderr).into_owned();
        let first = text.lines().find(|line| line.starts_with("error")).unwrap_or("no reason given");
        return Ok(Verdict::Unbuildable(first.to_owned()));
    }
    let output_path = copy.join("output.txt");
    let output = fs::File::create(&output_path).context("create output.txt")?;
    let limit = format!("ulimit -t {PATIENCE_SECONDS} && exec \"$@\"");
    let status = Command::new("sh")
        .args(["-c", &limit, "sh"])
        .arg(copy.join("target/mutant/mainstay-simulator"))
        .args(["--everything", "--no-shrink", "--seeds", &seeds.to_string()])
        .stdout(output.try_clone().context("output.txt")?)
        .stderr(output)
        .status()
        .context("start the simulator")?;
    if status.code().is_none() {
        return Ok(Verdict::Caught(format!("it does not end in {PATIENCE_SECONDS} s of a processor")));
    }
    if status.success() {
        return Ok(Verdict::Survived);
    }
    let text = fs::read_to_string(&output_path).context("read output.txt")?;
    let tells = |line: &&str| {
        ["story", "the table", "exhaustive", "seed ", "\rseed ", "thread"]
            .iter()
            .any(|mark| line.starts_with(mark))
    };
    let how = text.lines().find(tells).unwrap_or("it fails").trim();
    Ok(Verdict::Caught(how.chars().take(130).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_planted_where_its_fragment_is_found_once() {
        let mutants = parse("= a fault\nfile a.rs\n- one\n-   two\n+ three\n").expect("it is well formed");
        assert_eq!(plant(&mutants[0], "x\none\n  two\ny\n").expect("found"), "x\nthree\ny\n");
        assert!(plant(&mutants[0], "one\n  two\none\n  two\n").is_err(), "found twice");
        assert!(plant(&mutants[0], "one\n").is_err(), "not found");
    }

    #[test]
    fn every_mutant_of_the_list_can_be_planted() {
        let root = crate::root();
        let text = fs::read_to_string(root.join("crates/simulator/mutants.txt")).expect("the list");
        let mutants = parse(&text).expect("it is well formed");
        assert!(mutants.len() >= 60, "{} mutants", mutants.len());
        for mutant in mutants {
            let path = root.join("crates/core/src").join(&mutant.file);
            let source =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if let Err(error) = plant(&mutant, &source) {
                panic!("{error:#}");
            }
        }
    }
}
