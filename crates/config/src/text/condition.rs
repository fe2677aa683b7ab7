//! Step 2: `@id rest` keeps the rest of a line only on the node with this config id, `@^id rest` only on the others.

/// A condition at the start of a line.
pub(crate) struct Condition<'line> {
    /// The id named.
    pub id: &'line str,
    /// `@^`: holds for every other id.
    pub negated: bool,
    /// Offset of the rest of the line; `None` if nothing follows the id.
    pub rest: Option<usize>,
}

/// The id that always matches: keepalived skips the line, since its own id is never this one.
pub(crate) const OURS: &str = "mainstay";

/// Reads the condition of a line that starts with `@`.
pub(crate) fn parse(text: &str) -> Option<Condition<'_>> {
    let after = text.strip_prefix('@')?;
    let (negated, after) = match after.strip_prefix('^') {
        Some(after) => (true, after),
        None => (false, after),
    };
    let end = after.find([' ', '\t']).unwrap_or(after.len());
    let id = &after[..end];
    let rest = text.len() - after[end..].trim_ascii_start().len();
    Some(Condition { id, negated, rest: (rest < text.len()).then_some(rest) })
}

impl Condition<'_> {
    /// Whether the rest of the line counts on the node `config_id`.
    ///
    /// DIFFERS: `@mainstay` holds whatever the config id is, and `@^mainstay` never does. One file serves both daemons.
    pub fn holds(&self, config_id: &str) -> bool {
        (self.id == OURS || self.id == config_id) != self.negated
    }
}
