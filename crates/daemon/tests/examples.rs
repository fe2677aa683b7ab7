//! The configurations in `examples/` are what people copy: `mainstay check` has nothing to say about any of them.
//!
//! Needs the right to make network namespaces: a node with the interfaces the examples name.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use mainstay::lab::{LAN, Lab};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

#[test]
fn check_has_nothing_to_say_about_any_example() -> Result<()> {
    let lab = Lab::new("examples")?;
    let node = lab.node("node", &["192.0.2.2/24"])?;
    node.plug("eth1", LAN, &["198.51.100.2/24"])?;
    // A checkout may lie where only its owner can read; the scripts of the examples are run by `nobody`.
    let copy = lab.folder().join("etc");
    let examples = copy_folders(Path::new(EXAMPLES), &copy)?;
    assert!(examples.len() >= 7, "only {} examples", examples.len());

    for example in examples {
        for id in ids(&fs::read_to_string(&example)?) {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
            command.args(["check", "--strict", "--config-id", &id]).arg(&example);
            let output = node.namespace().run(|| command.output())?.context("start mainstay check")?;
            let said = String::from_utf8_lossy(&output.stdout);
            // That this machine's kernel cannot balance says nothing about the file.
            let complaint = |line: &str| line.starts_with("warning[") || line.starts_with("error[");
            let complaints: Vec<&str> = said.lines().filter(|line| complaint(line)).collect();
            let of_machine = complaints.len() == 1 && complaints[0].starts_with("warning[no-ipvs]");
            let content = output.status.success() && said.trim() == "nothing to complain about";
            assert!(content || of_machine, "{} as {id}: {}\n{said}", example.display(), output.status);
        }
    }
    Ok(())
}

/// The ids a file has lines for (`@lb1 priority 150`); some id if it is the same everywhere.
fn ids(text: &str) -> BTreeSet<String> {
    let of_line =
        |line: &str| Some(line.trim_start().strip_prefix('@')?.split_whitespace().next()?.to_owned());
    let ids: BTreeSet<String> = text.lines().filter_map(of_line).collect();
    if ids.is_empty() { BTreeSet::from(["any".to_owned()]) } else { ids }
}

/// Copies each folder with its files, and returns the configurations.
fn copy_folders(from: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    let mut configurations = Vec::new();
    for folder in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let folder = folder?;
        if !folder.file_type()?.is_dir() {
            continue;
        }
        let target = to.join(folder.file_name());
        fs::create_dir_all(&target).with_context(|| format!("make {}", target.display()))?;
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let copied = target.join(file.file_name());
            fs::copy(file.path(), &copied).context("copy a file")?;
            let executable = file.metadata()?.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            fs::set_permissions(&copied, Permissions::from_mode(mode)).context("open a file to all")?;
        }
        fs::set_permissions(&target, Permissions::from_mode(0o755)).context("open a folder to all")?;
        configurations.push(target.join("keepalived.conf"));
    }
    fs::set_permissions(to, Permissions::from_mode(0o755)).context("open the folder to all")?;
    Ok(configurations)
}
