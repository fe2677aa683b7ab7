//! Notifications while a link flaps: one after the other, in order, and the last one tells the truth.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, seconds, wait_until};

use crate::scene::{LIMIT, Pairing, Scene, priority};

/// A script that takes its time and writes down when it began and ended, with the state it was told.
fn slow_script(lab: &Lab) -> Result<(PathBuf, PathBuf)> {
    let (script, diary) = (lab.folder().join("notify.sh"), lab.folder().join("diary"));
    let text = format!(
        "#!/bin/sh\necho \"begin $1 $2 $3\" >> {diary}\nsleep 0.15\necho \"end $1 $2 $3\" >> {diary}\n",
        diary = diary.display()
    );
    fs::write(&script, text).context("write the script")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).context("make it executable")?;
    fs::write(&diary, "").context("make the diary")?;
    Ok((script, diary))
}

/// The states in the order they were told. Fails if two runs overlapped.
fn states(diary: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(diary).context("read the diary")?;
    let lines: Vec<_> = text.lines().collect();
    let mut states = Vec::new();
    for pair in lines.chunks(2) {
        let begun = pair[0].strip_prefix("begin ");
        let ended = pair.get(1).and_then(|line| line.strip_prefix("end "));
        ensure!(begun.is_some() && begun == ended, "runs overlap or have not ended: {text}");
        let words: Vec<_> = pair[0].split(' ').collect();
        ensure!(words[1] == "INSTANCE" && words[2] == "V1", "keepalived's arguments: {text}");
        states.push(words[3].to_owned());
    }
    Ok(states)
}

#[test]
fn notifications_of_a_flapping_instance_never_overlap_and_end_with_the_truth() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    let (script, diary) = slow_script(&scene.lab)?;
    let settings = priority(150).with(&format!("notify {}", script.display()));
    scene.start(&settings, &priority(100))?;
    wait_until("MASTER was told", LIMIT, || {
        states(&diary).is_ok_and(|s| s.last().is_some_and(|s| s == "MASTER"))
    })?;
    for _ in 0..6 {
        // Faster than the script, so that they queue up.
        scene.a.node.link_down("eth0")?;
        std::thread::sleep(seconds(0.05));
        scene.a.node.link_up("eth0")?;
        std::thread::sleep(seconds(0.05));
    }
    scene.a.node.link_down("eth0")?;
    wait_until("FAULT was told last", LIMIT, || {
        states(&diary).is_ok_and(|s| s.last().is_some_and(|s| s == "FAULT"))
    })?;
    scene.a.node.link_up("eth0")?;
    scene.return_to_a()?;
    let told = || states(&diary).is_ok_and(|s| s.last().is_some_and(|s| s == "MASTER"));
    wait_until("MASTER was told last", LIMIT, told)?;
    std::thread::sleep(seconds(0.5));
    let states = states(&diary)?;
    // What was told is what happened, in the same order; only what was overtaken may be missing.
    let log = scene.a.log();
    let mut happened = log.lines().filter_map(|line| line.split_once("(V1) Entering ")?.1.split(' ').next());
    for state in &states {
        ensure!(happened.any(|happened| happened == state), "{states:?} is not the order of the log");
    }
    scene.finish().map(drop)
}

#[test]
fn the_scripts_for_one_state_get_keepalived_arguments_and_their_order() -> Result<()> {
    let mut scene = Scene::new(Pairing::OURS)?;
    let diary = scene.lab.folder().join("diary");
    let script = scene.lab.folder().join("state.sh");
    fs::write(&script, format!("#!/bin/sh\necho \"$*\" >> {}\n", diary.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let script = script.display();
    let lines = format!(
        "notify_master \"{script} to master\"\n    notify_backup \"{script} to backup\"\n    \
         notify_fault \"{script} to fault\"\n    notify_stop \"{script} to stop\"\n    notify \"{script} general\""
    );
    scene.start(&priority(150).with(&lines), &priority(100))?;
    scene.a.daemon()?.terminate(LIMIT)?;
    let said = fs::read_to_string(&diary)?;
    let expected = [
        "to backup",
        "general INSTANCE V1 BACKUP 150",
        "to master",
        "general INSTANCE V1 MASTER 150",
        "to stop",
        "general INSTANCE V1 STOP 150",
    ];
    let mut sorted: Vec<_> = said.lines().collect();
    // The two scripts of one change may run in either order; changes may not.
    for change in sorted.chunks_mut(2) {
        change.sort_by_key(|line| line.starts_with("general"));
    }
    ensure!(sorted == expected, "{said}");
    scene.finish().map(drop)
}
