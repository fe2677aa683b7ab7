//! Which words of the language work, and which test shows it: `cargo xtask coverage`.
//!
//! Two sources meet here. The rows are those of the keyword table, printed by an example of `mainstay-config`. What is
//! said of them stands in a list that people review, `crates/config/coverage.tsv` ([`list`]). It may not lie: a row of
//! the table without a verdict, a line of the list that decides nothing, and a test that does not exist are failures.

mod list;
mod test_names;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use self::list::{Line, Verdict};
use crate::cargo;

/// The reviewed list.
const LIST: &str = "crates/config/coverage.tsv";

/// One row of the keyword table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    block: String,
    keyword: String,
    subsystem: String,
    /// A word that keepalived does not know.
    ours: bool,
}

/// Prints the verdict of every row, or of those that do not work, and the totals.
///
/// # Errors
/// Fails if the list is not complete or not true, with everything that is wrong with it.
pub fn run(root: &Path, missing: bool) -> Result<()> {
    let (rows, lines) = (rows(root)?, lines(root)?);
    let judged = check(&rows, &lines, root)?;
    for (row, line) in &judged {
        if !(missing && line.verdict == Verdict::Works) {
            println!("{} {}: {}: {}", row.block, row.keyword, line.verdict, line.evidence);
        }
    }
    summary(&judged);
    Ok(())
}

/// Only whether the list is complete and true; the number of rows.
///
/// # Errors
/// As [`run`].
pub fn look(root: &Path) -> Result<usize> {
    let (rows, lines) = (rows(root)?, lines(root)?);
    let judged = check(&rows, &lines, root)?;
    Ok(judged.len())
}

/// The keyword table.
fn rows(root: &Path) -> Result<Vec<Row>> {
    let output = cargo()
        .current_dir(root)
        .args(["run", "--quiet", "-p", "mainstay-config", "--example", "keywords"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("start cargo")?;
    ensure!(output.status.success(), "the keyword table was not printed: {}", output.status);
    let text = String::from_utf8(output.stdout).context("the keyword table")?;
    text.lines().map(row).collect()
}

fn row(line: &str) -> Result<Row> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [block, keyword, subsystem, whose] = fields[..] else { bail!("not a row of the table: {line}") };
    let [block, keyword, subsystem] = [block, keyword, subsystem].map(str::to_owned);
    Ok(Row { block, keyword, subsystem, ours: whose == "mainstay" })
}

fn lines(root: &Path) -> Result<Vec<Line>> {
    let text = std::fs::read_to_string(root.join(LIST)).with_context(|| format!("read {LIST}"))?;
    list::parse(&text).context(LIST)
}

/// Each row with the line that judges it; fails with every complaint about the list.
fn check<'a>(rows: &'a [Row], lines: &'a [Line], root: &Path) -> Result<Vec<(&'a Row, &'a Line)>> {
    let tests = test_names::names(root)?;
    let (judged, mut complaints) = judge(rows, lines);
    for line in lines.iter().filter(|line| line.verdict == Verdict::Works) {
        for name in line.evidence.split_whitespace().filter(|name| !tests.contains(*name)) {
            complaints.push(format!("{LIST}:{}: there is no test `{name}`", line.number));
        }
    }
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    ensure!(complaints.is_empty(), "{} complaints about {LIST}", complaints.len());
    Ok(judged)
}

/// The first line that matches a row judges it.
fn judge<'a>(rows: &'a [Row], lines: &'a [Line]) -> (Vec<(&'a Row, &'a Line)>, Vec<String>) {
    let (mut judged, mut complaints, mut used) = (Vec::new(), Vec::new(), vec![false; lines.len()]);
    for row in rows {
        match lines.iter().position(|line| line.is_about(&row.block, &row.keyword)) {
            Some(place) => {
                used[place] = true;
                judged.push((row, &lines[place]));
            }
            None => complaints.push(format!("{LIST}: no verdict on `{}` in {}", row.keyword, row.block)),
        }
    }
    let idle = lines.iter().zip(&used).filter(|(_, used)| !**used);
    complaints.extend(idle.map(|(line, _)| format!("{LIST}:{}: decides nothing", line.number)));
    (judged, complaints)
}

