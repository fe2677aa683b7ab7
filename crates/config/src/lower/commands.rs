//! Scripts: who runs them, where they are, whether root may run them.
//!
//! keepalived's rules (reference/keepalived.md section 2.10): a script runs as the user named with it, else as
//! `script_user`, else as `keepalived_script` if there is such a user, else as keepalived itself. What root runs must
//! be safe from everybody else: every part of its path owned by root and writable by root only.

use std::path::{Component, Path, PathBuf};

use super::Lowering;
use super::report::Report;
use crate::Host;
use crate::files::{FileFacts, FileKind};
use crate::model::{Command, Identity};
use crate::text::{Escapes, command_words};
use crate::tree::{Span, Statement, Word};

/// The user keepalived takes if nobody is named.
const CUSTOMARY_USER: &str = "keepalived_script";

/// Where programs are looked for when the environment does not say.
const CUSTOMARY_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What `global_defs` says about scripts.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// `script_user`; `Some(None)` if it names somebody unknown.
    pub(crate) user: Option<Option<Identity>>,
    /// `enable_script_security`.
    pub(crate) secure: bool,
    /// `use_symlink_paths`.
    pub(crate) keep_links: bool,
    /// The first script of VRRP or of the node, for the one warning about `enable_script_security`.
    pub(crate) first_script: Option<Span>,
    /// The first script of a check: keepalived warns of these in another process.
    pub(crate) first_check_script: Option<Span>,
}

/// What a script is for: decides what keepalived says about a bad one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `vrrp_script`.
    Tracking,
    /// `notify*`, FIFO readers, start and stop scripts: keepalived drops a bad one without a word.
    Notification,
    /// Scripts of health checks.
    Check,
    /// `notify_up`, `quorum_up` and the like, of the process of health checks.
    CheckNotification,
}

/// Why a script cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not there, or not to be seen.
    Missing,
    /// A directory or a device.
    NotAFile,
    /// There, but that user may not execute it.
    NotExecutable,
    /// Root would run what somebody else may change; holds the part of the path.
    Unsafe(PathBuf),
}

/// A command line of the file with its identity, not yet looked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Program and arguments.
    pub(crate) arguments: Vec<String>,
    /// Who runs it.
    pub(crate) identity: Identity,
    /// Where it stands.
    pub(crate) span: Span,
}

/// Lowers `keyword "COMMAND ARGUMENTS" [USER [GROUP]]` that is needed at once.
pub(crate) fn command(
    lowering: &mut Lowering<'_>,
    statement: &Statement,
    purpose: Purpose,
) -> Option<Command> {
    let wanted = wanted(lowering, statement, purpose)?;
    found(lowering, &wanted, statement.keyword(), purpose)
}

/// Reads a command line and who runs it.
pub(crate) fn wanted(lowering: &mut Lowering<'_>, statement: &Statement, purpose: Purpose) -> Option<Wanted> {
    let word = super::values::required(&mut lowering.report, statement, "the command to run")?;
    let escapes = match purpose {
        Purpose::Notification | Purpose::CheckNotification => Escapes::Process,
        Purpose::Tracking | Purpose::Check => Escapes::Keep,
    };
    let arguments = command_words(&word.text, escapes);
    if arguments.is_empty() {
        return None;
    }
    let who = &statement.arguments()[1..];
    let identity = if who.is_empty() || purpose == Purpose::Tracking {
        default_identity(lowering, word.span, purpose)?
    } else {
        named_identity(lowering, who, purpose)?
    };
    Some(Wanted { arguments, identity, span: word.span })
}

/// `USER [[:]GROUP]`.
pub(crate) fn named_identity(
    lowering: &mut Lowering<'_>,
    who: &[Word],
    purpose: Purpose,
) -> Option<Identity> {
    let first = who.first()?;
    let (user, glued) = first.text.split_once(':').unwrap_or((&first.text, ""));
    let group = who.get(1).map_or(glued, |word| word.text.trim_start_matches(':'));
    let Some((uid, own_gid)) = lowering.host.user(user) else {
        unknown(&mut lowering.report, purpose, first.span, format!("there is no user `{user}`"));
        return None;
    };
    if group.is_empty() {
        return Some(Identity { uid, gid: own_gid });
    }
    let Some(gid) = lowering.host.group(group) else {
        let span = who.get(1).map_or(first.span, |word| word.span);
        unknown(&mut lowering.report, purpose, span, format!("there is no group `{group}`"));
        return None;
    };
    Some(Identity { uid, gid })
}

