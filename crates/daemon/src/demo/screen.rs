//! What the demo shows: a line a second, a line for each thing that happens, and a table at the end.
//!
//! Colours and block characters on a terminal; plain text when piped, with `NO_COLOR`, or on a dumb terminal.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use super::failover::theory::Bounds;
use super::pace::Passed;

/// Characters of a bar that means "every question answered".
const BAR_WIDTH: usize = 20;

/// Where the demo is shown.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    colours: bool,
    blocks: bool,
}

/// How a piece of text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Bold,
    Dim,
    Good,
    Bad,
}

/// One second, as seen by the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Second {
    /// Which.
    pub passed: Passed,
    /// What each of the two nodes has to do with the service; `None`: nothing.
    pub marks: [Option<String>; 2],
    /// Answers by each node.
    pub answers: Vec<(String, usize)>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What failed.
    pub event: String,
    /// When the other node had the address; `None` if it never took it.
    pub takeover: Option<Duration>,
    /// The longest time the client was without an answer.
    pub outage: Duration,
    /// What the protocol asks for.
    pub bounds: Bounds,
}

/// One row of the table of the load balancer: something happened, and the table followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub event: String,
    /// When the table was as it should be.
    pub took: Duration,
    /// Questions of the client that were not answered; `None` if there was none.
    pub lost: Option<usize>,
    /// What it takes, in words.
    pub because: String,
}

impl Screen {
    /// The standard output.
    #[must_use]
    pub fn new() -> Self {
        let variable = |name: &str| env::var(name).unwrap_or_default();
        let terminal = io::stdout().is_terminal() && variable("TERM") != "dumb";
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable).into_iter().find(|value| !value.is_empty());
        let unicode = locale.is_some_and(|value| value.to_uppercase().replace('-', "").contains("UTF8"));
        Self { colours: terminal && variable("NO_COLOR").is_empty(), blocks: terminal && unicode }
    }

    /// A screen without colours or special characters.
    #[cfg(test)]
    const fn plain() -> Self {
        Self { colours: false, blocks: false }
    }

    /// Prints a paragraph.
    pub fn say(self, text: &str) {
        show(text);
    }

    /// Prints what the demo does next.
    pub fn announce(self, text: &str) {
        show(&self.paint(&format!("\n>> {text}"), Tone::Bold));
    }

    /// Prints something a director logged.
    pub fn quote(self, at: Duration, who: &str, line: &str) {
        show(&self.paint(&format!("  {:>5.1} s  {who}: {line}", at.as_secs_f64()), Tone::Dim));
    }

    /// Prints the heading of the lines printed each second.
    pub fn heading(self, names: [&str; 2]) {
        show(&self.paint(
            &format!("     time  {:<7} {:<7} answers the client got in that second", names[0], names[1]),
            Tone::Dim,
        ));
    }

    /// Prints one second.
    pub fn second(self, second: &Second) {
        show(&self.second_line(second));
    }

    fn second_line(self, second: &Second) -> String {
        let total: usize = second.answers.iter().map(|(_, count)| count).sum();
        let filled = (total * BAR_WIDTH).div_ceil(second.passed.most.max(1)).min(BAR_WIDTH);
        let bar = if self.blocks { "█" } else { "#" }.repeat(filled);
        let gap = if self.blocks { "·" } else { "." }.repeat(BAR_WIDTH - filled);
        let tone = if total * 10 >= second.passed.most * 9 { Tone::Good } else { Tone::Bad };
        let marks = second.marks.each_ref().map(|mark| {
            let word = format!("{:<7}", mark.as_deref().unwrap_or("-"));
            self.paint(&word, if mark.is_some() { Tone::Good } else { Tone::Dim })
        });
        let shares: Vec<String> =
            second.answers.iter().map(|(name, count)| format!("{count} from {name}")).collect();
        let shares = if shares.is_empty() { "none".to_owned() } else { shares.join(", ") };
        format!(
            "  {:>5} s  {} {} {}{gap} {shares}",
            second.passed.at,
            marks[0],
            marks[1],
            self.paint(&bar, tone),
        )
    }

    /// Says that the lab stands, and how to get in.
    pub fn stand(self, entrances: &[String], folder: &Path) {
        self.announce("The lab stands until you press Ctrl-C. To enter it, from another terminal:");
        entrances.iter().for_each(|entrance| show(&format!("   {entrance}")));
        show(&format!("   ls {}    # configurations and logs", folder.display()));
    }

    /// Prints the table of the failovers.
    pub fn table(self, rows: &[Row]) {
        let width = rows.iter().map(|row| row.event.chars().count()).max().unwrap_or(0);
        show(&self.paint(
            &format!("\n{:<width$}  takeover  client waited  protocol     because", "what failed"),
            Tone::Bold,
        ));
        for row in rows {
            let (takeover, outage, protocol) = (self.takeover(row), figure(row.outage), span(&row.bounds));
            show(&format!(
                "{:<width$}  {takeover}  {outage:>13}  {protocol:<11}  {}",
                row.event, row.bounds.because
            ));
        }
    }

    /// Prints the table of what happened behind the load balancer. `lost` is shown if there was a client.
    pub fn steps(self, steps: &[Step]) {
        let width = steps.iter().map(|step| step.event.chars().count()).max().unwrap_or(0);
        let client = steps.iter().any(|step| step.lost.is_some());
        let lost = if client { "  client lost" } else { "" };
        let heading = format!("\n{:<width$}  in the table after{lost}  because", "what happened");
        show(&self.paint(&heading, Tone::Bold));
        for step in steps {
            let took = self.paint(&format!("{:>18}", figure(step.took)), Tone::Good);
            let lost = step.lost.map(|lost| format!("  {lost:>11}")).unwrap_or_default();
            show(&format!("{:<width$}  {took}{lost}  {}", step.event, step.because));
        }
    }

    fn takeover(self, row: &Row) -> String {
        let text = format!("{:>8}", row.takeover.map_or_else(|| "none".to_owned(), figure));
        let tone = if row.is_as_it_must_be() { Tone::Good } else { Tone::Bad };
        self.paint(&text, tone)
    }

    fn paint(self, text: &str, tone: Tone) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Bold => 1,
            Tone::Dim => 2,
            Tone::Good => 32,
            Tone::Bad => 31,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl Row {
    /// Whether the takeover took what the protocol asks for, give or take what a busy machine may add.
    #[must_use]
    pub fn is_as_it_must_be(&self) -> bool {
        const EARLY: Duration = Duration::from_millis(20);
        const LATE: Duration = Duration::from_millis(150);
        match self.takeover {
            None => self.bounds.most.is_zero(),
            Some(time) => time + EARLY >= self.bounds.least && time <= self.bounds.most + LATE,
        }
    }
}

