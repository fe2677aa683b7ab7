//! What there is to say about one statement and the keyword table.

use super::{Statement, build};
use crate::diagnostic::{Class, Diagnostic};
use crate::keywords::{self, Block, Keyword, Status, history};
use crate::suggest;

/// The first word of a statement, as the table would have it.
pub(super) fn first_word(text: &str) -> &str {
    text.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default()
}

/// Keywords for whose missing argument keepalived complains and goes on. At all others it stops.
const COMPLAINS_ONLY: [&str; 2] = ["startup_script", "shutdown_script"];

/// Too few or too many arguments. An error means that the statement is left out.
pub(super) fn arguments(statement: &Statement, keyword: &Keyword) -> Option<Diagnostic> {
    let arguments = statement.arguments();
    let name = keyword.name;
    if arguments.len() < keyword.shape.least() {
        let expected = format!("expected `{}`", keyword.synopsis());
        return Some(if build::takes_name(keyword) {
            Diagnostic::error(Class::Complaint, "missing-name", format!("`{name}` needs a name"))
                .at(statement.span())
                .because("without a name nothing can refer to it; its block is left out")
        } else if COMPLAINS_ONLY.contains(&name) {
            Diagnostic::error(Class::Complaint, "missing-argument", format!("`{name}` needs an argument"))
                .at(statement.span())
                .because(format!("{expected}; the line is ignored"))
        } else {
            // DIFFERS: keepalived stops here, and takes a running daemon with it. We leave the line out.
            Diagnostic::error(Class::Abort, "missing-argument", format!("`{name}` needs an argument"))
                .at(statement.span())
                .because(format!("{expected}; keepalived would stop reading here"))
        });
    }
    let surplus = arguments.get(keyword.shape.most()..).filter(|surplus| !surplus.is_empty())?;
    let (first, last) = (surplus.first()?, surplus.last()?);
    let diagnostic = Diagnostic::warning(
        Class::Silent,
        "surplus-words",
        match keyword.shape.most() {
            0 => format!("`{name}` takes no argument"),
            1 => format!("`{name}` takes one argument"),
            most => format!("`{name}` takes {most} arguments at most"),
        },
    )
    .at(first.span.to(last.span));
    Some(match first.text.as_str() {
        "\\" => diagnostic.because("a backslash goes on with the next line only in a `$NAME=` definition"),
        text if text.starts_with("//") || text.starts_with("--") || text.starts_with(';') => {
            diagnostic.because("a comment starts with `#` or `!`; these words are ignored")
        }
        _ => diagnostic.because("these words are ignored"),
    })
}

/// Words that are on their way out, or not quite in.
pub(super) fn status(statement: &Statement, keyword: &Keyword) -> Option<Diagnostic> {
    let name = keyword.name;
    let diagnostic = match keyword.status {
        Status::Current | Status::SynonymOf(_) | Status::Ours => return None,
        Status::Deprecated(instead) => {
            Diagnostic::warning(Class::Complaint, "deprecated-keyword", format!("`{name}` is deprecated"))
                .suggest(instead)
        }
        Status::OnlyInTheManual => Diagnostic::warning(
            Class::Complaint,
            "manual-only-keyword",
            format!("keepalived's manual has `{name}`, but keepalived does not know it"),
        ),
        Status::Planned => Diagnostic::note(
            "planned-keyword",
            format!("`{name}` is accepted, has no effect in this version"),
        ),
    };
    Some(diagnostic.at(statement.span()))
}

/// A word that the block around it does not know. `path`: the keywords of the blocks around it, the outermost first.
pub(super) fn unknown(
    statement: &Statement,
    block: &'static Block,
    path: &[&str],
    with_block: bool,
) -> Diagnostic {
    let word = statement.keyword();
    let inside = path.last().copied().unwrap_or_default();
    let message = if block.is_lines() {
        return Diagnostic::error(
            Class::Complaint,
            "unexpected-brace",
            format!("`{word}` opens a block inside `{inside}`"),
        )
        .at(statement.span())
        .because("expected one entry a line; the block is skipped");
    } else if inside.is_empty() {
        format!("unknown keyword `{word}`")
    } else {
        format!("unknown keyword `{word}` in `{inside}`")
    };
    let (note, suggestion) = explain(word, block, path);
    let fate = if with_block { "its block is skipped" } else { "the line is ignored" };
    let note = note.map_or_else(|| fate.to_owned(), |note| format!("{note}; {fate}"));
    let diagnostic =
        Diagnostic::error(Class::Complaint, "unknown-keyword", message).at(statement.span()).because(note);
    match suggestion {
        Some(suggestion) => diagnostic.suggest(suggestion),
        None => diagnostic,
    }
}

/// Why a word may be unknown, and what to write instead.
fn explain(word: &str, block: &'static Block, path: &[&str]) -> (Option<String>, Option<String>) {
    let inside = path.last().copied().unwrap_or_default();
    if let Some(past) = history::of(word, inside) {
        return (Some(past.note.to_owned()), past.instead.map(str::to_owned));
    }
    if word == "\\" {
        let note = "a backslash goes on with the next line only in a `$NAME=` definition";
        return (Some(note.to_owned()), None);
    }
    if word.starts_with("//") || word.starts_with(';') || word.starts_with("--") {
        return (Some("a comment starts with `#` or `!`".to_owned()), None);
    }
    if word.starts_with('~') {
        return (Some("`~SEQ`, `~SEQx` and `~LST` must be the first word of a line".to_owned()), None);
    }
    if word.starts_with('$') {
        return (Some("a parameter that was not replaced".to_owned()), None);
    }
    if let Some(place) = other_place(word, path) {
        return (Some(place), None);
    }
    let clean = word.trim_end_matches([':', ';', '=', ',']);
    let (name, value) = clean.split_once('=').unwrap_or((clean, ""));
    if name != word && block.find(name).is_some() {
        return (None, Some(format!("{name} {value}").trim_ascii().to_owned()));
    }
    let names = |block: &'static Block| {
        block.keywords().filter(|keyword| !keyword.is_ours()).map(|keyword| keyword.name)
    };
    if let Some(near) = suggest::nearest(clean, names(block)) {
        return (None, Some(near.to_owned()));
    }
    // Among all the words of the language a short one is always near to something.
    let likely =
        clean.len() >= 6 && clean.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let everywhere = suggest::nearest(clean, keywords::every_name()).filter(|_| likely);
    match everywhere.map(|near| (near, keywords::places_of(near))) {
        Some((near, places)) => (Some(belongs(near, places, path)), Some(near.to_owned())),
        None => (None, None),
    }
}

/// Where a word would be right.
fn other_place(word: &str, path: &[&str]) -> Option<String> {
    let places = keywords::places_of(word);
    (!places.is_empty()).then(|| belongs(word, places, path))
}

/// `` `auth_type` belongs in `authentication` ``. Of many places the nearest are named.
fn belongs(word: &str, places: &[String], path: &[&str]) -> String {
    let here = path.join("/");
    let mut best: Vec<&str> = places.iter().map(String::as_str).collect();
    best.sort_by_key(|place| (here.is_empty() || !place.starts_with(&here), place.matches('/').count()));
    let mut names: Vec<&str> = Vec::new();
    for place in best {
        let name = place.rsplit('/').next().unwrap_or(place);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match shown.as_slice() {
        [one] if one == "`(root)`" => format!("`{word}` belongs outside all blocks"),
        _ => format!("`{word}` belongs in {}", shown.join(" or ").replace("`(root)`", "no block")),
    }
}
