//! `vrrp_sync_group`: read before the instances, because membership decides which trackers count.

use std::collections::BTreeMap;

use mainstay_core::router::plan::{SyncGroupPlan, TrackerTarget};

use super::notify::Notify;
use super::trackers::{self, Placed};
use super::{Lowering, only_name};
use crate::suggest;
use crate::tree::{Span, Statement, Word};

/// A group as it was read.
#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    span: Span,
    members: Vec<Word>,
    tracking_weight: bool,
    notify: Notify,
    trackers: Vec<Placed>,
}

/// Reads one block, without its trackers.
pub(crate) fn read(lowering: &mut Lowering<'_>, block: &Statement) {
    let Some(name) = only_name(lowering, block) else { return };
    if lowering.groups.iter().any(|group| group.name == name) {
        lowering
            .report
            .refuse("duplicate-name", block.span(), format!("vrrp_sync_group `{name}` is defined twice"))
            .because("the first one counts; this one is left out");
        return;
    }
    let mut group = Group {
        name,
        span: block.span(),
        members: Vec::new(),
        tracking_weight: false,
        notify: Notify::default(),
        trackers: Vec::new(),
    };
    for statement in block.children() {
        match statement.keyword() {
            "group" => {
                let lines = statement.children();
                group.members.extend(lines.iter().flat_map(|line| line.words.iter().cloned()));
                if lines.is_empty() {
                    lowering.report.complain(
                        "empty-block",
                        statement.span(),
                        format!("sync group `{}` names no member", group.name),
                    );
                }
            }
            "sync_group_tracking_weight" | "global_tracking" => group.tracking_weight = true,
            _ => {
                let mut notify = std::mem::take(&mut group.notify);
                notify.word(lowering, statement);
                group.notify = notify;
            }
        }
    }
    lowering.groups.push(group);
}

/// Lowers the trackers of one block.
pub(crate) fn trackers(lowering: &mut Lowering<'_>, block: &Statement, order: usize) {
    let place = lowering.groups.iter().position(|group| group.span == block.span());
    let Some(place) = place else { return };
    let mut found = Vec::new();
    for statement in block.children() {
        if let Some(kind) = trackers::kind(statement.keyword()) {
            trackers::lower(lowering, statement, kind, order, &mut found);
        }
    }
    lowering.groups[place].trackers = found;
}

/// Whether an instance is in a group whose members may not have weighted trackers.
pub(crate) fn forbids_weights(lowering: &Lowering<'_>, instance: &str) -> bool {
    lowering
        .groups
        .iter()
        .find(|group| group.members.iter().any(|member| member.text == instance))
        .is_some_and(|group| !group.tracking_weight)
}

/// Makes the groups, once the instances are known.
pub(crate) fn finish(lowering: &mut Lowering<'_>) {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for group in std::mem::take(&mut lowering.groups) {
        let name = group.name;
        let mut members = Vec::new();
        for member in &group.members {
            if !lowering.model.router.instances.iter().any(|instance| instance.name == member.text) {
                let names = lowering.model.router.instances.iter().map(|instance| instance.name.as_str());
                let near = suggest::nearest(&member.text, names).map(str::to_owned);
                let said = lowering
                    .report
                    .complain(
                        "unknown-member",
                        member.span,
                        format!("sync group `{name}`: there is no instance `{member}`"),
                    )
                    .because("it is ignored");
                if let Some(near) = near {
                    said.suggest(near);
                }
            } else if let Some(other) = taken.get(&member.text) {
                lowering
                    .report
                    .complain(
                        "member-of-two",
                        member.span,
                        format!("`{member}` is already in group `{other}`"),
                    )
                    .because("an instance is in one sync group only; it is ignored here");
            } else {
                taken.insert(member.text.clone(), name.clone());
                members.push(member.text.clone());
            }
        }
        match members.as_slice() {
            [] => {
                lowering
                    .report
                    .refuse("empty-group", group.span, format!("sync group `{name}` has no members"))
                    .because("it is left out");
                continue;
            }
            [_] => {
                lowering
                    .report
                    .complain("lonely-member", group.span, format!("sync group `{name}` has one member only"))
                    .because("this is probably not what was meant");
            }
            _ => {}
        }
        let mut placed = group.trackers;
        for tracker in &mut placed {
            // The default weight 1 of a file does not reach a group (reference/keepalived.md section 2.2).
            if matches!(tracker.tracker.target, TrackerTarget::File(_)) && !tracker.said_weight {
                tracker.tracker.weight = 0;
            }
        }
        let trackers = trackers::settle(lowering, placed, false, false);
        let priority_changes = group.notify.priority_changes;
        let notify_priority_changes =
            priority_changes.unwrap_or(lowering.model.router.settings.notify_priority_changes);
        if let Some(said) = priority_changes {
            for instance in &mut lowering.model.router.instances {
                if members.contains(&instance.name)
                    && !lowering.defaults.said_priority_changes.contains(&instance.name)
                {
                    instance.notify_priority_changes = said;
                }
            }
        }
        if let Some(commands) = group.notify.finish(lowering) {
            lowering.model.group_notify.insert(name.clone(), commands);
        }
        lowering.model.router.sync_groups.push(SyncGroupPlan {
            name,
            members,
            trackers,
            tracking_weight: group.tracking_weight,
            notify_priority_changes,
        });
    }
}
