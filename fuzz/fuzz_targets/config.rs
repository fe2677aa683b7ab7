//! Any bytes at all as a configuration: nothing panics or hangs, and every diagnostic points into a line that is there.

#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use mainstay_config::{FileFacts, Host, InterfaceFacts, Options, load_text, render};

fuzz_target!(|input: &[u8]| {
    // Looking for files is the kernel's work, and a pattern like `/*/*/*` would look at the whole machine.
    if input.windows(7).any(|window| window == b"include") {
        return;
    }
    let loaded = load_text(Path::new("/nowhere/fuzz.conf"), input.to_vec(), &Options::default(), &Island);
    for span in loaded.diagnostics.iter().filter_map(|diagnostic| diagnostic.span) {
        let line = loaded.sources.file(span.file).and_then(|file| file.line(span.line)).expect("a line");
        assert!(span.column >= 1 && span.length >= 1);
        assert!((span.column as usize) <= line.len() + 1, "{span:?} is behind the end of {line:?}");
    }
    let _ = render::human(&loaded.diagnostics, &loaded.sources, true);
    let _ = render::json(&loaded.diagnostics, &loaded.sources);
});

/// A machine with one interface, one user and no files.
struct Island;

impl Host for Island {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        (name == "eth0").then_some(InterfaceFacts { loopback: false, multicast: true, mtu: 1500 })
    }
    fn user(&self, name: &str) -> Option<(u32, u32)> {
        (name == "keeper").then_some((1000, 1000))
    }
    fn group(&self, name: &str) -> Option<u32> {
        (name == "keepers").then_some(1000)
    }
    fn node_name(&self) -> String {
        "island.example.org".to_owned()
    }
    fn environment(&self, _name: &str) -> Option<String> {
        None
    }
    fn identity(&self) -> (u32, u32) {
        (0, 0)
    }
    fn file(&self, _path: &Path) -> Option<FileFacts> {
        None
    }
    fn real_path(&self, _path: &Path) -> Option<PathBuf> {
        None
    }
    fn read(&self, _path: &Path, _longest: u64) -> Option<Vec<u8>> {
        None
    }
    fn list(&self, _directory: &Path) -> Vec<PathBuf> {
        Vec::new()
    }
}
