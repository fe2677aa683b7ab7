//! What can be tracked: `vrrp_script`, `track_file`, `vrrp_track_process`, and the names of `bfd_instance`s.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mainstay_core::router::plan::{FilePlan, ProcessPlan, ScriptPlan};

use super::commands::{self, Purpose, Wanted};
use super::values::{LONGEST_TIMER, number, required, seconds};
use super::{Lowering, named_block};
use crate::model::{Identity, ParameterMatch, ScriptCommand, ScriptProbe, TrackedFile, TrackedProcess};
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
    /// Position in the file: keepalived demands that it comes before its use.
    pub(crate) span: Span,
    /// Which block of the file it is, counted.
    pub(crate) order: usize,
}

/// A `vrrp_script` that nobody may use yet: scripts that are not tracked are not looked for.
#[derive(Debug, Clone)]
struct Script {
    definition: Definition,
    probe: Probe,
    interval: Duration,
    timeout: Option<Duration>,
    rise: u32,
    fall: u32,
    init_fail: bool,
    used: bool,
}

#[derive(Debug, Clone)]
enum Probe {
    Command(Wanted),
    FileReadable(PathBuf),
}

/// All that is defined, by kind and name.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    scripts: BTreeMap<String, Script>,
    files: BTreeMap<String, Definition>,
    processes: BTreeMap<String, Definition>,
    bfd: BTreeMap<String, Definition>,
}

/// The four kinds of definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `vrrp_script`.
    Script,
    /// `track_file`.
    File,
    /// `vrrp_track_process`.
    Process,
    /// `bfd_instance`.
    Bfd,
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
            Kind::Bfd => self.bfd.get(name).cloned(),
        }
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
            Kind::Bfd => keys(&self.bfd),
        }
    }
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
        definition: Definition { weight: 0, reverse: false, span: block.span(), order },
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
            .because("it is left out")
            .suggest("script \"/path/to/check arguments\"");
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
    if let Some(extra) = statement.arguments().get(1) {
        lowering
            .report
            .warn("words-after-command", extra.span, "keepalived ignores what follows the command")
            .because(format!("only `{}` is run", line.text))
            .suggest(format!(
                "script \"{}\"",
                statement.arguments().iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
            ));
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
    let mut definition = Definition { weight: 1, reverse: false, span: block.span(), order };
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
    let mut definition = Definition { weight: 0, reverse: false, span: block.span(), order };
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

/// Notes the name and weight of one `bfd_instance`; sessions come with a later version.
pub(crate) fn bfd(lowering: &mut Lowering<'_>, block: &Statement, order: usize) {
    let Some(name) = named_block(lowering, block) else { return };
    let mut definition = Definition { weight: 0, reverse: false, span: block.span(), order };
    let mut neighbour = false;
    for statement in block.children() {
        match statement.keyword() {
            "weight" => weight(lowering, statement, WEIGHT, &mut definition),
            "neighbor_ip" | "neighbour_ip" => {
                neighbour = statement
                    .arguments()
                    .first()
                    .is_some_and(|word| super::values::address(&word.text).is_some());
            }
            _ => {}
        }
    }
    if !neighbour {
        lowering
            .report
            .refuse(
                "bfd-without-neighbor",
                block.span(),
                format!("bfd_instance `{name}` has no `neighbor_ip`"),
            )
            .because("it is left out");
        return;
    }
    lowering.report.not_yet(block.span(), "bfd_instance", "no session is kept; what tracks it sees it as up");
    lowering.definitions.bfd.insert(name, definition);
}

/// `weight N [reverse]`.
fn weight(lowering: &mut Lowering<'_>, statement: &Statement, most: i64, definition: &mut Definition) {
    let Some(word) = required(&mut lowering.report, statement, "a number") else { return };
    if let Some(weight) = number(&mut lowering.report, word, -most..=most) {
        definition.weight = weight;
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
