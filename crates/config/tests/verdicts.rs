//! Over the whole corpus: the exit code of `check` against keepalived's, file by file.

mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mainstay_config::exit::exit_code;
use mainstay_config::{Options, load};

use self::world::World;

/// No file of the corpus may take longer. Without optimisation, on a machine that does ten other things, it may take thirty
/// times that; what never ends takes longer still.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 2 });

/// A line of `verdicts.tsv`.
struct Verdict {
    file: String,
    keepalived: String,
    interfaces: Vec<String>,
}

/// A line of the reviewed list, by file and keepalived's code: two files of one name stand in `verdicts.tsv`.
type Reviewed = BTreeMap<(String, String), Difference>;

/// Our code, and why it is another.
#[derive(Debug)]
struct Difference {
    ours: String,
    reason: String,
}

/// The corpus beside the checkout; `None`, with a message, where it is absent.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let found = [beside, PathBuf::from("/work/shared/corpus")].into_iter().find(|path| path.is_dir());
    if found.is_none() {
        println!("skipped: ../shared is not beside the checkout");
    }
    found
}

fn verdicts(corpus: &Path) -> Vec<Verdict> {
    let text = std::fs::read(corpus.join("verdicts.tsv")).expect("verdicts.tsv in the corpus");
    let text = String::from_utf8_lossy(&text);
    let mut verdicts = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        // Messages may hold line ends of their own.
        if let [file, _, keepalived, interfaces, ..] = fields.as_slice() {
            verdicts.push(Verdict {
                file: (*file).to_owned(),
                keepalived: (*keepalived).to_owned(),
                interfaces: interfaces.split_whitespace().map(str::to_owned).collect(),
            });
        }
    }
    verdicts
}

fn reviewed() -> Reviewed {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts_differences.tsv");
    let text = std::fs::read_to_string(list).expect("the reviewed list");
    text.lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let mut field = || fields.next().unwrap_or_else(|| panic!("too few fields: {line}"));
            let (file, ours, theirs, reason) = (field(), field(), field(), field());
            ((file, theirs), Difference { ours, reason })
        })
        .collect()
}

/// Programs of the machine keepalived was asked on that files of the corpus name.
const PROGRAMS: [&str; 18] = [
    "/etc/init.d/postgresql",
    "/usr/bin/bash",
    "/usr/bin/curl",
    "/usr/bin/echo",
    "/usr/bin/false",
    "/usr/bin/ip",
    "/usr/bin/killall",
    "/usr/bin/pidof",
    "/usr/bin/ping",
    "/usr/bin/pkill",
    "/usr/bin/rm",
    "/usr/bin/script",
    "/usr/bin/ss",
    "/usr/bin/test",
    "/usr/bin/touch",
    "/usr/bin/true",
    "/usr/sbin/nft",
    "/usr/sbin/service",
];

/// The machine keepalived was asked on: Debian, no user of the files, a veth for each interface, and a few of the
/// maintainer's scripts.
fn machine(interfaces: &[String], corpus: &Path) -> World {
    let mut world = World::new();
    for name in interfaces {
        world = world.with_interface(name);
    }
    for program in PROGRAMS {
        world = world.with_program(program, "\x7fELF");
    }
    for script in ["vs.sh", "vs1.sh", "2nm.sh"] {
        let path = corpus.join("maintainer/scripts").join(script);
        world = world.with_script(&path.to_string_lossy(), 0o755);
    }
    world
        .with_link("/bin", "/usr/bin")
        .with_link("/sbin", "/usr/sbin")
        .with_link("/usr/sbin/ip", "/usr/bin/ip")
}

#[test]
fn the_exit_code_is_keepaliveds_or_the_difference_is_known() {
    let Some(corpus) = corpus().and_then(|path| path.canonicalize().ok()) else { return };
    let mut reviewed = reviewed();
    let verdicts = verdicts(&corpus);
    let mut agreed = 0;
    let mut unlisted = Vec::new();
    let mut slow = Vec::new();
    for verdict in &verdicts {
        let started = Instant::now();
        let options = Options { config_id: None };
        let loaded = load(&corpus.join(&verdict.file), &options, &machine(&verdict.interfaces, &corpus));
        if started.elapsed() > LONGEST {
            slow.push(verdict.file.clone());
        }
        let ours = exit_code(&loaded.diagnostics).to_string();
        let listed = reviewed.remove(&(verdict.file.clone(), verdict.keepalived.clone()));
        if ours == verdict.keepalived {
            agreed += 1;
            if listed.is_some() {
                unlisted.push(format!("{}\tlisted, but it agrees now: {ours}", verdict.file));
            }
            continue;
        }
        let same = listed.is_some_and(|listed| listed.ours == ours && !listed.reason.is_empty());
        if !same {
            let said: Vec<String> = loaded
                .diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.class != mainstay_config::Class::Silent)
                .take(3)
                .map(|diagnostic| format!("{}:{}", diagnostic.code, diagnostic.message))
                .collect();
            unlisted.push(format!("{}\t{ours}\t{}\t{said:?}", verdict.file, verdict.keepalived));
        }
    }
    println!("agreement {agreed} of {}", verdicts.len());
    let gone: Vec<_> = reviewed.keys().collect();
    assert!(gone.is_empty(), "listed, but not in the corpus: {gone:?}");
    assert!(slow.is_empty(), "took longer than {LONGEST:?}: {slow:?}");
    assert!(
        unlisted.is_empty(),
        "not in tests/verdicts_differences.tsv as they are:\n{}",
        unlisted.join("\n")
    );
}
