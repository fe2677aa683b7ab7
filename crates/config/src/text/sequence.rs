//! Step 4: `~SEQ(var,...)`, `~SEQx(var,...)` and `~LST(var,...)` repeat the rest of a line over values.

use std::ops::Range;

/// A repetition at the start of a line.
#[derive(Debug)]
pub(crate) struct Call {
    /// Which of the three.
    pub kind: Kind,
    /// What is between the parentheses, as offsets; not expanded yet.
    pub parameters: Range<usize>,
    /// Offset of the rest of the line.
    pub rest: usize,
}

/// Which repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `~SEQ`: numbers in decimal.
    Decimal,
    /// `~SEQx`: numbers in hexadecimal.
    Hexadecimal,
    /// `~LST`: listed values.
    List,
}

/// What to repeat over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Repetition {
    /// One name over numbers, both ends included.
    Numbers { name: String, start: i64, step: i64, end: i64 },
    /// Names over tuples of values. Every tuple has as many values as there are names.
    Tuples { names: Vec<String>, tuples: Vec<Vec<String>> },
}

/// Whether a line starts with a repetition. `Some(Err)`: it starts like one, but has no parameters.
pub(crate) fn parse(text: &str) -> Option<Result<Call, String>> {
    let kinds = [("~SEQx", Kind::Hexadecimal), ("~SEQ", Kind::Decimal), ("~LST", Kind::List)];
    let (name, kind) = kinds.into_iter().find(|(name, _)| text.starts_with(name))?;
    // Blanks may stand before the parenthesis.
    let Some(after) = text[name.len()..].trim_ascii_start().strip_prefix('(') else {
        return Some(Err(format!("expected `(` after `{name}`")));
    };
    let Some(length) = after.find(')') else {
        return Some(Err(format!("`{name}` has no closing `)`")));
    };
    let from = text.len() - after.len();
    let rest = text.len() - after[length + 1..].trim_ascii_start().len();
    Some(Ok(Call { kind, parameters: from..from + length, rest }))
}

impl Kind {
    /// Reads the parameters, after `$NAME`s in them were replaced.
    pub fn repetition(self, parameters: &str) -> Result<Repetition, String> {
        match self {
            Self::Decimal | Self::Hexadecimal => self.numbers(parameters),
            Self::List => tuples(parameters),
        }
    }

    /// How one number is written.
    pub fn write(self, number: i64) -> String {
        match self {
            Self::Decimal | Self::List => number.to_string(),
            Self::Hexadecimal => format!("{number:x}"),
        }
    }

    fn numbers(self, parameters: &str) -> Result<Repetition, String> {
        let mut parts = parameters.split(',').map(str::trim_ascii);
        let name = variable(parts.next().unwrap_or_default())?;
        let numbers = parts.map(number).collect::<Result<Vec<_>, _>>()?;
        let (start, step, end) = match numbers[..] {
            [end] => (if end < 0 { -1 } else { 1 }, None, end),
            [start, end] => (start, None, end),
            [start, step, end] => (start, Some(step), end),
            _ => return Err("expected (name, end), (name, start, end) or (name, start, step, end)".into()),
        };
        let step = step.unwrap_or(if end < start { -1 } else { 1 });
        if step == 0 || (end > start && step < 0) || (end < start && step > 0) {
            return Err(format!("a step of {step} does not lead from {start} to {end}"));
        }
        if self == Self::Hexadecimal && (start < 0 || end < 0) {
            return Err("`~SEQx` takes no negative numbers".into());
        }
        Ok(Repetition::Numbers { name, start, step, end })
    }
}

/// A number as C writes it: `0x` is hexadecimal, a leading `0` octal.
fn number(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(digits, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    match value {
        Ok(value) if !digits.starts_with(['+', '-']) => Ok(if negative { -value } else { value }),
        _ => Err(format!("`{text}` is not a number")),
    }
}

fn variable(text: &str) -> Result<String, String> {
    if !text.is_empty() && super::definition::name_length(text) == text.len() {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a parameter name"))
    }
}

/// `var,v,w` or `{a,b},{v,w},{x}`: a value that is missing in a tuple is empty.
fn tuples(parameters: &str) -> Result<Repetition, String> {
    let mut groups = groups(parameters)?.into_iter();
    let names = groups.next().unwrap_or_default();
    let names = names.iter().map(|name| variable(name)).collect::<Result<Vec<_>, _>>()?;
    let mut tuples = Vec::new();
    for mut tuple in groups {
        if tuple.len() > names.len() {
            return Err(format!("{} values for {} names", tuple.len(), names.len()));
        }
        tuple.resize(names.len(), String::new());
        tuples.push(tuple);
    }
    if tuples.is_empty() {
        return Err("`~LST` has no values".into());
    }
    Ok(Repetition::Tuples { names, tuples })
}

/// Splits at commas outside braces; a part without braces is a tuple of one.
fn groups(parameters: &str) -> Result<Vec<Vec<String>>, String> {
    let mut groups = Vec::new();
    let mut rest = parameters.trim_ascii();
    loop {
        let after = if let Some(inside) = rest.strip_prefix('{') {
            let close = inside.find('}').ok_or("a tuple of `~LST` has no closing `}`")?;
            groups.push(inside[..close].split(',').map(|part| part.trim_ascii().to_owned()).collect());
            inside[close + 1..].trim_ascii_start()
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            groups.push(vec![rest[..end].trim_ascii().to_owned()]);
            &rest[end..]
        };
        match after.strip_prefix(',') {
            Some(after) => rest = after.trim_ascii_start(),
            None if after.is_empty() => return Ok(groups),
            None => return Err(format!("expected `,` before `{after}`")),
        }
    }
}