fn unknown(report: &mut Report, purpose: Purpose, span: Span, message: String) {
    match purpose {
        Purpose::Notification | Purpose::CheckNotification => {
            report.warn("notify-script-user", span, message)
        }
        Purpose::Tracking | Purpose::Check => report.complain("unknown-user", span, message),
    }
    .because("what would run as this user is left out");
}

/// Who runs a script when nobody is named with it.
pub(crate) fn default_identity(
    lowering: &mut Lowering<'_>,
    span: Span,
    purpose: Purpose,
) -> Option<Identity> {
    match lowering.commands.user {
        Some(Some(identity)) => return Some(identity),
        Some(None) => {
            unknown_default(lowering, span, purpose, "`script_user` names nobody known");
            return None;
        }
        None => {}
    }
    if let Some((uid, gid)) = lowering.host.user(CUSTOMARY_USER) {
        return Some(Identity { uid, gid });
    }
    if lowering.commands.secure {
        let why = format!("there is no `script_user` and no user `{CUSTOMARY_USER}`");
        unknown_default(lowering, span, purpose, &why);
        return None;
    }
    let (uid, gid) = lowering.host.identity();
    Some(Identity { uid, gid })
}

fn unknown_default(lowering: &mut Lowering<'_>, span: Span, purpose: Purpose, why: &str) {
    let what = match purpose {
        Purpose::Tracking => "a track script",
        Purpose::Notification | Purpose::CheckNotification => "a script",
        Purpose::Check => "a check script",
    };
    lowering
        .report
        .complain("no-script-user", span, format!("nobody may run {what}: {why}"))
        .because("the script is left out; name a user who exists, as in `script_user root` of global_defs");
}

/// Looks for a program and says what is wrong with it; `None` if it cannot be run.
pub(crate) fn found(
    lowering: &mut Lowering<'_>,
    wanted: &Wanted,
    name: &str,
    purpose: Purpose,
) -> Option<Command> {
    let program = &wanted.arguments[0];
    match look_for(lowering.host, &lowering.commands, program, wanted.identity) {
        Ok(Program { path, through_shell, unsafe_part }) => {
            note_first(lowering, wanted.span, purpose);
            if let Some(part) = unsafe_part {
                lowering
                    .report
                    .warn("unsafe-script", wanted.span, format!("root would run `{program}`"))
                    .because(format!(
                        "others than root may change {}; with enable_script_security it would not be run",
                        part.display()
                    ));
            }
            let mut arguments = wanted.arguments.clone();
            arguments[0] = path.to_string_lossy().into_owned();
            Some(Command { arguments, identity: wanted.identity, through_shell })
        }
        Err(unfit) => {
            say_unfit(&mut lowering.report, wanted, name, purpose, &unfit);
            if matches!(unfit, Unfit::Unsafe(_)) {
                note_first(lowering, wanted.span, purpose);
            }
            None
        }
    }
}

fn note_first(lowering: &mut Lowering<'_>, span: Span, purpose: Purpose) {
    let first = match purpose {
        Purpose::Tracking | Purpose::Notification => &mut lowering.commands.first_script,
        Purpose::Check | Purpose::CheckNotification => &mut lowering.commands.first_check_script,
    };
    first.get_or_insert(span);
}

fn say_unfit(report: &mut Report, wanted: &Wanted, name: &str, purpose: Purpose, unfit: &Unfit) {
    let program = &wanted.arguments[0];
    let Identity { uid, gid } = wanted.identity;
    let message = match unfit {
        Unfit::Missing => format!("there is no `{program}`"),
        Unfit::NotAFile => format!("`{program}` is not a file"),
        Unfit::NotExecutable => format!("`{program}` cannot be executed by user {uid}, group {gid}"),
        Unfit::Unsafe(part) => {
            format!("root would run `{program}`, but others than root may change {}", part.display())
        }
    };
    match (purpose, unfit) {
        (Purpose::Tracking, Unfit::Unsafe(_)) => {
            report.script_security("unsafe-script", wanted.span, message)
        }
        (Purpose::Tracking, _) => report.complain("script-missing", wanted.span, message),
        (Purpose::Check, _) => report.warn("check-script-missing", wanted.span, message),
        // DIFFERS: keepalived drops the script without a word and exits 0.
        (Purpose::Notification | Purpose::CheckNotification, _) => {
            report.warn("notify-script-missing", wanted.span, message)
        }
    }
    .because(match purpose {
        Purpose::Tracking => format!("the track script `{name}` is disabled: nothing is tracked by it"),
        Purpose::Check => "the check is left out".to_owned(),
        Purpose::Notification | Purpose::CheckNotification => format!("`{name}` will not run"),
    });
}

