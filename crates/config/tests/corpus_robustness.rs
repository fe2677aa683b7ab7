//! Every file of the corpus is read without a panic, and soon.

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

fn files_below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the corpus").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, out);
        } else {
            out.push(path);
        }
    }
}

#[test]
fn every_file_of_the_corpus_is_read_without_a_panic_within_two_seconds() {
    let Some(shared) = common::shared() else { return };
    let mut files = Vec::new();
    files_below(&shared.join("corpus"), &mut files);
    assert!(files.len() > 400, "the corpus has {} files", files.len());
    let mut slowest = (Duration::ZERO, PathBuf::new());
    for file in files {
        let start = common::processor_time();
        let tree = common::read_file(&file);
        let took = common::processor_time() - start;
        for diagnostic in &tree.diagnostics {
            if diagnostic.span.is_some() {
                tree.marked(diagnostic);
            }
        }
        assert!(took < Duration::from_secs(2), "{} took {took:?}", file.display());
        slowest = slowest.max((took, file));
    }
    println!("slowest: {:?} for {}", slowest.0, slowest.1.display());
}
