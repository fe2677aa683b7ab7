//! What instances and sync groups follow, and how it is.

use std::collections::BTreeMap;

use mainstay_agentx::{Table, Value};
use mainstay_config::model::{ParameterMatch, ScriptProbe, Trackable};
use mainstay_core::bfd;
use mainstay_core::router::plan::{Tracker, TrackerTarget};

use super::{command, entry};
use crate::snmp::columns;
use crate::snmp::snapshot::Snapshot;

const LINK: [u32; 3] = columns(1);
const OTHER: [u32; 3] = columns(2);
const SCRIPT: [u32; 8] = columns(2);
const FILE: [u32; 5] = columns(2);
const SESSION: [u32; 4] = columns(2);
const PROCESS: [u32; 13] = columns(2);

/// What can be followed, with the tables of instances and of groups that follow it.
const KINDS: [(Kind, u32, u32); 5] = [
    (Kind::Link, 4, 14),
    (Kind::Script, 5, 15),
    (Kind::File, 12, 16),
    (Kind::Session, 17, 19),
    (Kind::Process, 20, 22),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Link,
    Script,
    File,
    Session,
    Process,
}

/// Who follows what, and the scripts, files, sessions and processes themselves.
pub fn tables(snapshot: &Snapshot) -> Vec<Table<'_>> {
    let router = &snapshot.model.router;
    let mut tables = Vec::new();
    for (kind, of_instances, of_groups) in KINDS {
        let instances = (1..).zip(&router.instances).map(|(index, plan)| (index, plan.trackers.as_slice()));
        let groups = (1..).zip(&router.sync_groups).map(|(index, plan)| (index, plan.trackers.as_slice()));
        tables.push(followed(kind, &entry(of_instances), instances));
        tables.push(followed(kind, &entry(of_groups), groups));
    }
    let scripts = defined(snapshot, "script", &router.scripts, |plan| &plan.name);
    tables.push(Table::new(&entry(9), &SCRIPT, scripts, move |(of, plan), column| {
        Some(match column {
            2 => Value::text(&plan.name),
            3 => match &snapshot.model.scripts.get(&plan.name)?.probe {
                ScriptProbe::Command(run) => command(Some(run))?,
                ScriptProbe::FileReadable(path) => Value::text(&format!("<{}", path.display())),
            },
            4 => Value::integer(i64::try_from(plan.interval.as_secs()).unwrap_or(i64::MAX)),
            5 => Value::Integer(of.weight),
            // init(1), bad(2), good(3).
            6 => Value::Integer(match verdict(snapshot, "script", &plan.name) {
                None => 1,
                Some(false) => 2,
                Some(true) => 3,
            }),
            7 => Value::gauge(plan.rise),
            8 => Value::gauge(plan.fall),
            9 => Value::truth(of.reverse),
            _ => return None,
        })
    }));
    let files = defined(snapshot, "file", &router.files, |plan| &plan.name);
    tables.push(Table::new(&entry(13), &FILE, files, move |(of, plan), column| {
        Some(match column {
            2 => Value::text(&plan.name),
            3 => Value::text(&plan.path),
            4 => Value::integer(snapshot.router.files.get(&plan.name).copied().flatten().unwrap_or_default()),
            5 => Value::Integer(of.weight),
            6 => Value::truth(of.reverse),
            _ => return None,
        })
    }));
    let sessions = router.bfd.iter().filter(|plan| plan.audience.vrrp);
    let sessions = defined(snapshot, "bfd", sessions, |plan| &plan.name);
    tables.push(Table::new(&entry(18), &SESSION, sessions, move |(of, plan), column| {
        let is_up = || {
            let sessions = &snapshot.router.report.bfd.sessions;
            sessions.iter().any(|session| *session.name == *plan.name && session.state == bfd::State::Up)
        };
        Some(match column {
            2 => Value::text(&plan.name),
            3 => Value::Integer(is_up().into()),
            4 => Value::Integer(of.weight),
            5 => Value::truth(of.reverse),
            _ => return None,
        })
    }));
    let processes = defined(snapshot, "process", &router.processes, |plan| &plan.name);
    tables.push(Table::new(&entry(21), &PROCESS, processes, move |(of, plan), column| {
        let tracked = snapshot.model.processes.get(&plan.name)?;
        let (path, parameters) = tracked.arguments.split_first()?;
        Some(match column {
            2 => Value::text(&plan.name),
            3 => Value::text(path),
            4 => Value::text(&parameters.join(" ")),
            5 => Value::Integer(match tracked.parameters {
                ParameterMatch::Ignore => 0,
                ParameterMatch::Exact => 1,
                ParameterMatch::Partial => 2,
                ParameterMatch::Initial => 3,
            }),
            6 => Value::Integer(of.weight),
            7 => Value::truth(of.reverse),
            8 => Value::gauge(plan.quorum),
            9 => Value::integer(plan.quorum_max.map_or(-1, i64::from)),
            10 => Value::gauge(plan.fork_delay.as_secs()),
            11 => Value::gauge(plan.terminate_delay.as_secs()),
            12 => Value::truth(tracked.full_command),
            13 => {
                Value::integer(snapshot.router.processes.get(&plan.name).copied().unwrap_or_default().into())
            }
            14 => Value::truth(verdict(snapshot, "process", &plan.name) == Some(true)),
            _ => return None,
        })
    }));
    tables
}