/// A measured time. What is below the distance of two questions is nothing the client could notice.
fn figure(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn span(bounds: &Bounds) -> String {
    let (least, most) = (bounds.least.as_secs_f64(), bounds.most.as_secs_f64());
    match bounds.most {
        Duration::ZERO => "none".to_owned(),
        _ => format!("{least:.2}-{most:.2} s"),
    }
}

/// A reader who has gone away (`| head`) is no reason to panic; the demo ends by its own rules.
fn show(text: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{text}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::failover::theory;
    use super::*;

    fn second(at: u64, marks: [Option<&str>; 2], answers: &[(&str, usize)]) -> Second {
        let passed = Passed { at, since: Instant::now(), most: 100 };
        let answers = answers.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Second { passed, marks: marks.map(|mark| mark.map(str::to_owned)), answers }
    }

    #[test]
    fn a_second_shows_who_holds_the_address_and_who_answered() {
        let second = second(7, [None, Some("holds")], &[("lb2", 50)]);
        assert_eq!(
            Screen::plain().second_line(&second),
            "      7 s  -       holds   ##########.......... 50 from lb2"
        );
    }

    #[test]
    fn a_second_without_an_answer_says_so() {
        let second = second(12, [None, None], &[]);
        assert!(Screen::plain().second_line(&second).ends_with(".................... none"));
    }

    #[test]
    fn a_takeover_is_judged_by_what_the_protocol_asks_for() {
        let row = |takeover| Row {
            event: "x".into(),
            takeover,
            outage: Duration::ZERO,
            bounds: theory::silence(100, Duration::from_secs(1)),
        };
        assert!(row(Some(Duration::from_millis(3_000))).is_as_it_must_be());
        assert!(!row(Some(Duration::from_millis(2_000))).is_as_it_must_be());
        assert!(!row(Some(Duration::from_millis(4_000))).is_as_it_must_be());
        assert!(!row(None).is_as_it_must_be());
    }

    #[test]
    fn where_nothing_is_to_happen_a_takeover_is_wrong() {
        let row =
            |takeover| Row { event: "x".into(), takeover, outage: Duration::ZERO, bounds: theory::nothing() };
        assert!(row(None).is_as_it_must_be());
        assert!(!row(Some(Duration::from_secs(1))).is_as_it_must_be());
    }
}
