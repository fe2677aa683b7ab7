//! `virtual_server`: counted, and its scripts looked for. The rest comes with the checks.

use super::Lowering;
use super::commands::{self, Purpose};
use crate::tree::Statement;

/// Counts virtual servers and checks their scripts.
pub(crate) fn check(lowering: &mut Lowering<'_>, statements: &[Statement]) {
    let mut first = None;
    for server in statements.iter().filter(|statement| statement.keyword() == "virtual_server") {
        lowering.model.virtual_servers += 1;
        first.get_or_insert(server.span());
        scripts(lowering, server);
    }
    if let Some(span) = first {
        let servers = lowering.model.virtual_servers;
        lowering
            .report
            .warn("not-in-this-version", span, format!("not in this version: {servers} virtual servers"))
            .because("they are not served; keepalived or ipvsadm must do it");
    }
}

/// Every script of a virtual server, its real servers and their checks.
fn scripts(lowering: &mut Lowering<'_>, block: &Statement) {
    let user = block.children().iter().find(|statement| statement.keyword() == "user");
    for statement in block.children() {
        match statement.keyword() {
            "misc_path" => check_script(lowering, statement, user),
            "quorum_up" | "quorum_down" | "notify_up" | "notify_down" => {
                commands::command(lowering, statement, Purpose::Notification);
            }
            _ => scripts(lowering, statement),
        }
    }
}

/// `misc_path` with the `user` of its check.
fn check_script(lowering: &mut Lowering<'_>, statement: &Statement, user: Option<&Statement>) {
    let mut with_user = statement.clone();
    if let Some(user) = user {
        with_user.words.truncate(2);
        with_user.words.extend(user.arguments().iter().cloned());
    }
    commands::command(lowering, &with_user, Purpose::Check);
}
