//! Every file of the corpus, and a very large one, is read without a panic, and soon.

mod common;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_config::Severity;
use mainstay_config::render::show;

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

fn corpus() -> Option<Vec<PathBuf>> {
    let mut files = Vec::new();
    files_below(&common::shared()?.join("corpus"), &mut files);
    assert!(files.len() > 400, "the corpus has {} files", files.len());
    Some(files)
}

#[test]
fn every_file_of_the_corpus_is_read_without_a_panic_within_two_seconds() {
    let Some(files) = corpus() else { return };
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

#[test]
fn the_effective_configuration_of_every_file_means_the_same_as_the_file() {
    let Some(files) = corpus() else { return };
    let folder = common::Folder::new();
    for file in files {
        let shown = show(&common::read_file(&file).statements);
        let again = common::read_file(&folder.write("again.conf", &shown));
        assert_eq!(show(&again.statements), shown, "{}", file.display());
        let broken: Vec<_> = again.diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
        assert!(broken.is_empty(), "{}: {broken:#?}\n{shown}", file.display());
    }
}

#[test]
fn a_file_of_forty_thousand_real_servers_is_read_in_well_under_a_third_of_a_second() {
    let mut text = String::new();
    for service in 0..400 {
        writeln!(text, "virtual_server 10.{}.{}.1 80 {{", service / 200, service % 200).expect("a string");
        text.push_str("    delay_loop 6\n    lb_algo wlc\n    lb_kind NAT\n    protocol TCP\n\n");
        for server in 0..100 {
            writeln!(text, "    real_server 10.200.{}.{server} 80 {{ # rack {}", service % 250, server % 7)
                .expect("a string");
            text.push_str(
                "        weight 1\n        TCP_CHECK {\n            connect_timeout 3\n            retry 3\n",
            );
            text.push_str(
                "            delay_before_retry 3\n            connect_port 80\n        }\n    }\n",
            );
        }
        text.push_str("}\n");
    }
    let folder = common::Folder::new();
    let path = folder.write("large.conf", &text);
    let start = common::processor_time();
    let tree = common::read_file(&path);
    let took = common::processor_time() - start;
    println!("{} bytes in {took:?}", text.len());
    assert!(tree.diagnostics.is_empty(), "{:#?}", tree.diagnostics);
    assert_eq!(tree.statements.len(), 400);
    let servers: usize = tree.statements.iter().map(|service| service.children().len() - 4).sum();
    assert_eq!(servers, 40_000);
    // The compiler's optimisation is worth a factor of ten.
    let most = if cfg!(debug_assertions) { Duration::from_secs(4) } else { Duration::from_millis(200) };
    assert!(took < most, "{took:?}");
}