/// How many rows have each verdict.
type Counts = BTreeMap<Verdict, usize>;

fn count<'a>(judged: impl Iterator<Item = &'a (&'a Row, &'a Line)>) -> Counts {
    let mut counts = Counts::new();
    judged.for_each(|(_, line)| *counts.entry(line.verdict).or_default() += 1);
    counts
}

/// A table by subsystem and the totals. keepalived's words make the figure: ours are no question of compatibility.
fn summary(judged: &[(&Row, &Line)]) {
    let mut subsystems = BTreeMap::<&str, Vec<(&Row, &Line)>>::new();
    for pair in judged.iter().filter(|(row, _)| !row.ours) {
        subsystems.entry(pair.0.subsystem.as_str()).or_default().push(*pair);
    }
    println!(
        "\n{:<18} {:>6} {:>6} {:>10} {:>10} {:>8}",
        "", "rows", "works", "not shown", "no effect", "refused"
    );
    for (subsystem, pairs) in &subsystems {
        let counts = count(pairs.iter());
        let [works, unshown, idle, refused] =
            Verdict::ALL.map(|verdict| counts.get(&verdict).copied().unwrap_or(0));
        println!("{subsystem:<18} {:>6} {works:>6} {unshown:>10} {idle:>10} {refused:>8}", pairs.len());
    }
    total("words of keepalived", count(judged.iter().filter(|(row, _)| !row.ours)));
    total("words of our own", count(judged.iter().filter(|(row, _)| row.ours)));
}

fn total(what: &str, counts: Counts) {
    let all: usize = counts.values().sum();
    println!("\n{all} {what}");
    for verdict in Verdict::ALL {
        let count = counts.get(&verdict).copied().unwrap_or(0);
        println!("{:>6}  {:>5.1} %  {verdict}", count, 100.0 * count as f64 / all.max(1) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row_of(block: &str, keyword: &str) -> Row {
        row(&format!("{block}\t{keyword}\tvrrp\tkeepalived")).expect("a row")
    }

    fn parsed(text: &str) -> Vec<Line> {
        list::parse(&format!("block\tkeyword\tverdict\tevidence\n{text}")).expect("a list")
    }

    #[test]
    fn the_first_line_that_matches_judges_a_row() {
        let rows = [row_of("vrrp_instance", "priority"), row_of("vrrp_instance", "use_vmac")];
        let lines = parsed("*\tuse_vmac\trefused\tlater\nvrrp_*\t*\tworks\tsome_test\n");
        let (judged, complaints) = judge(&rows, &lines);
        let verdicts: Vec<Verdict> = judged.iter().map(|(_, line)| line.verdict).collect();
        assert_eq!(verdicts, [Verdict::Works, Verdict::Refused]);
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    #[test]
    fn a_row_without_a_verdict_and_a_line_that_decides_nothing_are_complaints() {
        let rows = [row_of("vrrp_instance", "priority"), row_of("SSL", "key")];
        let lines = parsed("vrrp_instance\t*\tworks\ta\nvrrp_instance\tpriority\tworks\tb\n");
        let (judged, complaints) = judge(&rows, &lines);
        assert_eq!(judged.len(), 1);
        assert_eq!(
            complaints,
            [
                "crates/config/coverage.tsv: no verdict on `key` in SSL",
                "crates/config/coverage.tsv:3: decides nothing"
            ]
        );
    }

    #[test]
    fn the_list_names_no_test_that_does_not_exist() {
        let root = crate::root();
        let tests = test_names::names(&root).expect("the sources");
        let lines = lines(&root).expect("the list");
        for line in lines.iter().filter(|line| line.verdict == Verdict::Works) {
            for name in line.evidence.split_whitespace() {
                assert!(tests.contains(name), "{LIST}:{}: there is no test `{name}`", line.number);
            }
        }
    }
}
