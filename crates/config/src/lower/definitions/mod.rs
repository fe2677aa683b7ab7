//! What can be tracked: `vrrp_script`, `track_file`, `vrrp_track_process`, `bfd_instance`.

mod bfd;
mod process;
mod script;

use std::collections::BTreeMap;
use std::path::PathBuf;

use mainstay_core::router::plan::FilePlan;

use self::bfd::Bfd;
pub(crate) use self::bfd::bfd;
pub(crate) use self::process::process;
use self::script::Script;
pub(crate) use self::script::{finish_scripts, script};
use super::values::{number, required};
use super::{Lowering, named_block};
use crate::model::{Trackable, TrackedFile};
use crate::tree::{Span, Statement};

/// Weights of scripts, interfaces and BFD sessions.
pub(crate) const WEIGHT: i64 = 253;
/// Weights of files and processes where they are tracked.
pub(crate) const FILE_WEIGHT: i64 = 254;

/// Something that can be tracked by name.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    /// Weight when the place of use does not say.
    pub(crate) weight: i32,
    /// Reversed when the place of use does not say.
    pub(crate) reverse: bool,
    /// The definition has a `weight`.
    pub(crate) said_weight: bool,
    /// Position in the file: keepalived demands that it comes before its use.
    pub(crate) span: Span,
    /// Which block of the file it is, counted.
    pub(crate) order: usize,
}

/// All that is defined, by kind and name.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    scripts: BTreeMap<String, Script>,
    files: BTreeMap<String, Definition>,
    processes: BTreeMap<String, Definition>,
    bfd: BTreeMap<String, Bfd>,
}

impl Definitions {
    /// All of them in the order of the file.
    pub(crate) fn trackables(&self) -> Vec<Trackable> {
        let scripts = self.scripts.iter().map(|(name, script)| ("script", name, &script.definition));
        let files = self.files.iter().map(|(name, definition)| ("file", name, definition));
        let processes = self.processes.iter().map(|(name, definition)| ("process", name, definition));
        let sessions = self.bfd.iter().map(|(name, session)| ("bfd", name, &session.definition));
        let mut all: Vec<_> = scripts.chain(files).chain(processes).chain(sessions).collect();
        all.sort_by_key(|(_, _, definition)| definition.order);
        let trackable = |(kind, name, definition): (&str, &String, &Definition)| Trackable {
            name: format!("{kind} {name}"),
            weight: definition.weight,
            reverse: definition.reverse,
        };
        all.into_iter().map(trackable).collect()
    }
}

/// The kinds of definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `vrrp_script`.
    Script,
    /// `track_file`.
    File,
    /// `vrrp_track_process`.
    Process,
    /// `bfd_instance`, for virtual routers.
    Bfd,
    /// `bfd_instance`, for checkers.
    BfdOfCheckers,
}

impl Definitions {
    /// Finds a definition for a tracker; a script is then looked for on the disk at the end.
    pub(crate) fn find(&mut self, kind: Kind, name: &str) -> Option<Definition> {
        match kind {
            Kind::Script => self.scripts.get_mut(name).map(|script| {
                script.used = true;
                script.definition.clone()
            }),
            Kind::File => self.files.get(name).cloned(),
            Kind::Process => self.processes.get(name).cloned(),
            Kind::Bfd => self.bfd.get(name).filter(|bfd| bfd.audience.vrrp).map(|bfd| bfd.definition.clone()),
            Kind::BfdOfCheckers => {
                self.bfd.get(name).filter(|bfd| bfd.audience.checkers).map(|bfd| bfd.definition.clone())
            }
        }
    }

    /// Whether there is such a session, and it is not for whoever did not find it.
    pub(crate) fn has_session_for_others(&self, name: &str) -> bool {
        self.bfd.contains_key(name)
    }

    /// All names of a kind, for a suggestion.
    pub(crate) fn names(&self, kind: Kind) -> Vec<&str> {
        fn keys<T>(map: &BTreeMap<String, T>) -> Vec<&str> {
            map.keys().map(String::as_str).collect()
        }
        match kind {
            Kind::Script => keys(&self.scripts),
            Kind::File => keys(&self.files),
            Kind::Process => keys(&self.processes),
            Kind::Bfd | Kind::BfdOfCheckers => keys(&self.bfd),
        }
    }
}

/// Lowers one `track_file` or `vrrp_track_file`.
pub(crate) fn file(lowering: &mut Lowering<'_>, block: &Statement, order: usize) {
    let Some(name) = named_block(lowering, block) else { return };
    if lowering.definitions.files.contains_key(&name) {
        lowering
            .report
            .warn("duplicate-definition", block.span(), format!("track_file `{name}` is defined twice"))
            .because("the first one counts");
        return;
    }
    let mut definition =
        Definition { weight: 1, reverse: false, said_weight: false, span: block.span(), order };
    let mut path = None;
    let mut init = None;
    for statement in block.children() {
        match statement.keyword() {
            "file" => {
                path = required(&mut lowering.report, statement, "a path").map(|word| word.text.clone())
            }
            "weight" => weight(lowering, statement, i64::from(i32::MAX), &mut definition),
            "init_file" => init = Some(init_file(lowering, statement)),
            _ => {}
        }
    }
    let Some(path) = path else {
        lowering
            .report
            .refuse("file-without-path", block.span(), format!("track_file `{name}` has no `file`"))
            .because("it is left out");
        return;
    };
    lowering.model.router.files.push(FilePlan { name: name.clone(), path: path.clone() });
    lowering.model.files.insert(name.clone(), TrackedFile { path: PathBuf::from(path), init });
    lowering.definitions.files.insert(name, definition);
}

fn init_file(lowering: &mut Lowering<'_>, statement: &Statement) -> (i64, bool) {
    let (mut value, mut overwrite) = (0, false);
    for word in statement.arguments() {
        if word.text == "overwrite" {
            overwrite = true;
        } else if word.text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
            if let Some(number) =
                number(&mut lowering.report, word, i64::from(i32::MIN)..=i64::from(i32::MAX))
            {
                value = number;
            }
        } else {
            lowering
                .report
                .complain("unknown-option", word.span, format!("`{word}` is not an option of init_file"))
                .because("expected a number or `overwrite`");
        }
    }
    (value, overwrite)
}

/// `weight N [reverse]`.
fn weight(lowering: &mut Lowering<'_>, statement: &Statement, most: i64, definition: &mut Definition) {
    let Some(word) = required(&mut lowering.report, statement, "a number") else { return };
    if let Some(weight) = number(&mut lowering.report, word, -most..=most) {
        definition.weight = weight;
        definition.said_weight = true;
    }
    match statement.arguments().get(1) {
        None => definition.reverse = false,
        Some(word) if word.text == "reverse" => definition.reverse = true,
        Some(word) => {
            lowering
                .report
                .complain("unknown-option", word.span, format!("`{word}` is not an option of weight"))
                .because("expected `reverse`");
        }
    }
}
