//! keepalived.conf to a typed model, and every mistake with its place.
//!
//! TEXT -> TREE -> MODEL. [`load`] never gives up: it returns a model and all diagnostics.

pub mod diagnostic;
pub mod exit;
pub mod files;
pub mod keywords;
mod lower;
pub mod model;
pub mod render;
pub mod source;
mod suggest;
pub mod text;
pub mod tree;
#[cfg(test)]
#[path = "../tests/world/mod.rs"]
mod world;

#[cfg(test)]
extern crate self as mainstay_config;

pub use diagnostic::{Class, Diagnostic, Diagnostics, Severity};
pub use files::{FileFacts, FileKind};
pub use model::Model;
pub use source::Sources;
pub use tree::{Span, Statement, Word};

use std::path::{Path, PathBuf};

/// What a configuration file came to.
#[derive(Debug)]
pub struct Loaded {
    /// What it means; whatever could not be understood is left out.
    pub model: Model,
    /// Everything there is to say about it, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// The files read, for showing lines.
    pub sources: Sources,
}

/// What the machine tells about itself while a configuration is read: the only way to the world besides files.
pub trait Host {
    /// Whether an interface exists and what is known of it; `None` if it does not exist.
    fn interface(&self, name: &str) -> Option<InterfaceFacts>;
    /// User and primary group id of a user name.
    fn user(&self, name: &str) -> Option<(u32, u32)>;
    /// Id of a group name.
    fn group(&self, name: &str) -> Option<u32>;
    /// The node name (`uname -n`).
    fn node_name(&self) -> String;
    /// An environment variable.
    fn environment(&self, name: &str) -> Option<String>;

    /// User and group this process runs as: who runs scripts when nobody else is named.
    fn identity(&self) -> (u32, u32) {
        files::own_identity()
    }
    /// What stands at a path; a symbolic link is itself.
    fn file(&self, path: &Path) -> Option<FileFacts> {
        FileFacts::of(path)
    }
    /// A path without symbolic links; `None` if it leads nowhere.
    fn real_path(&self, path: &Path) -> Option<PathBuf> {
        path.canonicalize().ok()
    }
    /// The first `longest` bytes of a file (scripts and name tables, not the configuration).
    fn read(&self, path: &Path, longest: u64) -> Option<Vec<u8>> {
        files::read(path, longest)
    }
    /// Whether there is a macvlan in private mode of this name, on this parent and with this MAC address: one that was
    /// made by a run before.
    fn is_virtual_mac_link(&self, _name: &str, _parent: &str, _mac: [u8; 6]) -> bool {
        false
    }
    /// Whether the kernel has the load balancer IPVS: at work, built in, or as a module it can load.
    fn has_ipvs(&self) -> bool {
        files::kernel_has_ipvs()
    }
    /// What a directory holds, sorted.
    fn list(&self, directory: &Path) -> Vec<PathBuf> {
        files::list(directory)
    }
}

/// What is known of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// `IFF_MULTICAST`.
    pub multicast: bool,
    /// MTU in bytes.
    pub mtu: u32,
}

/// How to read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The config id for `@id` lines (`-i`); `None` is the node name up to the first dot. `@mainstay` always matches.
    pub config_id: Option<String>,
}

/// Reads a configuration file and everything it includes.
#[must_use]
pub fn load(path: &Path, options: &Options, host: &dyn Host) -> Loaded {
    load_from(text::Start::File(path), options, host)
}

/// Reads a configuration that is at hand, as if it stood in the file `path`. That file need not exist.
#[must_use]
pub fn load_text(path: &Path, text: Vec<u8>, options: &Options, host: &dyn Host) -> Loaded {
    load_from(text::Start::Text(path, text), options, host)
}

fn load_from(start: text::Start<'_>, options: &Options, host: &dyn Host) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let (statements, sources) = tree_from(start, options, host, &mut diagnostics);
    let model = lower::lower(&statements, host, &mut diagnostics);
    Loaded { model, diagnostics: diagnostics.finish(), sources }
}

/// TEXT -> TREE: the statements of a file and everything it includes, and the files read.
pub fn read_tree(
    path: &Path,
    options: &Options,
    host: &dyn Host,
    diagnostics: &mut Diagnostics,
) -> (Vec<Statement>, Sources) {
    tree_from(text::Start::File(path), options, host, diagnostics)
}

fn tree_from(
    start: text::Start<'_>,
    options: &Options,
    host: &dyn Host,
    diagnostics: &mut Diagnostics,
) -> (Vec<Statement>, Sources) {
    let mut sources = Sources::default();
    let mut builder = tree::Builder::default();
    text::read(start, options, host, &mut sources, &mut builder, diagnostics);
    (builder.finish(diagnostics), sources)
}