/// A program that can be run.
struct Program {
    path: PathBuf,
    through_shell: bool,
    /// The part of its path that makes it unsafe for root, where that is only warned of.
    unsafe_part: Option<PathBuf>,
}

fn look_for(host: &dyn Host, policy: &Policy, program: &str, identity: Identity) -> Result<Program, Unfit> {
    let path = if program.contains('/') {
        PathBuf::from(program)
    } else {
        search(host, program, identity).ok_or(Unfit::Missing)?
    };
    let real = host.real_path(&path).ok_or(Unfit::Missing)?;
    let facts = host.file(&real).ok_or(Unfit::Missing)?;
    if facts.kind != FileKind::Regular {
        return Err(Unfit::NotAFile);
    }
    if !facts.executable_by(identity.uid, identity.gid) {
        return Err(Unfit::NotExecutable);
    }
    // The last link stays: programs like busybox look at the name they are called by.
    let path = if policy.keep_links {
        path
    } else {
        match (path.parent().and_then(|directory| host.real_path(directory)), path.file_name()) {
            (Some(directory), Some(name)) => directory.join(name),
            _ => path,
        }
    };
    let becomes_root = identity.uid == 0 || (facts.mode & 0o4000 != 0 && facts.uid == 0);
    let unsafe_part =
        if becomes_root { [&path, &real].into_iter().find_map(|path| unsafe_part(host, path)) } else { None };
    if let (true, Some(part)) = (policy.secure, &unsafe_part) {
        return Err(Unfit::Unsafe(part.clone()));
    }
    let head = host.read(&real, 4).unwrap_or_default();
    let through_shell = !head.is_empty() && !head.starts_with(b"#!") && !head.starts_with(b"\x7fELF");
    Ok(Program { path, through_shell, unsafe_part })
}

fn search(host: &dyn Host, program: &str, identity: Identity) -> Option<PathBuf> {
    let places = host.environment("PATH").unwrap_or_else(|| CUSTOMARY_PATH.to_owned());
    places.split(':').filter(|place| !place.is_empty()).map(|place| Path::new(place).join(program)).find(
        |candidate| {
            let facts = host.real_path(candidate).and_then(|real| host.file(&real));
            facts.is_some_and(|facts| {
                facts.kind == FileKind::Regular && facts.executable_by(identity.uid, identity.gid)
            })
        },
    )
}

/// The first part of a path that somebody other than root may change.
fn unsafe_part(host: &dyn Host, path: &Path) -> Option<PathBuf> {
    let mut part = PathBuf::new();
    for component in path.components() {
        part.push(component);
        if matches!(component, Component::CurDir | Component::ParentDir) {
            return Some(part);
        }
        match host.file(&part) {
            Some(facts) if safe(&facts) => {}
            _ => return Some(part),
        }
    }
    None
}

const fn safe(facts: &FileFacts) -> bool {
    if facts.uid != 0 {
        return false;
    }
    match facts.kind {
        // The bits of a link mean nothing.
        FileKind::Link => true,
        // In a sticky directory nobody replaces what root owns.
        FileKind::Directory if facts.mode & 0o1000 != 0 => true,
        FileKind::Directory | FileKind::Regular | FileKind::Other => {
            facts.mode & 0o002 == 0 && (facts.mode & 0o020 == 0 || facts.gid == 0)
        }
    }
}

/// The one warning about scripts without `enable_script_security`: keepalived's exit code 6.
///
/// keepalived looks at the scripts of VRRP last: if it would stop before, for an unknown interface for instance, it
/// only complains.
pub(crate) fn warn_of_unprotected(lowering: &mut Lowering<'_>) {
    if lowering.commands.secure {
        return;
    }
    let Policy { first_script, first_check_script, .. } = lowering.commands;
    let Some(span) = first_script.or(first_check_script) else { return };
    let reached = first_check_script.is_some() || !lowering.report.stops_keepalived();
    let message = "scripts are run, but `enable_script_security` is not set";
    let said = if reached {
        lowering.report.script_security("script-security", span, message)
    } else {
        lowering.report.complain("script-security", span, message)
    };
    said.because(
        "scripts that root runs are not protected from changes by others; put `enable_script_security` and \
         `script_user` into global_defs",
    );
}
