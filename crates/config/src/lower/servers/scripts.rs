//! `MISC_CHECK`, and the scripts that are told of changes.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::director::plan::ScriptCheck;
use mainstay_core::director::{CheckerKind, ServerObject};

use super::super::Lowering;
use super::super::commands::{self, Purpose};
use super::super::values::{LONGEST_TIMER, required, seconds};
use super::checker::{Around, Checked, finish, left_out};
use super::timing::{Customs, Timing};
use crate::model::{Command, ServerCommands};
use crate::tree::Statement;

/// Customs of `MISC_CHECK`.
const CUSTOMS: Customs = Customs { retry: 0, delay_before_retry: Some(Duration::from_secs(1)) };

/// Lowers one `MISC_CHECK`.
pub(super) fn check(lowering: &mut Lowering<'_>, block: &Statement, around: Around<'_>) -> Checked {
    let mut timing = Timing::default();
    let mut path = None;
    let mut user = None;
    let mut timeout = Duration::ZERO;
    let mut dynamic = false;
    for statement in block.children() {
        match statement.keyword() {
            "misc_path" => path = Some(statement),
            "user" => user = Some(statement),
            "misc_timeout" => {
                if let Some(word) = required(&mut lowering.report, statement, "seconds") {
                    let range = Duration::ZERO..=LONGEST_TIMER;
                    timeout = seconds(&mut lowering.report, word, range).unwrap_or(timeout);
                }
            }
            "misc_dynamic" => dynamic = true,
            _ => {
                timing.word(&mut lowering.report, statement);
            }
        }
    }
    let timing = timing.within(around.timing);
    let Some(path) = path else {
        left_out(lowering, block, "has no `misc_path`");
        return Checked::Without;
    };
    let mut with_user = path.clone();
    if let Some(user) = user {
        with_user.words.truncate(2);
        with_user.words.extend(user.arguments().iter().cloned());
    }
    let Some(wanted) = commands::wanted(lowering, &with_user, Purpose::Check) else {
        return Checked::Without;
    };
    let Some(command) = commands::found(lowering, &wanted, path.keyword(), Purpose::Check) else {
        if !timing.alpha() {
            return Checked::Without;
        }
        lowering
            .report
            .warn("alpha-without-check", block.span(), "this check has `alpha` and cannot be made")
            .because("its real server is never seen up, and never serves");
        return Checked::Never;
    };
    // keepalived: no timeout is the delay_loop of the virtual server.
    let timeout = if timeout.is_zero() { around.timing.delay_loop() } else { timeout };
    let key = key(lowering, command);
    let script = ScriptCheck { command: key, timeout, dynamic };
    Checked::With(finish(lowering, CheckerKind::Script(Arc::new(script)), &timing, CUSTOMS))
}

/// What a command is known by: its line, and who runs it. It is kept for the supervisor under that name.
fn key(lowering: &mut Lowering<'_>, command: Command) -> Arc<str> {
    let line = command.arguments.join(" ");
    let key = lowering.servers.name(&format!("{line} ({}:{})", command.identity.uid, command.identity.gid));
    lowering.model.check_commands.insert(key.to_string(), command);
    key
}

/// Keeps who is told of an object: `notify_up` and `notify_down`, `quorum_up` and `quorum_down`, and mail.
pub(super) fn notify(
    lowering: &mut Lowering<'_>,
    object: ServerObject,
    up: Option<&Statement>,
    down: Option<&Statement>,
    smtp_alert: Option<bool>,
) {
    let mut command = |statement| commands::command(lowering, statement, Purpose::CheckNotification);
    let (up, down) = (up.and_then(&mut command), down.and_then(&mut command));
    let mail = &lowering.defaults.mail;
    let smtp_alert = mail.is_wanted()
        && smtp_alert.unwrap_or_else(|| match &object {
            ServerObject::VirtualServer(_) => mail.about_virtual_servers(),
            ServerObject::RealServer { .. } => mail.about_real_servers(),
        });
    let told = ServerCommands { up, down, smtp_alert };
    if told != ServerCommands::default() {
        lowering.model.server_notify.insert(object, told);
    }
}
