//! `vrrp_track_process`.

use std::time::Duration;

use mainstay_core::router::plan::ProcessPlan;

use super::super::values::{number, required, seconds};
use super::super::{Lowering, named_block};
use super::{Definition, FILE_WEIGHT, weight};
use crate::model::{ParameterMatch, TrackedProcess};
use crate::tree::Statement;

/// Lowers one `vrrp_track_process`.
pub(crate) fn process(lowering: &mut Lowering<'_>, block: &Statement, order: usize) {
    let Some(name) = named_block(lowering, block) else { return };
    if lowering.definitions.processes.contains_key(&name) {
        lowering
            .report
            .warn(
                "duplicate-definition",
                block.span(),
                format!("vrrp_track_process `{name}` is defined twice"),
            )
            .because("the first one counts");
        return;
    }
    let mut definition =
        Definition { weight: 0, reverse: false, said_weight: false, span: block.span(), order };
    let mut plan = ProcessPlan {
        name: name.clone(),
        quorum: 1,
        quorum_max: None,
        terminate_delay: Duration::ZERO,
        fork_delay: Duration::ZERO,
    };
    let mut tracked =
        TrackedProcess { arguments: Vec::new(), parameters: ParameterMatch::Ignore, full_command: false };
    let mut matching = None;
    let hour = Duration::from_secs(3600);
    let shortest = Duration::from_micros(1);
    for statement in block.children() {
        match statement.keyword() {
            "process" => {
                required(&mut lowering.report, statement, "a process name");
                tracked.arguments = statement.arguments().iter().map(|word| word.text.clone()).collect();
            }
            "param_match" => matching = param_match(lowering, statement),
            "weight" => weight(lowering, statement, FILE_WEIGHT, &mut definition),
            "quorum" => {
                if let Some(word) = required(&mut lowering.report, statement, "a number")
                    && let Some(quorum) = number(&mut lowering.report, word, 1..=65535)
                {
                    plan.quorum = quorum;
                }
            }
            "quorum_max" => {
                if let Some(word) = required(&mut lowering.report, statement, "a number") {
                    plan.quorum_max = number(&mut lowering.report, word, 0..=65535);
                }
            }
            "delay" | "terminate_delay" | "fork_delay" => {
                let Some(word) = required(&mut lowering.report, statement, "seconds") else { continue };
                let Some(delay) = seconds(&mut lowering.report, word, shortest..=hour) else { continue };
                if statement.keyword() != "fork_delay" {
                    plan.terminate_delay = delay;
                }
                if statement.keyword() != "terminate_delay" {
                    plan.fork_delay = delay;
                }
            }
            "full_command" => tracked.full_command = true,
            _ => {}
        }
    }
    if tracked.arguments.is_empty() {
        lowering
            .report
            .refuse(
                "process-without-name",
                block.span(),
                format!("vrrp_track_process `{name}` has no `process`"),
            )
            .because("it is left out");
        return;
    }
    tracked.parameters = match matching {
        Some(matching) => matching,
        None if tracked.arguments.len() > 1 => ParameterMatch::Exact,
        None => ParameterMatch::Ignore,
    };
    if let Some(most) = plan.quorum_max {
        if most == 0 {
            // "must not run": a quorum of its own would never be met.
            plan.quorum = 0;
        } else if most < plan.quorum {
            lowering
                .report
                .complain("quorum-max-below-quorum", block.span(), "`quorum_max` is less than `quorum`")
                .because("quorum_max is ignored");
            plan.quorum_max = None;
        }
    }
    lowering.model.router.processes.push(plan);
    lowering.model.processes.insert(name.clone(), tracked);
    lowering.definitions.processes.insert(name, definition);
}

fn param_match(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<ParameterMatch> {
    match statement.arguments().first().map(|word| (word.text.as_str(), word.span)) {
        None => Some(ParameterMatch::Exact),
        Some(("initial", _)) => Some(ParameterMatch::Initial),
        Some(("partial", _)) => Some(ParameterMatch::Partial),
        Some((other, span)) => {
            lowering
                .report
                .complain("unknown-option", span, format!("`{other}` is not a way to match parameters"))
                .because("expected nothing, `initial` or `partial`");
            None
        }
    }
}