/// What of one kind some instances or groups follow. Those of links have no column for their index.
fn followed<'a>(kind: Kind, name: &[u32], who: impl Iterator<Item = (u32, &'a [Tracker])>) -> Table<'a> {
    let rows = who.flat_map(|(index, trackers)| {
        let of_kind = move |tracker: &&'a Tracker| target(tracker).0 == kind;
        // A link may be followed twice, once because an address is on it: what was said of it comes first.
        let followed = trackers.iter().filter(of_kind).enumerate().filter_map(move |(place, tracker)| {
            let mut before = trackers.iter().filter(of_kind).take(place);
            let name = target(tracker).1;
            (!before.any(|other| target(other).1 == name)).then_some((name, tracker))
        });
        (1..).zip(followed).map(move |(number, followed)| (vec![index, number], followed))
    });
    let (columns, first): (&'static [u32], u32) = if kind == Kind::Link { (&LINK, 1) } else { (&OTHER, 2) };
    Table::new(name, columns, rows, move |(name, tracker), column| {
        Some(match column - first {
            0 => Value::text(name),
            1 => Value::Integer(tracker.weight),
            _ => Value::truth(tracker.reverse),
        })
    })
}

fn target(tracker: &Tracker) -> (Kind, &str) {
    match &tracker.target {
        TrackerTarget::Interface(name) => (Kind::Link, name),
        TrackerTarget::Script(name) => (Kind::Script, name),
        TrackerTarget::File(name) => (Kind::File, name),
        TrackerTarget::Process(name) => (Kind::Process, name),
        TrackerTarget::Bfd(name) => (Kind::Session, name),
    }
}

/// The definitions of a kind that count, in the order of the file.
fn defined<'a, Plan: 'a>(
    snapshot: &'a Snapshot,
    kind: &str,
    plans: impl IntoIterator<Item = &'a Plan>,
    name_of: impl Fn(&Plan) -> &str,
) -> impl Iterator<Item = (Vec<u32>, (&'a Trackable, &'a Plan))> {
    let plans: BTreeMap<String, &Plan> =
        plans.into_iter().map(|plan| (format!("{kind} {}", name_of(plan)), plan)).collect();
    let defined = snapshot.model.snmp.trackables.iter();
    let counting = defined.filter_map(move |of| Some((of, *plans.get(&of.name)?)));
    (1..).zip(counting).map(|(index, row)| (vec![index], row))
}

fn verdict(snapshot: &Snapshot, kind: &str, name: &str) -> Option<bool> {
    let trackers = &snapshot.router.report.trackers;
    let found = trackers.iter().find(|tracker| tracker.name.split_once(' ') == Some((kind, name)));
    found.and_then(|tracker| tracker.up)
}
