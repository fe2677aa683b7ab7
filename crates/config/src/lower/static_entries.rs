//! `static_ipaddress`, `static_routes`, `static_rules` and the `track_group`s that go to fault with them.

use std::sync::Arc;

use mainstay_core::router::plan::TrackGroupPlan;

use super::addresses::{self, Place};
use super::{Lowering, only_name, routes, rules};
use crate::tree::{Statement, Word};

/// Lowers one `track_group`; its members are looked up at the end.
pub(crate) fn track_group(lowering: &mut Lowering<'_>, block: &Statement) {
    let Some(name) = only_name(lowering, block) else { return };
    let members: Vec<String> = block
        .children()
        .iter()
        .filter(|statement| statement.keyword() == "group")
        .flat_map(|statement| statement.children())
        .flat_map(|line| line.words.iter().map(|word| word.text.clone()))
        .collect();
    lowering.track_groups.insert(name.clone());
    lowering.model.router.track_groups.push(TrackGroupPlan { name, members });
}

/// The group an entry names, if there is such a group.
pub(crate) fn track_group_of(
    lowering: &mut Lowering<'_>,
    option: &Word,
    name: Option<&Word>,
) -> Option<String> {
    let Some(name) = name else {
        lowering
            .report
            .complain("missing-value", option.span, "`track_group` is missing its name")
            .because("it is ignored");
        return None;
    };
    if !lowering.track_groups.contains(&name.text) {
        lowering
            .report
            .complain("unknown-track-group", name.span, format!("there is no track_group `{name}`"))
            .because("the loss of this entry is nobody's fault");
        return None;
    }
    Some(name.text.clone())
}

/// Lowers `static_ipaddress`.
pub(crate) fn addresses(lowering: &mut Lowering<'_>, block: &Statement) {
    for line in block.children() {
        let Some(mut address) = addresses::lower(lowering, line, Place::Static) else { continue };
        if address.link.is_empty() {
            let default = lowering.defaults.interface.clone();
            if lowering.host.interface(&default).is_none() {
                lowering
                    .report
                    .refuse(
                        "address-without-interface",
                        line.span(),
                        format!("`{}` names no interface, and there is no `{default}`", line.words[0]),
                    )
                    .because("the address is left out; say `dev INTERFACE`");
                continue;
            }
            address.link = default;
        }
        lowering.model.router.static_addresses.push(Arc::new(address));
    }
}

/// Lowers `static_routes`.
pub(crate) fn routes(lowering: &mut Lowering<'_>, block: &Statement) {
    for line in block.children() {
        if let Some(route) = routes::lower(lowering, line, true) {
            lowering.model.router.static_routes.push(Arc::new(route));
        }
    }
}

/// Lowers `static_rules`.
pub(crate) fn rules(lowering: &mut Lowering<'_>, block: &Statement) {
    for line in block.children() {
        if let Some(rule) = rules::lower(lowering, line, true) {
            lowering.model.router.static_rules.push(Arc::new(rule));
        }
    }
}
