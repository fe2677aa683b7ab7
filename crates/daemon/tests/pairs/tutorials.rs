//! The two files of a well-known tutorial, as they stand on the web, on two machines with an `eth1`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{LAN, Lab, Node, capture, seconds};

use crate::scene::{Kind, LIMIT, program};

const VIRTUAL_ADDRESS: &str = "10.0.0.2";

/// The tutorials lie beside the repository, in `shared/`, and not in it.
fn tutorials() -> Option<PathBuf> {
    let ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    ancestors.map(|folder| folder.join("shared/corpus/tutorials")).find(|folder| folder.is_dir())
}

fn machine(lab: &Lab, name: &str, address: &str) -> Result<Node> {
    let node = lab.bare_node(name)?;
    node.plug("eth1", LAN, &[address])?;
    Ok(node)
}

fn the_tutorial_pair_fails_over(second: Kind) -> Result<()> {
    let Some(folder) = tutorials() else {
        println!("not played: there is no shared/corpus/tutorials beside this repository");
        return Ok(());
    };
    let file = |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("read {name}"));
    let (lb01_config, lb02_config) = (file("03.conf")?, file("04.conf")?);

    let lab = Lab::new("tutorial")?;
    lab.print_logs_at_end();
    let lb01 = machine(&lab, "lb01", "10.0.0.11/24")?;
    let lb02 = machine(&lab, "lb02", "10.0.0.12/24")?;
    let client = machine(&lab, "client", "10.0.0.9/24")?;
    let capture = lab.capture(LAN)?;
    let _echoes = (lb01.echo()?, lb02.echo()?);
    let prober = client.probe(VIRTUAL_ADDRESS.parse()?, seconds(0.01))?;

    let mut first = lb01.start(&program(Kind::Mainstay), &lb01_config)?;
    prober.wait_for("lb01", Instant::now(), LIMIT)?;
    let _second = lb02.start(&program(second), &lb02_config)?;
    std::thread::sleep(seconds(2.5));
    ensure!(lb01.holds(VIRTUAL_ADDRESS) && !lb02.holds(VIRTUAL_ADDRESS), "lb01 is the better one");

    let killed = Instant::now();
    first.kill9();
    let took = prober.wait_for("lb02", killed, LIMIT)?;
    // 3 x 1 s + (256 - 149) / 256 s after the last advert.
    ensure!(took > seconds(2.2) && took < seconds(5.0), "lb02 takes over in 2.4 to 3.4 s: {took:?}");

    let _first = lb01.start(&program(Kind::Mainstay), &lb01_config)?;
    prober.wait_for("lb01", Instant::now(), LIMIT)?;
    lab.wait_until("lb02 lets go", LIMIT, || !lb02.holds(VIRTUAL_ADDRESS))?;
    capture::assert_clean(&capture.finish()?, &["10.0.0.11".parse()?])
}

#[test]
fn the_tutorial_files_run_unchanged_and_fail_over() -> Result<()> {
    the_tutorial_pair_fails_over(Kind::Mainstay)
}

#[test]
fn the_tutorial_files_run_unchanged_with_keepalived_on_the_second_machine() -> Result<()> {
    the_tutorial_pair_fails_over(Kind::Keepalived)
}
