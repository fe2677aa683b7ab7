//! `vrrp_script`: read first, looked for on the disk when everything else is known.

use std::path::PathBuf;
use std::time::Duration;

use mainstay_core::router::plan::ScriptPlan;

use super::super::commands::{self, Purpose, Wanted};
use super::super::values::{LONGEST_TIMER, number, required, seconds};
use super::super::{Lowering, named_block};
use super::{Definition, WEIGHT, weight};
use crate::model::{Identity, ScriptCommand, ScriptProbe};
use crate::tree::Statement;

/// A `vrrp_script` that nobody may use yet: scripts that are not tracked are not looked for.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) definition: Definition,
    probe: Probe,
    interval: Duration,
    timeout: Option<Duration>,
    rise: u32,
    fall: u32,
    init_fail: bool,
    pub(super) used: bool,
}

#[derive(Debug, Clone)]
enum Probe {
    Command(Wanted),
    FileReadable(PathBuf),
}

/// Lowers one `vrrp_script`.
pub(crate) fn script(lowering: &mut Lowering<'_>, block: &Statement, order: usize) {
    let Some(name) = named_block(lowering, block) else { return };
    if lowering.definitions.scripts.contains_key(&name) {
        lowering
            .report
            .warn("duplicate-definition", block.span(), format!("vrrp_script `{name}` is defined twice"))
            .because("the first one counts");
        return;
    }
    let mut command = None;
    let mut user = None;
    let mut script = Script {
        definition: Definition { weight: 0, reverse: false, said_weight: false, span: block.span(), order },
        probe: Probe::FileReadable(PathBuf::new()),
        interval: Duration::from_secs(1),
        timeout: None,
        rise: 1,
        fall: 1,
        init_fail: false,
        used: false,
    };
    for statement in block.children() {
        match statement.keyword() {
            "script" if command.is_none() => command = Some(statement),
            "script" => {
                lowering
                    .report
                    .warn("duplicate-keyword", statement.span(), "`script` is given twice")
                    .because("the first one counts, as in keepalived");
            }
            "user" => user = Some(statement),
            "interval" => {
                if let Some(interval) = positive_seconds(lowering, statement, LONGEST_TIMER) {
                    script.interval = interval;
                }
            }
            "timeout" => {
                if let Some(timeout) = positive_seconds(lowering, statement, LONGEST_TIMER) {
                    script.timeout = Some(timeout);
                }
            }
            "weight" => weight(lowering, statement, WEIGHT, &mut script.definition),
            "rise" => {
                if let Some(rise) = at_least_one(lowering, statement) {
                    script.rise = rise;
                }
            }
            "fall" => {
                if let Some(fall) = at_least_one(lowering, statement) {
                    script.fall = fall;
                }
            }
            "init_fail" => script.init_fail = true,
            _ => {}
        }
    }
    let Some(probe) = probe(lowering, &name, block, command, user) else { return };
    script.probe = probe;
    lowering.definitions.scripts.insert(name, script);
}

fn probe(
    lowering: &mut Lowering<'_>,
    name: &str,
    block: &Statement,
    command: Option<&Statement>,
    user: Option<&Statement>,
) -> Option<Probe> {
    let line = command.and_then(|statement| statement.arguments().first());
    let Some((statement, line)) = command.zip(line).filter(|(_, line)| !line.text.trim().is_empty()) else {
        lowering
            .report
            .refuse("script-without-command", block.span(), format!("vrrp_script `{name}` has no `script`"))
            .because("it is left out; say `script \"/path/to/check arguments\"`");
        return None;
    };
    if let Some(path) = line.text.trim_start().strip_prefix('<') {
        return Some(Probe::FileReadable(PathBuf::from(path.trim())));
    }
    let identity = match user {
        Some(user) if !user.arguments().is_empty() => {
            commands::named_identity(lowering, user.arguments(), Purpose::Tracking)
        }
        Some(user) => {
            required(&mut lowering.report, user, "a user name");
            None
        }
        None => commands::default_identity(lowering, line.span, Purpose::Tracking),
    }?;
    let arguments = crate::text::command_words(&line.text, crate::text::Escapes::Keep);
    if let [first, .., last] = statement.arguments() {
        let words: Vec<_> = statement.arguments().iter().map(|word| word.text.as_str()).collect();
        lowering
            .report
            .warn(
                "words-after-command",
                first.span.to(last.span),
                "keepalived ignores what follows the command",
            )
            .because(format!("only `{}` is run", line.text))
            .suggest(format!("\"{}\"", words.join(" ")));
    }
    Some(Probe::Command(Wanted { arguments, identity, span: line.span }))
}

/// Looks for the scripts and gives those that are tracked to the model. Gives the names of those that cannot run.
///
/// Without any instance there is nobody to run them, and keepalived does not look.
pub(crate) fn finish_scripts(lowering: &mut Lowering<'_>, any_instance: bool) -> Vec<String> {
    let scripts = std::mem::take(&mut lowering.definitions.scripts);
    let mut disabled = Vec::new();
    for (name, script) in scripts {
        if !script.used {
            lowering
                .report
                .note(
                    "unused-script",
                    script.definition.span,
                    format!("vrrp_script `{name}` is not tracked by anything"),
                )
                .because("it is not run");
        }
        if !any_instance {
            continue;
        }
        let (probe, identity) = match script.probe {
            Probe::FileReadable(path) => {
                let identity = format!("<{}", path.display());
                (ScriptProbe::FileReadable(path), identity)
            }
            Probe::Command(wanted) => {
                let Some(command) = commands::found(lowering, &wanted, &name, Purpose::Tracking) else {
                    disabled.push(name);
                    continue;
                };
                let Identity { uid, gid } = command.identity;
                let identity = format!("{uid}:{gid} {:?}", command.arguments);
                (ScriptProbe::Command(command), identity)
            }
        };
        if !script.used {
            continue;
        }
        let timeout = script.timeout.unwrap_or(script.interval);
        lowering.model.scripts.insert(name.clone(), ScriptCommand { probe, timeout });
        lowering.model.router.scripts.push(ScriptPlan {
            name,
            identity,
            interval: script.interval,
            rise: script.rise,
            fall: script.fall,
            init_fail: script.init_fail,
        });
    }
    disabled
}

/// Seconds; zero becomes one, as in keepalived.
fn positive_seconds(lowering: &mut Lowering<'_>, statement: &Statement, most: Duration) -> Option<Duration> {
    let word = required(&mut lowering.report, statement, "seconds")?;
    let duration = seconds(&mut lowering.report, word, Duration::ZERO..=most)?;
    if duration.is_zero() {
        lowering
            .report
            .complain("must-be-positive", word.span, format!("`{}` must be more than 0", statement.keyword()))
            .because("1 second is used");
        return Some(Duration::from_secs(1));
    }
    // keepalived counts in milliseconds.
    Some(duration.max(Duration::from_millis(1)))
}

fn at_least_one(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<u32> {
    let word = required(&mut lowering.report, statement, "a number")?;
    number(&mut lowering.report, word, 1..=i64::from(i32::MAX))
}
