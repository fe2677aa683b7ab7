//! What configurations mean: from text to model, rule by rule.

#[path = "../common/mod.rs"]
mod common;
#[path = "../world/mod.rs"]
mod world;

mod addresses;
mod announcements;
mod authentication;
mod bfd;
mod checkers;
mod global;
mod heartbeats;
mod instance;
mod lease;
mod mail;
mod order;
mod properties;
mod routes;
mod rules;
mod scripts;
mod seldom;
mod servers;
mod snmp;
mod static_entries;
mod strict;
mod sync_groups;
mod trackers;
mod tutorials;
mod unicast;
mod vmac;
mod watch;

use mainstay_config::{Class, Diagnostic, Host, Model, Options, Severity, load};
use mainstay_core::router::plan::InstancePlan;

use self::common::Folder;
use self::world::World;

/// A configuration that was lowered.
struct Lowered {
    model: Model,
    diagnostics: Vec<Diagnostic>,
}

impl Lowered {
    /// The codes of everything that is more than a note.
    fn codes(&self) -> Vec<&'static str> {
        let said = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity > Severity::Note);
        said.map(|diagnostic| diagnostic.code).collect()
    }

    /// The one diagnostic with this code.
    #[track_caller]
    fn only(&self, code: &str) -> &Diagnostic {
        let mut found = self.diagnostics.iter().filter(|diagnostic| diagnostic.code == code);
        let first = found.next().unwrap_or_else(|| panic!("no {code} in {:#?}", self.diagnostics));
        assert!(found.next().is_none(), "more than one {code} in {:#?}", self.diagnostics);
        first
    }

    /// Nothing to say but notes.
    #[track_caller]
    fn clean(self) -> Self {
        assert_eq!(self.codes(), [""; 0], "{:#?}", self.diagnostics);
        self
    }

    /// Exactly these codes, in the order of the file, apart from notes.
    #[track_caller]
    fn says<const N: usize>(self, codes: [&str; N]) -> Self {
        assert_eq!(self.codes(), codes, "{:#?}", self.diagnostics);
        self
    }

    /// The only instance.
    #[track_caller]
    fn instance(&self) -> &InstancePlan {
        let [instance] = self.model.router.instances.as_slice() else {
            panic!("not one instance: {:#?}", self.diagnostics)
        };
        instance
    }
}

/// A machine with two Ethernet interfaces.
fn machine() -> World {
    World::new().with_interface("eth0").with_interface("eth1")
}

/// Lowers a text on a machine.
fn lower_on(host: &dyn Host, text: &str) -> Lowered {
    let folder = Folder::new();
    let path = folder.write("keepalived.conf", text);
    let loaded = load(&path, &Options::default(), host);
    Lowered { model: loaded.model, diagnostics: loaded.diagnostics }
}

/// Lowers a text.
fn lower(text: &str) -> Lowered {
    lower_on(&machine(), text)
}

/// An instance `V` on eth0 with VRID 51, an address, and these lines.
fn instance(lines: &str) -> Lowered {
    bare_instance(&format!("virtual_ipaddress {{\n10.0.0.1/24\n}}\n{lines}"))
}

/// An instance `V` on eth0 with VRID 51 and these lines.
fn bare_instance(lines: &str) -> Lowered {
    lower(&named_instance("V", 51, lines))
}

/// The text of an instance on eth0.
fn named_instance(name: &str, vrid: u8, lines: &str) -> String {
    format!("vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{lines}\n}}\n")
}

/// The text of an instance on eth0 with an address of its own.
fn simple(name: &str, vrid: u8) -> String {
    named_instance(name, vrid, &format!("virtual_ipaddress {{\n10.0.0.{vrid}\n}}"))
}

/// keepalived complains as well.
fn complaint(diagnostic: &Diagnostic) -> bool {
    diagnostic.class == Class::Complaint
}
