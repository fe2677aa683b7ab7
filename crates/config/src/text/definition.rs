//! Step 3: `$NAME=value` gives a text a name; a value that ends in a backslash goes on over the following lines.

use std::collections::HashMap;
use std::rc::Rc;

use super::line::Line;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// The text, or the first line of a value of several lines. Not expanded yet: that happens at every use.
    pub first: Rc<str>,
    /// The following lines, with their own places; `None` for a value of one line.
    pub rest: Option<Rc<[Line<'static>]>>,
}

/// The names defined so far. The last definition of a name wins.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    values: HashMap<String, Value>,
}

impl Definitions {
    /// What a name stands for just now.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Gives a name a value of one line.
    pub fn set(&mut self, name: &str, text: &str) {
        self.set_value(name, Value { first: text.into(), rest: None });
    }

    /// Gives a name a value.
    pub fn set_value(&mut self, name: &str, value: Value) {
        match self.values.get_mut(name) {
            Some(old) => *old = value,
            None => {
                self.values.insert(name.to_owned(), value);
            }
        }
    }

    /// Every name, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

/// A definition of several lines while its lines are read.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// The name.
    pub name: String,
    /// The text after the `=`.
    pub first: String,
    /// The lines so far.
    pub rest: Vec<Line<'static>>,
}

impl Unfinished {
    /// Adds one line, already without its comment; gives true if it was the last one.
    ///
    /// `goes_on`: the backslash is behind a comment.
    pub fn add(&mut self, line: Line<'_>, goes_on: bool) -> bool {
        let (line, last) = match line.text.strip_suffix('\\').map(str::len) {
            Some(length) => (line.part(0, length).trimmed(), false),
            None => (line, !goes_on),
        };
        if !line.text.is_empty() {
            self.rest.push(line.into_owned());
        }
        last
    }

    /// The value that came out.
    pub fn finish(self) -> (String, Value) {
        (self.name, Value { first: self.first.into(), rest: Some(self.rest.into()) })
    }
}

/// Reads `$NAME=value` at the start of a line: the name, and the text after the `=` as it is.
pub(crate) fn parse(text: &str) -> Option<(&str, &str)> {
    let after = text.strip_prefix('$')?;
    let length = name_length(after);
    let value = after[length..].strip_prefix('=')?;
    (length > 0).then_some((&after[..length], value.trim_ascii()))
}

/// How many bytes at the start of `text` are a parameter name: `[A-Za-z_][A-Za-z0-9_]*`.
pub(crate) fn name_length(text: &str) -> usize {
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}
