//! Step 5: `$NAME` and `${NAME}` are replaced by what they stand for at this moment.

use std::rc::Rc;

use super::definition::{Definitions, Value, name_length};
use super::line::{Composer, Line};
use super::random::Random;

/// A line may grow to this many bytes by replacement.
pub(crate) const LONGEST: usize = 64 * 1024;

/// Values may be nested this deep.
const DEEPEST: usize = 64;

/// A reference is not longer than this: `${_RANDOM 1 100}` is a long one.
const LONGEST_REFERENCE: usize = 1024;

/// One line may look up this many names: values that double at every level and end in nothing take for ever, too.
const MOST_STEPS: usize = 10_000;

/// What a replacement may ask for.
pub(crate) struct World<'a> {
    /// The names defined by the file.
    pub definitions: &'a Definitions,
    /// `_RANDOM`.
    pub random: &'a mut Random,
    /// `_INSTANCE`.
    pub config_id: &'a str,
    /// `_PWD`: directory of the file being read.
    pub directory: &'a str,
    /// `_ENV`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// How much work it was: bytes written and names looked up.
    pub work: usize,
}

/// A problem with a reference: a part of the line it happened in, and what it is.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// Offsets in the line given to [`replace`].
    pub place: (usize, usize),
    /// What it is.
    pub kind: TroubleKind,
}

/// What can be wrong with a reference.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// A name whose value needs its own value.
    SelfReference(String),
    /// Nested too deep.
    TooDeep,
    /// The line would be longer than [`LONGEST`].
    TooLong,
    /// Nobody defined it; it stays as it is.
    Undefined(String),
    /// Defined, but `$NAME` is followed by something that keepalived does not take for its end; it stays as it is.
    Glued(String),
    /// A value of several lines, used before the end of the line; it stays as it is.
    NotLast(String),
}

/// What came out.
pub(crate) struct Replaced {
    /// The line.
    pub line: Line<'static>,
    /// Further lines of values of several lines, in the order to read them.
    pub rest: Vec<(String, Rc<[Line<'static>]>)>,
}

/// Replaces every reference in a line. `None`: there was nothing to replace.
pub(crate) fn replace(
    line: &Line<'_>,
    world: &mut World<'_>,
    troubles: &mut Vec<Trouble>,
) -> Option<Replaced> {
    let text: &str = &line.text;
    let mut composer = Composer::new(line);
    let mut replacer = Replacer { world, rest: Vec::new(), stack: Vec::new(), depth: 0, steps: 0 };
    let mut changed = false;
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let start = at + found;
        let Some(reference) = reference(&text[start..]) else {
            at = start + 1;
            continue;
        };
        let end = start + reference.length;
        let mut value = String::new();
        match replacer.append(&reference, text[end..].trim_ascii().is_empty(), &mut value) {
            Ok(()) if composer.len() + value.len() > LONGEST => {
                troubles.push(Trouble { place: (start, end), kind: TroubleKind::TooLong });
                return None;
            }
            Ok(()) => {
                composer.copy(line, from, start);
                composer.replace(line, start, end, &value);
                from = end;
                changed = true;
            }
            Err(kind) => {
                let fatal = matches!(kind, TroubleKind::TooLong | TroubleKind::TooDeep);
                troubles.push(Trouble { place: (start, end), kind });
                if fatal {
                    return None;
                }
            }
        }
        at = end;
    }
    if !changed {
        return None;
    }
    composer.copy(line, from, text.len());
    // An outer value stands before an inner one on the stack, but its further lines come after.
    replacer.rest.reverse();
    Some(Replaced { line: composer.finish(line), rest: replacer.rest })
}

/// A reference as it is written.
struct Reference<'text> {
    /// Bytes from the `$` to its end.
    length: usize,
    /// `NAME`, or what is between the braces.
    inner: &'text str,
    /// `${...}`.
    braced: bool,
    /// What follows `$NAME` ends it.
    ended: bool,
}

/// The reference at the start of `text`, which begins with `$`.
fn reference(text: &str) -> Option<Reference<'_>> {
    let after = &text[1..];
    if let Some(inside) = after.strip_prefix('{') {
        let mut depth = 0_usize;
        for (at, byte) in inside.bytes().enumerate().take(LONGEST_REFERENCE) {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 0 => {
                    return Some(Reference {
                        length: at + 3,
                        inner: &inside[..at],
                        braced: true,
                        ended: true,
                    });
                }
                b'}' => depth -= 1,
                _ => {}
            }
        }
        return None;
    }
    let length = name_length(after);
    let ended = matches!(after.as_bytes().get(length), None | Some(b' ' | b'\t' | b',' | b')'));
    (length > 0).then(|| Reference { length: length + 1, inner: &after[..length], braced: false, ended })
}

