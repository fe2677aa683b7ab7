//! `track_interface`, `track_script`, `track_file`, `track_process`, `track_bfd` of an instance or a sync group.

use mainstay_core::router::plan::{Tracker, TrackerTarget};

use super::Lowering;
use super::definitions::{FILE_WEIGHT, Kind, WEIGHT};
use super::values::{following, number};
use crate::suggest;
use crate::tree::{Span, Statement, Word};

/// A tracker with its place, for what is said about it later.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// The tracker.
    pub(crate) tracker: Tracker,
    /// Where it stands.
    pub(crate) span: Span,
    /// Whether the weight was written, here or with the definition.
    pub(crate) said_weight: bool,
}

/// Which of the five a block is; `None` if it is none of them.
pub(crate) fn kind(keyword: &str) -> Option<Option<Kind>> {
    Some(match keyword {
        "track_interface" => None,
        "track_script" => Some(Kind::Script),
        "track_file" => Some(Kind::File),
        "track_process" => Some(Kind::Process),
        "track_bfd" => Some(Kind::Bfd),
        _ => return None,
    })
}

/// Lowers the lines of one such block. `order` is the position of the block around it in the file.
pub(crate) fn lower(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    kind: Option<Kind>,
    order: usize,
    trackers: &mut Vec<Placed>,
) {
    for line in block.children() {
        let name = &line.words[0];
        let found = match kind {
            None => interface(lowering, name),
            Some(kind) => defined(lowering, kind, name, order),
        };
        let Some((tracker, said_weight)) = found else { continue };
        if trackers.iter().any(|other| other.tracker.target == tracker.target) {
            lowering
                .report
                .complain("duplicate-tracker", name.span, format!("`{name}` is tracked twice"))
                .because("the first one counts");
            continue;
        }
        let mut placed = Placed { tracker, span: name.span, said_weight };
        options(lowering, line, kind, &mut placed);
        trackers.push(placed);
    }
}

fn interface(lowering: &mut Lowering<'_>, name: &Word) -> Option<(Tracker, bool)> {
    lowering.interface_exists(name, "tracking", "it counts as down until there is one");
    let target = TrackerTarget::Interface(name.text.clone());
    Some((Tracker { target, weight: 0, reverse: false }, false))
}

fn defined(lowering: &mut Lowering<'_>, kind: Kind, name: &Word, order: usize) -> Option<(Tracker, bool)> {
    let what = match kind {
        Kind::Script => "vrrp_script",
        Kind::File => "track_file",
        Kind::Process => "vrrp_track_process",
        Kind::Bfd | Kind::BfdOfCheckers => "bfd_instance",
    };
    let Some(definition) = lowering.definitions.find(kind, &name.text) else {
        if kind == Kind::Bfd && lowering.definitions.has_session_for_others(&name.text) {
            lowering
                .report
                .complain(
                    "bfd-for-checkers",
                    name.span,
                    format!("bfd_instance `{name}` is for checkers only"),
                )
                .because("it says `checker` and not `vrrp`; it is not tracked");
            return None;
        }
        let near = suggest::nearest(&name.text, lowering.definitions.names(kind)).map(str::to_owned);
        let said = lowering
            .report
            .complain("unknown-tracker", name.span, format!("there is no {what} `{name}`"))
            .because("it is not tracked");
        if let Some(near) = near {
            said.suggest(near);
        }
        return None;
    };
    if definition.order > order {
        // DIFFERS: keepalived does not track what is defined further down.
        lowering
            .report
            .complain("defined-later", name.span, format!("{what} `{name}` is defined further down"))
            .because("Mainstay tracks it; keepalived ignores it. Put the definition first");
    }
    let name = name.text.clone();
    let target = match kind {
        Kind::Script => TrackerTarget::Script(name),
        Kind::File => TrackerTarget::File(name),
        Kind::Process => TrackerTarget::Process(name),
        Kind::Bfd | Kind::BfdOfCheckers => TrackerTarget::Bfd(name),
    };
    let tracker = Tracker { target, weight: definition.weight, reverse: definition.reverse };
    Some((tracker, definition.said_weight))
}

/// `[weight N [reverse|noreverse]]`.
fn options(lowering: &mut Lowering<'_>, line: &Statement, kind: Option<Kind>, placed: &mut Placed) {
    let most = match kind {
        Some(Kind::File | Kind::Process) => FILE_WEIGHT,
        Some(Kind::Script | Kind::Bfd | Kind::BfdOfCheckers) | None => WEIGHT,
    };
    let mut words = line.arguments().iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "weight" => {
                let Some(value) = following(&mut lowering.report, word, &mut words, "a number") else {
                    return;
                };
                if let Some(weight) = number(&mut lowering.report, value, -most..=most) {
                    placed.tracker.weight = weight;
                    placed.said_weight = true;
                }
                placed.tracker.reverse = false;
            }
            "reverse" => placed.tracker.reverse = true,
            "noreverse" => placed.tracker.reverse = false,
            _ => {
                lowering
                    .report
                    .complain("unknown-option", word.span, format!("`{word}` is not an option of a tracker"))
                    .because("expected `weight NUMBER`, `reverse` or `noreverse`; it is ignored");
            }
        }
    }
}

/// Drops or changes what does not count: weights of an address owner and of members of a sync group.
pub(crate) fn settle(
    lowering: &mut Lowering<'_>,
    placed: Vec<Placed>,
    owner: bool,
    in_group: bool,
) -> Vec<Tracker> {
    let mut trackers = Vec::new();
    for Placed { mut tracker, span, said_weight } in placed {
        if tracker.weight != 0 {
            let name = name_of(&tracker.target).to_owned();
            if owner {
                lowering
                    .report
                    .complain(
                        "weight-of-owner",
                        span,
                        format!("a weight of `{name}` cannot change priority 255"),
                    )
                    .because("it is not tracked");
                continue;
            }
            if in_group {
                let is_interface = matches!(tracker.target, TrackerTarget::Interface(_));
                let is_file = matches!(tracker.target, TrackerTarget::File(_));
                if is_file && !said_weight {
                    tracker.weight = 0;
                } else {
                    let consequence =
                        if is_interface { "its loss is a fault of the group" } else { "it is not tracked" };
                    lowering
                        .report
                        .complain(
                            "weight-in-group",
                            span,
                            format!("a member of a sync group cannot have a weight for `{name}`"),
                        )
                        .because(format!(
                            "{consequence}; `sync_group_tracking_weight` in the group allows it"
                        ));
                    if !is_interface {
                        continue;
                    }
                    tracker.weight = 0;
                }
            }
        }
        trackers.push(tracker);
    }
    trackers
}

/// The name a tracker refers to.
pub(crate) fn name_of(target: &TrackerTarget) -> &str {
    match target {
        TrackerTarget::Interface(name)
        | TrackerTarget::Script(name)
        | TrackerTarget::File(name)
        | TrackerTarget::Process(name)
        | TrackerTarget::Bfd(name) => name,
    }
}
