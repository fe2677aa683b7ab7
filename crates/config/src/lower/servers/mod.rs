//! `virtual_server`, `virtual_server_group`, `SSL`: what the director is asked to do.
//!
//! First the groups and `SSL`, then each virtual server: its own words, its real servers with their checkers, then
//! what keepalived fills in or forces.

mod checker;
mod exchanges;
mod forwarding;
mod group;
mod http;
mod real;
mod scripts;
mod settings;
mod settle;
mod timing;
mod virtual_server;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use mainstay_core::director::plan::{Judgement, TlsMaterial};
use mainstay_core::director::{CheckerKind, CheckerPlan, VirtualServerKey};
use mainstay_core::ipvs::ServiceKey;
use mainstay_core::time::Duration;

pub(crate) use self::settings::word as global_word;
use super::Lowering;
use super::values::required;
use crate::tree::{Span, Statement};

/// What virtual servers take from `global_defs`, and what they share.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    /// `checker_log_all_failures`.
    log_all_failures: bool,
    /// `@mainstay panic_threshold`.
    panic_threshold: u8,
    /// `@mainstay drain`.
    drain: Duration,
    /// Where `lvs_sync_daemon` stands, and whether it says an id.
    sync_place: Option<(Span, bool)>,
    /// Services of each group, by name.
    groups: BTreeMap<String, Vec<group::Member>>,
    /// How often a group was used with the same protocol.
    uses: BTreeMap<String, u32>,
    /// Services with the virtual server that had them first.
    taken: BTreeMap<ServiceKey, VirtualServerKey>,
    /// Equal judgements and names are stored once.
    judgements: HashMap<Judgement, Arc<Judgement>>,
    names: HashMap<String, Arc<str>>,
}

impl Servers {
    /// The one copy of a judgement.
    fn judgement(&mut self, judgement: Judgement) -> Arc<Judgement> {
        let found = self.judgements.entry(judgement);
        let key = found.key().clone();
        Arc::clone(found.or_insert_with(|| Arc::new(key)))
    }

    /// The one copy of a name.
    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = name.into();
        self.names.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }
}

/// Lowers everything about virtual servers.
pub(crate) fn lower(lowering: &mut Lowering<'_>, statements: &[Statement]) {
    settings::sync_daemons_of_instances(lowering, statements);
    settings::finish(lowering);
    for statement in statements {
        match statement.keyword() {
            "virtual_server_group" => group::lower(lowering, statement),
            "SSL" => lowering.model.director.tls = tls_material(lowering, statement),
            _ => {}
        }
    }
    for (order, statement) in statements.iter().enumerate() {
        if statement.keyword() == "virtual_server"
            && let Some(server) = virtual_server::lower(lowering, statement, order)
        {
            lowering.model.director.virtual_servers.push(server);
        }
    }
    warn_without_ipvs(lowering, statements);
    let files: BTreeSet<Arc<str>> = lowering
        .model
        .director
        .virtual_servers
        .iter()
        .flat_map(|server| &server.real_servers)
        .flat_map(|real| &real.checkers)
        .filter_map(followed_file)
        .collect();
    lowering.model.director.files = files.into_iter().collect();
}

/// DIFFERS: keepalived without IPVS ends, VRRP too, and `-t` says nothing of it.
fn warn_without_ipvs(lowering: &mut Lowering<'_>, statements: &[Statement]) {
    let first = statements.iter().find(|statement| statement.keyword() == "virtual_server");
    if let Some(first) = first
        && !lowering.host.has_ipvs()
    {
        lowering
            .report
            .warn("no-ipvs", first.span(), "the kernel of this machine has no IPVS (module ip_vs)")
            .because("real servers are checked and changes are told, but no connection is balanced");
    }
}

fn followed_file(checker: &CheckerPlan) -> Option<Arc<str>> {
    match &checker.kind {
        CheckerKind::File { file, .. } => Some(Arc::clone(file)),
        CheckerKind::Exchange(_)
        | CheckerKind::Urls { .. }
        | CheckerKind::Script(_)
        | CheckerKind::Bfd { .. } => None,
    }
}

fn tls_material(lowering: &mut Lowering<'_>, block: &Statement) -> TlsMaterial {
    let mut material = TlsMaterial::default();
    for statement in block.children() {
        let Some(word) = required(&mut lowering.report, statement, "its value") else { continue };
        let place = match statement.keyword() {
            "ca" => &mut material.ca,
            "certificate" => &mut material.certificate,
            "key" => &mut material.key,
            "password" => &mut material.password,
            _ => continue,
        };
        *place = Some(word.text.clone());
    }
    material
}

/// A virtual server as keepalived's messages name it.
fn shown(key: &VirtualServerKey) -> String {
    format!("virtual server {key}")
}