struct Replacer<'world, 'a> {
    world: &'world mut World<'a>,
    rest: Vec<(String, Rc<[Line<'static>]>)>,
    /// The names whose values are being appended, the innermost last.
    stack: Vec<String>,
    /// How many references are being worked out: names in names in braces, too.
    depth: usize,
    steps: usize,
}

impl Replacer<'_, '_> {
    /// Appends what a reference stands for. `last`: nothing follows it on its line.
    fn append(&mut self, reference: &Reference<'_>, last: bool, out: &mut String) -> Result<(), TroubleKind> {
        self.steps += 1;
        self.world.work += 16;
        if self.steps > MOST_STEPS {
            return Err(TroubleKind::TooLong);
        }
        if self.depth >= DEEPEST {
            return Err(TroubleKind::TooDeep);
        }
        self.depth += 1;
        let result = self.append_reference(reference, last, out);
        self.depth -= 1;
        result
    }

    fn append_reference(
        &mut self,
        reference: &Reference<'_>,
        last: bool,
        out: &mut String,
    ) -> Result<(), TroubleKind> {
        let expanded;
        let inner = if reference.braced && reference.inner.contains('$') {
            let mut text = String::new();
            self.append_text(reference.inner, false, &mut text)?;
            expanded = text;
            expanded.as_str()
        } else {
            reference.inner
        };
        let name = &inner[..name_length(inner)];
        if let Some(value) = self.world.definitions.get(name).filter(|_| name.len() == inner.len()) {
            if !reference.ended {
                return Err(TroubleKind::Glued(name.to_owned()));
            }
            let value = value.clone();
            return self.append_value(name, &value, last, out);
        }
        match predefined(name, inner[name.len()..].trim_ascii(), self.world) {
            Some(text) if reference.ended => {
                out.push_str(&text);
                Ok(())
            }
            _ => Err(TroubleKind::Undefined(inner.to_owned())),
        }
    }

    fn append_value(
        &mut self,
        name: &str,
        value: &Value,
        last: bool,
        out: &mut String,
    ) -> Result<(), TroubleKind> {
        if value.rest.is_some() && !last {
            return Err(TroubleKind::NotLast(name.to_owned()));
        }
        if self.stack.iter().any(|outer| outer == name) {
            return Err(TroubleKind::SelfReference(name.to_owned()));
        }
        if let Some(rest) = &value.rest {
            self.rest.push((name.to_owned(), Rc::clone(rest)));
        }
        self.stack.push(name.to_owned());
        let result = self.append_text(&value.first, last, out);
        self.stack.pop();
        result
    }

    /// Appends a text with the references in it replaced; one that stands for nothing stays as it is.
    fn append_text(&mut self, text: &str, last: bool, out: &mut String) -> Result<(), TroubleKind> {
        let mut from = 0;
        let mut at = 0;
        while let Some(found) = text[at..].find('$') {
            let start = at + found;
            let Some(reference) = reference(&text[start..]) else {
                at = start + 1;
                continue;
            };
            let end = start + reference.length;
            out.push_str(&text[from..start]);
            let before = out.len();
            let last = last && text[end..].trim_ascii().is_empty();
            match self.append(&reference, last, out) {
                Ok(()) => {}
                Err(TroubleKind::Undefined(_) | TroubleKind::Glued(_) | TroubleKind::NotLast(_)) => {
                    out.truncate(before);
                    out.push_str(&text[start..end]);
                }
                Err(fatal) => return Err(fatal),
            }
            if out.len() > LONGEST {
                return Err(TroubleKind::TooLong);
            }
            from = end;
            at = end;
        }
        out.push_str(&text[from..]);
        self.world.work += text.len();
        if out.len() > LONGEST { Err(TroubleKind::TooLong) } else { Ok(()) }
    }
}

/// The names that need no definition; a definition of the same name goes before.
pub(crate) const PREDEFINED: [&str; 6] = ["_PWD", "_INSTANCE", "_RANDOM", "_ENV", "_HASH", "_BANG"];

fn predefined(name: &str, parameters: &str, world: &mut World<'_>) -> Option<String> {
    let mut words = parameters.split_ascii_whitespace();
    let first = words.next();
    match name {
        "_PWD" if first.is_none() => Some(world.directory.to_owned()),
        "_INSTANCE" if first.is_none() => Some(world.config_id.to_owned()),
        "_HASH" if first.is_none() => Some("#".to_owned()),
        "_BANG" if first.is_none() => Some("!".to_owned()),
        // An unset variable is empty.
        "_ENV" => first.map(|variable| (world.environment)(variable).unwrap_or_default()),
        "_RANDOM" => {
            let low = first.map_or(Some(0), |word| word.parse().ok())?;
            let high = words.next().map_or(Some(32_767), |word| word.parse().ok())?;
            (low <= high).then(|| world.random.between(low, high).to_string())
        }
        _ => None,
    }
}
