//! A machine made for a test: interfaces, users, and files that exist only here.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mainstay_config::{FileFacts, FileKind, Host, InterfaceFacts};

/// The machine.
#[derive(Debug, Clone, Default)]
pub struct World {
    interfaces: BTreeMap<String, InterfaceFacts>,
    users: BTreeMap<String, (u32, u32)>,
    groups: BTreeMap<String, u32>,
    files: BTreeMap<PathBuf, (FileFacts, Vec<u8>)>,
    links: BTreeMap<PathBuf, PathBuf>,
    without_ipvs: bool,
    macvlans: Vec<(String, String, [u8; 6])>,
}

impl World {
    /// A machine with `lo`, root and nobody, and nothing else. It is root who asks.
    pub fn new() -> Self {
        let mut world = Self::default();
        world
            .interfaces
            .insert("lo".to_owned(), InterfaceFacts { loopback: true, multicast: false, mtu: 65536 });
        world.with_user("root", 0).with_user("nobody", 65534).with_folder("/", 0o755)
    }

    /// With an Ethernet interface.
    pub fn with_interface(mut self, name: &str) -> Self {
        self.interfaces
            .insert(name.to_owned(), InterfaceFacts { loopback: false, multicast: true, mtu: 1500 });
        self
    }

    /// With a macvlan as Mainstay makes it.
    pub fn with_virtual_mac_link(mut self, name: &str, parent: &str, mac: [u8; 6]) -> Self {
        self.macvlans.push((name.to_owned(), parent.to_owned(), mac));
        self.with_interface(name)
    }

    /// With a kernel that has no IPVS.
    pub fn without_ipvs(mut self) -> Self {
        self.without_ipvs = true;
        self
    }

    /// With a user and a group of its name.
    pub fn with_user(mut self, name: &str, id: u32) -> Self {
        self.users.insert(name.to_owned(), (id, id));
        self.groups.insert(name.to_owned(), id);
        self
    }

    /// With a folder of root, and the folders above it.
    pub fn with_folder(mut self, path: &str, mode: u32) -> Self {
        self.add(path, FileKind::Directory, mode, Vec::new());
        self
    }

    /// With a shell script of root.
    pub fn with_script(mut self, path: &str, mode: u32) -> Self {
        self.add(path, FileKind::Regular, mode, b"#!/bin/sh\n".to_vec());
        self
    }

    /// With a file of root.
    pub fn with_text(mut self, path: &str, text: &str) -> Self {
        self.add(path, FileKind::Regular, 0o644, text.as_bytes().to_vec());
        self
    }

    /// With an executable file of root that holds this.
    pub fn with_program(mut self, path: &str, head: &str) -> Self {
        self.add(path, FileKind::Regular, 0o755, head.as_bytes().to_vec());
        self
    }

    /// With a symbolic link of root.
    pub fn with_link(mut self, path: &str, target: &str) -> Self {
        self.add(path, FileKind::Link, 0o777, Vec::new());
        self.links.insert(PathBuf::from(path), PathBuf::from(target));
        self
    }

    fn add(&mut self, path: &str, kind: FileKind, mode: u32, text: Vec<u8>) {
        let path = PathBuf::from(path);
        for folder in path.ancestors().skip(1) {
            let facts = FileFacts { kind: FileKind::Directory, mode: 0o755, uid: 0, gid: 0 };
            self.files.entry(folder.to_owned()).or_insert((facts, Vec::new()));
        }
        self.files.insert(path, (FileFacts { kind, mode, uid: 0, gid: 0 }, text));
    }
}

impl Host for World {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        self.interfaces.get(name).copied()
    }
    fn is_virtual_mac_link(&self, name: &str, parent: &str, mac: [u8; 6]) -> bool {
        self.macvlans.contains(&(name.to_owned(), parent.to_owned(), mac))
    }
    fn user(&self, name: &str) -> Option<(u32, u32)> {
        self.users.get(name).copied()
    }
    fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }
    fn node_name(&self) -> String {
        "node1.example.org".to_owned()
    }
    fn environment(&self, name: &str) -> Option<String> {
        (name == "PATH").then(|| "/usr/sbin:/usr/bin".to_owned())
    }
    fn identity(&self) -> (u32, u32) {
        (0, 0)
    }
    fn file(&self, path: &Path) -> Option<FileFacts> {
        let folder = path.parent().and_then(|folder| self.real_path(folder));
        let path = match (folder, path.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => path.to_owned(),
        };
        self.files.get(&path).map(|(facts, _)| *facts)
    }
    fn real_path(&self, path: &Path) -> Option<PathBuf> {
        let mut real = PathBuf::new();
        for component in path.components() {
            real.push(component);
            while let Some(target) = self.links.get(&real) {
                real.clone_from(target);
            }
        }
        self.files.contains_key(&real).then_some(real)
    }
    fn read(&self, path: &Path, longest: u64) -> Option<Vec<u8>> {
        let (_, text) = self.files.get(path)?;
        Some(text.iter().copied().take(usize::try_from(longest).unwrap_or(usize::MAX)).collect())
    }
    fn has_ipvs(&self) -> bool {
        !self.without_ipvs
    }
    fn list(&self, directory: &Path) -> Vec<PathBuf> {
        self.files.keys().filter(|path| path.parent() == Some(directory)).cloned().collect()
    }
}
