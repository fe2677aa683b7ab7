//! TREE -> MODEL: what the statements mean.
//!
//! In this order, whatever the order in the file: the words of the root and `global_defs` (everything else takes its
//! defaults from them), what can be tracked, sync groups (they decide which trackers count), instances, static
//! entries, then the checks that need the whole.
//!
//! DIFFERS: keepalived reads once, so that defaults only reach what stands below them. Files that rely on that are
//! mistakes; where keepalived complains about an order, so does `check`.
//!
//! DIFFERS: a bad instance is left out and the others run; keepalived stops altogether.

mod addresses;
mod announce;
mod authentication;
mod commands;
mod completion;
mod definitions;
mod dumps;
mod global;
mod heartbeats;
mod instance;
mod later;
mod lease;
mod limits;
mod mail;
mod metrics;
mod names;
mod notify;
mod report;
mod routes;
mod rules;
mod scheduling;
mod servers;
mod signature;
mod snmp;
mod static_entries;
mod strict;
mod sync_group;
mod trackers;
mod unicast;
mod values;
mod virtual_addresses;
mod vmac;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use self::commands::Policy;
use self::definitions::Definitions;
use self::global::Defaults;
use self::names::Names;
use self::report::Report;
use self::servers::Servers;
use self::sync_group::Group;
use crate::Host;
use crate::diagnostic::Diagnostics;
use crate::model::Model;
use crate::tree::{Span, Statement};

/// What is being built, and what is needed to build it.
pub(crate) struct Lowering<'h> {
    host: &'h dyn Host,
    report: Report,
    defaults: Defaults,
    names: Names,
    commands: Policy,
    definitions: Definitions,
    servers: Servers,
    groups: Vec<Group>,
    track_groups: BTreeSet<String>,
    /// Where each instance stands.
    places: BTreeMap<String, Span>,
    model: Model,
}

/// Lowers a whole configuration.
pub(crate) fn lower(statements: &[Statement], host: &dyn Host, diagnostics: &mut Diagnostics) -> Model {
    let mut lowering = Lowering {
        host,
        report: Report::default(),
        defaults: Defaults::new(),
        names: Names::default(),
        commands: Policy::default(),
        definitions: Definitions::default(),
        servers: Servers::default(),
        groups: Vec::new(),
        track_groups: BTreeSet::new(),
        places: BTreeMap::new(),
        model: Model::default(),
    };
    lowering.run(statements);
    for diagnostic in lowering.report.into_diagnostics() {
        diagnostics.push(diagnostic);
    }
    lowering.model
}

impl Lowering<'_> {
    fn run(&mut self, statements: &[Statement]) {
        for statement in statements {
            if statement.keyword() == "global_defs" {
                global::lower(self, statement);
            } else {
                global::root_word(self, statement);
            }
        }
        global::finish(self);
        self.names = Names::read(
            self.host,
            self.defaults.iproute_distribution.as_deref(),
            self.defaults.iproute_administrator.as_deref(),
        );
        for (order, statement) in statements.iter().enumerate() {
            match statement.keyword() {
                "vrrp_script" => definitions::script(self, statement, order),
                "track_file" | "vrrp_track_file" => definitions::file(self, statement, order),
                "vrrp_track_process" => definitions::process(self, statement, order),
                "bfd_instance" => definitions::bfd(self, statement, order),
                "track_group" => static_entries::track_group(self, statement),
                "vrrp_sync_group" => sync_group::read(self, statement),
                _ => {}
            }
        }
        for (order, statement) in statements.iter().enumerate() {
            match statement.keyword() {
                "vrrp_instance" => instance::lower(self, statement, order),
                "vrrp_sync_group" => sync_group::trackers(self, statement, order),
                "static_ipaddress" => static_entries::addresses(self, statement),
                "static_routes" => static_entries::routes(self, statement),
                "static_rules" => static_entries::rules(self, statement),
                "garp_group" => limits::garp_group(self, statement),
                "interface_up_down_delays" => limits::link_delays(self, statement),
                "linkbeat_interfaces" => limits::linkbeat(self, statement),
                _ => {}
            }
        }
        vmac::delay_like_parents(&mut self.model.router);
        servers::lower(self, statements);
        let any_instance = statements.iter().any(|statement| statement.keyword() == "vrrp_instance");
        self.model.snmp.trackables = self.definitions.trackables();
        completion::finish(self, any_instance);
    }

    /// Whether an interface exists; one that does not is complained about unless it may come later.
    ///
    /// `consequence` says what becomes of the object that names it.
    fn interface_exists(&mut self, word: &crate::tree::Word, what: &str, consequence: &str) -> bool {
        if self.host.interface(&word.text).is_some() {
            return true;
        }
        if self.model.router.settings.dynamic_interfaces {
            self.report
                .note("interface-not-there-yet", word.span, format!("there is no interface `{word}` yet"))
                .because("dynamic_interfaces is set: it may come later");
            return true;
        }
        self.report
            .refuse(
                "unknown-interface",
                word.span,
                format!("there is no interface `{word}`, named for {what}"),
            )
            .because(consequence);
        false
    }
}

/// The name of a block that cannot do without; keepalived exits when it is missing.
fn named_block(lowering: &mut Lowering<'_>, block: &Statement) -> Option<String> {
    values::required(&mut lowering.report, block, "its name").map(|word| word.text.clone())
}

/// The name of a block that keepalived skips when it has no name, or more words than one.
fn only_name(lowering: &mut Lowering<'_>, block: &Statement) -> Option<String> {
    if let [name] = block.arguments() {
        return Some(name.text.clone());
    }
    let words = block.arguments();
    let span = match words {
        [first, .., last] => first.span.to(last.span),
        _ => block.span(),
    };
    let keyword = block.keyword();
    let joined = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("_");
    lowering
        .report
        .refuse("bad-name", span, format!("`{keyword}` must have one name"))
        .because("keepalived leaves the whole block out; so does Mainstay")
        .suggest(joined);
    None
}
