//! A host for tests, and configurations written to a folder of their own.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use mainstay_config::{Diagnostic, Diagnostics, Host, InterfaceFacts, Options, Sources, Statement};

/// A machine where every interface, user and group exists.
pub struct TestHost;

impl Host for TestHost {
    fn interface(&self, _name: &str) -> Option<InterfaceFacts> {
        Some(InterfaceFacts { loopback: false, multicast: true, mtu: 1500 })
    }
    fn user(&self, _name: &str) -> Option<(u32, u32)> {
        Some((1000, 1000))
    }
    fn group(&self, _name: &str) -> Option<u32> {
        Some(1000)
    }
    fn node_name(&self) -> String {
        "node1.example.org".to_owned()
    }
    fn environment(&self, name: &str) -> Option<String> {
        (name == "SITE").then(|| "north".to_owned())
    }
}

/// A folder that is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mainstay-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path.canonicalize().expect("the folder just made"))
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a file in the folder")).expect("its folder");
        fs::write(&path, text).expect("a file of the test");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a file came to.
pub struct Tree {
    pub statements: Vec<Statement>,
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

impl Tree {
    /// One line a statement, indented by two blanks a level, words joined by `|`.
    pub fn outline(&self) -> String {
        fn write(statements: &[Statement], level: usize, out: &mut String) {
            for statement in statements {
                let words: Vec<&str> = statement.words.iter().map(|word| word.text.as_str()).collect();
                out.push_str(&format!("{}{}\n", "  ".repeat(level), words.join("|")));
                write(statement.children(), level + 1, out);
            }
        }
        let mut out = String::new();
        write(&self.statements, 0, &mut out);
        out
    }

    /// The codes of all diagnostics, in order.
    pub fn codes(&self) -> Vec<&'static str> {
        self.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }

    /// The one diagnostic with this code.
    #[track_caller]
    pub fn only(&self, code: &str) -> &Diagnostic {
        let mut found = self.diagnostics.iter().filter(|diagnostic| diagnostic.code == code);
        let first = found.next().unwrap_or_else(|| panic!("no {code} in {:#?}", self.diagnostics));
        assert!(found.next().is_none(), "more than one {code} in {:#?}", self.diagnostics);
        first
    }

    /// The text in the file that a diagnostic points at.
    pub fn marked(&self, diagnostic: &Diagnostic) -> String {
        let span = diagnostic.span.expect("a place");
        let line = self.sources.file(span.file).and_then(|file| file.line(span.line)).expect("the line");
        let from = span.column as usize - 1;
        line.get(from..(from + span.length as usize).min(line.len())).expect("inside the line").to_owned()
    }
}

/// Reads a file with the config id `node1`.
pub fn read_file(path: &Path) -> Tree {
    read_with(path, &Options::default())
}

/// Reads a file.
pub fn read_with(path: &Path, options: &Options) -> Tree {
    let mut diagnostics = Diagnostics::default();
    let (statements, sources) = mainstay_config::read_tree(path, options, &TestHost, &mut diagnostics);
    Tree { statements, diagnostics: diagnostics.finish(), sources }
}

/// Reads a text.
pub fn read(text: impl AsRef<[u8]>) -> Tree {
    let folder = Folder::new();
    read_file(&folder.write("keepalived.conf", text))
}

/// The corpus beside the checkout; `None`, with a message, where it is absent.
pub fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let found = [beside, PathBuf::from("/work/shared")].into_iter().find(|path| path.join("corpus").is_dir());
    if found.is_none() {
        println!("skipped: ../shared is not beside the checkout");
    }
    found
}

/// Time that this thread was on a processor: what others do on the machine does not count.
pub fn processor_time() -> std::time::Duration {
    let text =
        fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's processor time");
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok()).expect("its first field");
    std::time::Duration::from_nanos(nanoseconds)
}
