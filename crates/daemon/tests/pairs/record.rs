//! `@mainstay record`: what a real daemon was told replays to the same orders, whatever happened to it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{process, seconds, wait_until};
use mainstay_core::recording::{Replay, Replayed};
use mainstay_core::router::{Action, Input, NotifyState};
use nix::sys::signal::Signal;

use crate::scene::{LIMIT, Pairing, Scene, Settings, priority};

/// Every step of a recording; each must order what it ordered then.
fn replay(path: &Path, look: &mut dyn FnMut(&Replayed<'_>)) -> Result<u64> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut replay = Replay::new(&bytes)?;
    let mut steps = 0;
    while let Some(step) = replay.step() {
        let step = step?;
        ensure!(step.is_as_recorded(), "{}: {step:#?}", path.display());
        look(&step);
        steps += 1;
    }
    Ok(steps)
}

fn recorded(settings: Settings, path: &Path) -> Settings {
    settings.before(&format!("global_defs {{\n    @mainstay record {}\n}}", path.display()))
}

#[test]
fn a_recorded_pair_replays_without_a_difference() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    let (tape_a, tape_b) = (scene.lab.folder().join("a.tape"), scene.lab.folder().join("b.tape"));
    let (a, b) = (recorded(priority(150), &tape_a), recorded(priority(100), &tape_b));
    scene.start(&a, &b)?;
    // A freeze, a reload, a removed address, and a polite end.
    let router = scene.a.daemon()?.vrrp_pid()?;
    process::send(router, Signal::SIGSTOP);
    scene.answers("b")?;
    process::send(router, Signal::SIGCONT);
    scene.answers("a")?;
    let changed = scene.a.config(&recorded(priority(90), &tape_a));
    scene.a.daemon()?.reload(&changed)?;
    scene.answers("b")?;
    scene.b.daemon()?.terminate(LIMIT)?;
    scene.answers("a")?;
    scene.a.daemon()?.terminate(LIMIT)?;
    let mut masterships = 0;
    let mut reloads = 0;
    let steps = replay(&tape_a, &mut |step| {
        reloads += u32::from(matches!(step.step.input, Input::Reloaded(_)));
        let master =
            |action: &&Action| matches!(action, Action::Notify(told) if told.state == NotifyState::Master);
        masterships += step.actions.iter().filter(master).count();
    })?;
    ensure!(steps > 20 && reloads == 1 && masterships >= 2, "{steps} {reloads} {masterships}");
    let mut packets = 0;
    replay(&tape_b, &mut |step| packets += u32::from(matches!(step.step.input, Input::PacketReceived(_))))?;
    ensure!(packets > 5, "b heard {packets} packets");
    scene.finish().map(drop)
}

#[test]
fn the_recording_of_a_router_that_died_is_kept_beside_that_of_its_successor() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    let tape = scene.lab.folder().join("a.tape");
    scene.start(&recorded(priority(150), &tape), &priority(100))?;
    // What was written is in the file after half a second.
    std::thread::sleep(seconds(0.8));
    let before = scene.a.daemon()?.vrrp_pid()?;
    process::send(before, Signal::SIGKILL);
    let daemon = scene.a.daemon()?;
    wait_until("another router is there", LIMIT, || daemon.vrrp_pid().is_ok_and(|pid| pid != before))?;
    std::thread::sleep(seconds(0.5));
    scene.a.daemon()?.terminate(LIMIT)?;
    scene.answers("b")?;
    let mut resumed = false;
    replay(&tape, &mut |step| resumed |= step.number == 1)?;
    let dead = scene.lab.folder().join("a.tape.1");
    let steps = replay(&dead, &mut |_| {})?;
    ensure!(resumed && steps > 5, "{steps} steps of the dead one");
    scene.finish().map(drop)
}
