//! `virtual_server`: counted, its scripts looked for, and what keepalived would guess said. The rest comes with the
//! checks.

use mainstay_core::address::Family;

use super::Lowering;
use super::commands::{self, Purpose};
use super::report::Report;
use super::values::address;
use crate::tree::{Statement, Word};

/// Counts virtual servers and checks their scripts.
pub(crate) fn check(lowering: &mut Lowering<'_>, statements: &[Statement]) {
    let mut first = None;
    for server in statements.iter().filter(|statement| statement.keyword() == "virtual_server") {
        lowering.model.virtual_servers += 1;
        first.get_or_insert(server.span());
        scripts(lowering, server);
        guesses(&mut lowering.report, server);
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
                commands::command(lowering, statement, Purpose::CheckNotification);
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

/// What keepalived makes up when it is not said, or sets back.
fn guesses(report: &mut Report, server: &Statement) {
    let name = server.arguments().iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let by_mark = server.arguments().first().is_some_and(|word| word.text == "fwmark");
    if let (true, Some(protocol)) = (by_mark, one_of(server, &["protocol"])) {
        report
            .complain(
                "protocol-with-fwmark",
                protocol.span(),
                "a virtual server of a firewall mark has no protocol",
            )
            .because("it is ignored");
    }
    let real_servers: Vec<_> =
        server.children().iter().filter(|statement| statement.keyword() == "real_server").collect();
    if real_servers.is_empty() && one_of(server, &["sorry_server"]).is_none() {
        report
            .complain("no-real-servers", server.span(), format!("virtual server {name} has no real server"))
            .because("it is left out");
        return;
    }
    if one_of(server, &["lvs_sched", "lb_algo"]).is_none() {
        report
            .complain("no-scheduler", server.span(), format!("virtual server {name} names no scheduler"))
            .because("wlc is used; say `lvs_sched`");
    }
    let method = one_of(server, &["lvs_method", "lb_kind"]);
    if method.is_none() {
        report
            .complain(
                "no-forwarding",
                server.span(),
                format!("virtual server {name} names no forwarding method"),
            )
            .because("NAT is used; say `lvs_method`");
    }
    let [own_address, rest @ ..] = server.arguments() else { return };
    let Some(own_address) = address(&own_address.text) else { return };
    for real in real_servers {
        let nat = one_of(real, &["lvs_method", "lb_kind"])
            .or(method)
            .is_none_or(|method| method.arguments().first().is_none_or(|word| word.text == "NAT"));
        let tunnel = one_of(real, &["lvs_method", "lb_kind"])
            .or(method)
            .and_then(|method| method.arguments().first())
            .is_some_and(|word| word.text == "TUN");
        if let (Some(port), Some(wanted)) = (port(rest.first()), real.arguments().get(1).and_then(port_of))
            && !nat
            && port != 0
            && port != wanted
        {
            report
                .complain(
                    "real-server-port",
                    real.arguments()[1].span,
                    format!("port {wanted} is not {port}"),
                )
                .because(format!("only NAT changes ports; {port} is used"));
        }
        if let Some(found) = real.arguments().first().and_then(|word| address(&word.text))
            && Family::of(found) != Family::of(own_address)
            && !tunnel
        {
            report
                .complain(
                    "mixed-families",
                    real.arguments()[0].span,
                    format!("`{found}` is not of the family of {name}"),
                )
                .because("the real server is left out");
        }
    }
}

fn one_of<'s>(block: &'s Statement, keywords: &[&str]) -> Option<&'s Statement> {
    block.children().iter().find(|statement| keywords.contains(&statement.keyword()))
}

/// The port of a virtual server; none is 0.
fn port(word: Option<&Word>) -> Option<u16> {
    word.map_or(Some(0), port_of)
}

fn port_of(word: &Word) -> Option<u16> {
    word.text.parse().ok()
}
