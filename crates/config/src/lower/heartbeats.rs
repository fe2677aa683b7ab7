//! Heartbeats between Mainstay nodes: `peer_view`, `heartbeat_path`, `heartbeat_key` and `heartbeat_port`, words of our
//! own.

use mainstay_core::router::plan::{HeartbeatPlan, PathDestination, PathPlan};

use super::Lowering;
use super::values::{address, integer, link_name, switch};
use crate::tree::{Span, Statement, Word};

/// A key with fewer characters can be found by trying.
const SHORTEST_KEY: usize = 16;

/// What was said about heartbeats.
#[derive(Debug, Default)]
pub(crate) struct Said {
    peer_view: Option<bool>,
    port: Option<u16>,
    key: Option<Word>,
    paths: Vec<Path>,
}

/// A `heartbeat_path`.
#[derive(Debug)]
struct Path {
    span: Span,
    plan: PathPlan,
}

/// Takes in a word of `global_defs`; says whether it was one of these.
pub(crate) fn global_word(lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
    let report = &mut lowering.report;
    match statement.keyword() {
        "peer_view" => {
            let said = switch(report, statement);
            let heartbeats = &mut lowering.defaults.heartbeats;
            heartbeats.peer_view = said.or(heartbeats.peer_view);
        }
        "heartbeat_port" => {
            let port = statement.arguments().first().and_then(|word| integer(report, word, 1..=65535));
            let heartbeats = &mut lowering.defaults.heartbeats;
            heartbeats.port = port.and_then(|port| u16::try_from(port).ok()).or(heartbeats.port);
        }
        "heartbeat_key" => {
            let Some(word) = statement.arguments().first() else { return true };
            if word.text.len() < SHORTEST_KEY {
                report
                    .warn("short-key", word.span, "the heartbeat_key is short enough to be found by trying")
                    .because(format!("expected {SHORTEST_KEY} characters or more; it is used all the same"));
            }
            lowering.defaults.heartbeats.key = Some(word.clone());
        }
        _ => return path_word(lowering, statement, None),
    }
    true
}

/// Takes in a `heartbeat_path` of an instance, or of all; says whether it was one.
pub(crate) fn path_word(lowering: &mut Lowering<'_>, statement: &Statement, instance: Option<&str>) -> bool {
    if statement.keyword() != "heartbeat_path" {
        return false;
    }
    if let Some(plan) = path(lowering, statement, instance) {
        let paths = &mut lowering.defaults.heartbeats.paths;
        if paths.iter().any(|known| known.plan == plan) {
            lowering
                .report
                .warn("duplicate-path", statement.span(), "this heartbeat_path is there already")
                .because("it counts once");
        } else {
            paths.push(Path { span: statement.span(), plan });
        }
    }
    true
}

/// `dev IF [peer ADDRESS]`, also without the words `dev` and `peer`.
fn path(lowering: &mut Lowering<'_>, statement: &Statement, instance: Option<&str>) -> Option<PathPlan> {
    let (mut link, mut peer) = (None, None);
    for word in statement.arguments() {
        if word.text == "dev" || word.text == "peer" {
            continue;
        }
        let slot = if link.is_none() { &mut link } else { &mut peer };
        *slot = Some(word);
    }
    let Some(name) = link else {
        lowering
            .report
            .refuse("missing-interface", statement.span(), "`heartbeat_path` is missing its interface")
            .because("expected `dev INTERFACE`, perhaps with `peer ADDRESS`; the path is left out");
        return None;
    };
    let link = link_name(&mut lowering.report, name)?;
    if lowering.host.interface(&link).is_none() {
        lowering
            .report
            .warn(
                "unknown-path",
                name.span,
                format!("there is no interface `{link}` for this heartbeat_path"),
            )
            .because("the path is used as soon as there is one");
    }
    let destination = match peer {
        None => PathDestination::Groups { v4: lowering.defaults.group4, v6: lowering.defaults.group6 },
        Some(word) => match address(&word.text).filter(|address| !address.is_multicast()) {
            Some(address) => PathDestination::Peer(address),
            None => {
                lowering
                    .report
                    .refuse("bad-address", word.span, format!("`{word}` is not the address of a peer"))
                    .because("expected an IPv4 or IPv6 address; the path is left out");
                return None;
            }
        },
    };
    Some(PathPlan { link, destination, instance: instance.map(str::to_owned) })
}

/// Completes the plan, when all instances are known.
pub(crate) fn finish(lowering: &mut Lowering<'_>) {
    let said = std::mem::take(&mut lowering.defaults.heartbeats);
    let router = &mut lowering.model.router;
    if router.instances.is_empty() {
        return;
    }
    let to_peer = said.paths.iter().find(|path| matches!(path.plan.destination, PathDestination::Peer(_)));
    if let (Some(path), None) = (to_peer, &said.key) {
        lowering
            .report
            .note(
                "no-heartbeat-key",
                path.span,
                "there is no `heartbeat_key`, and a heartbeat_path names a peer",
            )
            .because(
                "heartbeats are believed only if they come from the link itself, without a router between",
            );
    }
    let defaults = HeartbeatPlan::default();
    let known = |path: &PathPlan| {
        let name = path.instance.as_ref();
        name.is_none_or(|name| router.instances.iter().any(|instance| instance.name == *name))
    };
    router.heartbeats = HeartbeatPlan {
        peer_view: said.peer_view.unwrap_or(true),
        port: said.port.unwrap_or(defaults.port),
        key: said.key.map_or(defaults.key, |word| word.text.into_bytes()),
        paths: said.paths.into_iter().map(|path| path.plan).filter(known).collect(),
    };
}
