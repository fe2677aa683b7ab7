//! Lines of a benchmark: ours, theirs, ratio, target, verdict.

use super::Both;

/// What our figure is to be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At most this many times theirs.
    Ratio(f64),
    /// At most this, whatever theirs is.
    AtMost(f64),
    /// Less than theirs.
    Less,
    /// Nothing was promised.
    None,
}

/// Prints lines and counts those that fall short.
#[derive(Debug, Default)]
pub struct Report {
    lines: usize,
    short: usize,
}

impl Report {
    /// Prints a heading.
    pub fn heading(&mut self, text: &str) {
        println!("\n{text}");
        println!("  {:<44} {:>11} {:>11} {:>7}  {:<9} verdict", "", "ours", "theirs", "ratio", "target");
    }

    /// Prints one line. `places` is the number of decimals, `note` is printed after the verdict.
    pub fn line(
        &mut self,
        what: &str,
        unit: &str,
        places: usize,
        figures: &Both<f64>,
        target: Target,
        note: &str,
    ) {
        let Both { ours, theirs } = *figures;
        let ratio = ours / theirs;
        let holds = match target {
            Target::Ratio(most) => ratio <= most || (ours == 0.0 && theirs == 0.0),
            Target::AtMost(most) => ours <= most,
            Target::Less => ours < theirs,
            Target::None => true,
        };
        let verdict = match (target, holds) {
            (Target::None, _) => "",
            (_, true) => "ok",
            (_, false) => "short",
        };
        let target = match target {
            Target::Ratio(most) => format!("x {most:.2}"),
            Target::AtMost(most) => format!("{most}{unit}"),
            Target::Less => "x <1".to_owned(),
            Target::None => String::new(),
        };
        self.lines += 1;
        self.short += usize::from(!holds);
        let figure =
            |value: f64| if value.is_finite() { format!("{value:.places$}{unit}") } else { "-".to_owned() };
        let ratio = if ratio.is_finite() { format!("{ratio:.2}") } else { "-".to_owned() };
        let line = format!(
            "  {what:<44} {:>11} {:>11} {ratio:>7}  {target:<9} {verdict:<6} {note}",
            figure(ours),
            figure(theirs)
        );
        println!("{}", line.trim_end());
    }

    /// How many lines fell short so far.
    pub fn short(&self) -> usize {
        self.short
    }

    /// Prints how many lines fell short.
    pub fn end(&self) {
        println!("\n{} lines, {} short of their target", self.lines, self.short);
    }
}
