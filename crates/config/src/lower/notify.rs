//! `notify*`, `smtp_alert` and FIFOs.

use std::path::PathBuf;

use super::Lowering;
use super::commands::{self, Purpose};
use super::values::switch;
use crate::model::{Command, Fifo, Fifos, NotifyCommands};
use crate::tree::Statement;

/// What an instance or a sync group says about notifications.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    commands: NotifyCommands,
    smtp_alert: Option<bool>,
    /// `notify_priority_changes`.
    pub(crate) priority_changes: Option<bool>,
    /// `notify_deleted` was written, with or without a command.
    pub(crate) deleted: bool,
}

impl Notify {
    /// Takes in one statement; says whether it was one about notifications.
    pub(crate) fn word(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
        let commands = &mut self.commands;
        let place = match statement.keyword() {
            "notify_master" => &mut commands.master,
            "notify_backup" => &mut commands.backup,
            "notify_fault" => &mut commands.fault,
            "notify_stop" => &mut commands.stop,
            "notify_master_rx_lower_pri" => &mut commands.master_rx_lower_priority,
            "notify" => &mut commands.generic,
            "notify_deleted" => {
                self.deleted = true;
                if statement.arguments().is_empty() {
                    return true;
                }
                &mut commands.deleted
            }
            "smtp_alert" => {
                self.smtp_alert = switch(&mut lowering.report, statement);
                return true;
            }
            "notify_priority_changes" => {
                self.priority_changes = switch(&mut lowering.report, statement);
                return true;
            }
            _ => return false,
        };
        if place.is_some() {
            lowering
                .report
                .complain(
                    "duplicate-keyword",
                    statement.span(),
                    format!("`{}` is given twice", statement.keyword()),
                )
                .because("the first one counts");
            return true;
        }
        *place = commands::command(lowering, statement, Purpose::Notification);
        true
    }

    /// The commands, if there are any, with the mail default filled in.
    pub(crate) fn finish(mut self, lowering: &Lowering<'_>) -> Option<NotifyCommands> {
        let mail = &lowering.defaults.mail;
        let wanted = self.smtp_alert.unwrap_or_else(|| mail.about_vrrp());
        self.commands.smtp_alert = wanted && mail.is_wanted();
        (self.commands != NotifyCommands::default()).then_some(self.commands)
    }
}

/// Lowers `notify_fifo NAME [USER [GROUP]]` and `notify_fifo_script "COMMAND" [USER [GROUP]]`, and the same for VRRP
/// and LVS. The script may stand before or after its FIFO.
pub(crate) fn fifo(lowering: &mut Lowering<'_>, statement: &Statement) {
    let keyword = statement.keyword();
    let (name, is_script) = match keyword.strip_suffix("_script") {
        Some(name) => (name, true),
        None => (keyword, false),
    };
    if is_script {
        let command = commands::command(lowering, statement, Purpose::Notification);
        place(&mut lowering.model.fifos, name).script = command;
    } else if let Some(path) = statement.arguments().first() {
        let who = &statement.arguments()[1..];
        let owner = if who.is_empty() {
            None
        } else {
            commands::named_identity(lowering, who, Purpose::Notification)
        };
        let fifo = place(&mut lowering.model.fifos, name);
        fifo.path = PathBuf::from(&path.text);
        fifo.owner = owner;
    }
}

/// Takes out readers whose FIFO was never named.
pub(crate) fn finish_fifos(lowering: &mut Lowering<'_>) {
    let Fifos { all, vrrp, lvs } = &mut lowering.model.fifos;
    for (place, keyword) in [(all, "notify_fifo"), (vrrp, "vrrp_notify_fifo"), (lvs, "lvs_notify_fifo")] {
        if place.as_ref().is_some_and(|fifo| fifo.path.as_os_str().is_empty()) {
            *place = None;
            lowering
                .report
                .warn("fifo-without-name", None, format!("`{keyword}_script` has no `{keyword}` to read"))
                .because("it is not started");
        }
    }
}

fn place<'f>(fifos: &'f mut Fifos, name: &str) -> &'f mut Fifo {
    let place = match name {
        "vrrp_notify_fifo" => &mut fifos.vrrp,
        "lvs_notify_fifo" => &mut fifos.lvs,
        _ => &mut fifos.all,
    };
    place.get_or_insert_with(|| Fifo { path: PathBuf::new(), owner: None, script: None::<Command> })
}
