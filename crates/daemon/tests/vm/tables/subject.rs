//! The files that are compared, and what each of them needs of a machine.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay::host::LinuxHost;
use mainstay_config::{Diagnostics, Options, Statement, load, read_tree};
use mainstay_core::director::plan::{CheckerKind, CheckerPlan};

/// Names the folder of real configurations; without it only our own files are compared.
const CORPUS: &str = "MAINSTAY_CORPUS";

/// Parts of names of files; without it all are compared.
const WANTED: &str = "MAINSTAY_TABLES";

/// What makes a file worth a look.
const WORD: &str = "virtual_server";

/// One configuration.
#[derive(Debug)]
pub struct Subject {
    /// Where it is.
    pub path: PathBuf,
    /// How the reviewed list calls it.
    name: String,
}

impl Subject {
    /// Links and namespaces it names.
    pub fn needs(&self) -> Needs {
        let mut diagnostics = Diagnostics::default();
        let (tree, _) = read_tree(&self.path, &Options::default(), &LinuxHost, &mut diagnostics);
        let mut needs = Needs::default();
        needs.collect(&tree);
        needs
    }

    /// How long its slowest checker may take from the start until it has given its server up, if every question is
    /// refused or not answered. To be asked in the namespace of the daemon.
    pub fn patience(&self) -> Duration {
        let plan = load(&self.path, &Options::default(), &LinuxHost).model.director;
        let reals = plan.virtual_servers.iter().flat_map(|server| &server.real_servers);
        reals.flat_map(|real| &real.checkers).map(patience_of).max().unwrap_or_default()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

fn patience_of(checker: &CheckerPlan) -> Duration {
    let question = match &checker.kind {
        CheckerKind::Exchange(probe) => probe.timeout,
        CheckerKind::Urls { urls, .. } => urls.iter().map(|probe| probe.timeout).sum(),
        CheckerKind::Script(script) => script.timeout,
        CheckerKind::File { .. } | CheckerKind::Bfd { .. } => Duration::ZERO,
    };
    let judgement = &checker.judgement;
    judgement.warmup + question + (judgement.delay_before_retry + question) * judgement.retry
}

/// What a file names that a machine has or has not.
#[derive(Debug, Default)]
pub struct Needs {
    /// Links.
    pub links: BTreeSet<String>,
    /// Network namespaces.
    pub namespaces: BTreeSet<String>,
}

impl Needs {
    fn collect(&mut self, tree: &[Statement]) {
        for statement in tree {
            match (statement.keyword(), statement.arguments()) {
                ("net_namespace" | "net_namespace_ipvs", [name, ..]) => {
                    self.namespaces.insert(name.text.clone());
                }
                ("track_interface", _) => {
                    self.links.extend(statement.children().iter().map(|child| child.keyword().to_owned()));
                }
                _ => {}
            }
            for pair in statement.words.windows(2) {
                let [word, name] = pair else { continue };
                let names_a_link = matches!(
                    word.text.as_str(),
                    "interface"
                        | "dev"
                        | "bind_if"
                        | "default_interface"
                        | "lvs_sync_daemon"
                        | "lvs_sync_daemon_interface"
                );
                if names_a_link && is_link_name(&name.text) {
                    self.links.insert(name.text.clone());
                }
            }
            self.collect(statement.children());
        }
    }
}

/// A name that the kernel takes, `ip` does not misunderstand, and that is not there anyway.
fn is_link_name(name: &str) -> bool {
    let fits = (1..=15).contains(&name.len()) && name != "lo" && !name.starts_with(['.', '-']);
    fits && name.chars().all(|character| character.is_ascii_alphanumeric() || ".-_".contains(character))
}

/// Parts of names, one of which a file's name must have to be compared; all are if there are none.
pub fn wanted() -> Vec<String> {
    std::env::var(WANTED).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Every file to compare: our own, and those of the corpus if there is one, as far as they are [`wanted`].
pub fn subjects(wanted: &[String]) -> Result<Vec<Subject>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own =
        [("files", package.join("tests/vm/tables/files")), ("examples", package.join("../../examples"))];
    let mut subjects = Vec::new();
    for (name, folder) in own {
        collect(&folder, name, &mut subjects)?;
    }
    if let Some(corpus) = std::env::var_os(CORPUS) {
        let own = subjects.len();
        collect(Path::new(&corpus), "corpus", &mut subjects)?;
        ensure!(subjects.len() > own, "no virtual server in {}", Path::new(&corpus).display());
    }
    subjects.retain(|subject| wanted.is_empty() || wanted.iter().any(|part| subject.name.contains(part)));
    Ok(subjects)
}

/// Files with virtual servers in a folder and those below it, by name.
fn collect(folder: &Path, name: &str, subjects: &mut Vec<Subject>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let last = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{name}/{last}");
        if path.is_dir() {
            collect(&path, &name, subjects)?;
            continue;
        }
        let a_text_about_them = [".md", ".tsv", ".txt", ".html"].iter().any(|ending| last.ends_with(ending));
        let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        if !a_text_about_them && String::from_utf8_lossy(&text).contains(WORD) {
            let path = path.canonicalize().with_context(|| format!("find {}", path.display()))?;
            subjects.push(Subject { path, name });
        }
    }
    Ok(())
}
