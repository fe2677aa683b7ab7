//! The files that signals ask for: what an exporter made for keepalived finds in them is what it finds in keepalived's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Process, process, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::scene::{Kind, LIMIT, path_of};

const CONFIG: &str = "\
global_defs {
    router_id LB1
    script_user root
}
vrrp_sync_group G {
    group {
        VI_1
    }
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 7
    priority 100
    garp_master_delay 2
    authentication {
        auth_type PASS
        auth_pass secret12
    }
    virtual_ipaddress {
        10.0.0.100/24 label eth0:1
        10.0.0.101
    }
    virtual_ipaddress_excluded {
        10.0.0.102/24
    }
    virtual_routes {
        10.20.0.0/16 via 10.0.0.9
    }
    notify_master \"/bin/true\"
}
vrrp_instance VI_2 {
    interface eth0
    version 3
    virtual_router_id 8
    priority 100
    advert_int 0.5
    nopreempt
    virtual_ipaddress {
        fe80::77
        fd00::1/64
    }
}
";

/// What the two of them wrote.
struct Files {
    data: String,
    stats: String,
    stats_cleared: String,
    json: Value,
}

/// Waits for a file that is whole: keepalived writes it piece by piece.
fn whole(path: &Path) -> Result<String> {
    let read = || fs::read_to_string(path).unwrap_or_default();
    let mut last = read();
    wait_until(&format!("{} is written", path.display()), LIMIT, || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let before = std::mem::replace(&mut last, read());
        !last.is_empty() && before == last
    })?;
    Ok(last)
}

fn files_of(kind: Kind) -> Result<Files> {
    let lab = Lab::new("dumps")?;
    let node = lab.node("lb1", &["10.0.0.1/24"])?;
    let path = |name: &str| -> PathBuf { lab.folder().join(name) };
    fs::write(path("conf"), CONFIG).context("write the configuration")?;
    let mut command = Command::new(path_of(kind));
    command.args(["--dont-fork", "--log-console", "--vrrp", "--use-file"]).arg(path("conf"));
    command.arg("--pid").arg(path("parent.pid")).arg("--vrrp_pid").arg(path("vrrp.pid"));
    command.env("TMPDIR", lab.folder());
    let mut daemon: Process = node.spawn(&mut command)?;
    let holds = || node.holds("10.0.0.100") && node.holds("10.0.0.102") && node.holds("fd00::1");
    wait_until("it holds everything", LIMIT, holds).with_context(|| daemon.log())?;
    process::send(daemon.pid(), Signal::SIGUSR1);
    let data = whole(&path("keepalived.data"))?;
    process::send(daemon.pid(), Signal::SIGUSR2);
    let stats = whole(&path("keepalived.stats"))?;
    send_number(daemon.pid(), libc::SIGRTMIN() + 2)?;
    let json = whole(&path("keepalived.json"))?;
    // Cleared after they were written: the next ones begin with nothing.
    send_number(daemon.pid(), libc::SIGRTMAX() - 1)?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    fs::remove_file(path("keepalived.stats")).context("the counters")?;
    process::send(daemon.pid(), Signal::SIGUSR2);
    let stats_cleared = whole(&path("keepalived.stats"))?;
    daemon.terminate(std::time::Duration::from_secs(10))?;
    let json = serde_json::from_str(&json).with_context(|| json.clone())?;
    Ok(Files { data, stats, stats_cleared, json })
}

/// Through the shell's `kill`, as an exporter's signal arrives: `nix` has no names for realtime signals.
fn send_number(pid: u32, number: i32) -> Result<()> {
    let status = Command::new("kill").arg(format!("-{number}")).arg(pid.to_string()).status()?;
    ensure!(status.success(), "kill -{number} {pid}: {status}");
    Ok(())
}

/// Keys and lists of each instance in the way exporters read `keepalived.data`.
fn exported(data: &str) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let (mut all, mut instance, mut list) = (BTreeMap::<_, BTreeMap<_, Vec<_>>>::new(), None, String::new());
    for line in data.lines() {
        if let Some(name) = line.strip_prefix(" VRRP Instance = ") {
            instance = Some(name.to_owned());
        } else if !line.starts_with("   ") {
            instance = None;
        } else if let Some(name) = &instance {
            let keys = all.entry(name.clone()).or_default();
            if let Some(item) = line.strip_prefix("     ") {
                keys.entry(list.clone()).or_default().push(item.to_owned());
            } else if let Some((key, value)) = line.split_once(" = ") {
                keys.entry(key.trim().to_owned()).or_default().push(value.to_owned());
            } else {
                list = line.trim().to_owned();
            }
        }
    }
    all
}

/// Keys whose values must be the same.
const SAME: [&str; 22] = [
    "VRRP Version",
    "Sync group",
    "State",
    "Wantstate",
    "Interface",
    "Gratuitous ARP delay",
    "Gratuitous ARP repeat",
    "Gratuitous ARP refresh",
    "Gratuitous ARP refresh repeat",
    "Gratuitous ARP lower priority delay",
    "Gratuitous ARP lower priority repeat",
    "Down timer adverts",
    "Virtual Router ID",
    "Priority",
    "Effective priority",
    "Advert interval",
    "Accept",
    "Preempt",
    "Promote_secondaries",
    "Authentication type",
    "Virtual IP (2):",
    "Virtual IP Excluded :",
];

#[test]
fn an_exporter_finds_what_it_finds_in_keepalived_s_files() -> Result<()> {
    let (ours, theirs) = (files_of(Kind::Mainstay)?, files_of(Kind::Keepalived)?);
    let (our_data, their_data) = (exported(&ours.data), exported(&theirs.data));
    ensure!(our_data.keys().eq(["VI_1", "VI_2"]), "{}", ours.data);
    for (name, keys) in &their_data {
        for key in SAME {
            let mine = our_data[name].get(key);
            ensure!(mine == keys.get(key), "{name} {key}: ours {mine:?}, theirs {:?}", keys.get(key));
        }
    }
    let keys = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.rsplit_once(':')).map(|(key, _)| key.to_owned()).collect()
    };
    ensure!(keys(&ours.stats) == keys(&theirs.stats), "ours:\n{}theirs:\n{}", ours.stats, theirs.stats);
    for files in [&ours, &theirs] {
        ensure!(files.stats.contains("Became master: 1"), "{}", files.stats);
        ensure!(!files.stats_cleared.contains("Became master: 1"), "{}", files.stats_cleared);
    }
    Ok(())
}

#[test]
fn the_json_file_has_keepalived_s_keys_and_values() -> Result<()> {
    let (ours, theirs) = (files_of(Kind::Mainstay)?.json, files_of(Kind::Keepalived)?.json);
    let instances = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (instances(&ours), instances(&theirs));
    ensure!(ours.len() == 2 && theirs.len() == 2, "two instances each");
    for (mine, other) in ours.iter().zip(&theirs) {
        let (stats, their_stats) = (mine["stats"].as_object(), other["stats"].as_object());
        ensure!(
            stats.map(|all| all.keys().collect::<Vec<_>>()) == their_stats.map(|all| all.keys().collect())
        );
        for (key, value) in other["data"].as_object().context("their data")? {
            let found = &mine["data"][key];
            match key.as_str() {
                // Times of two runs; a password nobody needs to see; we keep the path as it was written.
                "last_transition" => ensure!(found.is_f64(), "{key}: {found}"),
                "auth_data" => ensure!(found == "********", "{key}: {found}"),
                "script_master" => {
                    ensure!(found == "'/bin/true'" || found == value, "{key}: {found} and {value}")
                }
                _ => ensure!(found == value, "{key}: ours {found}, theirs {value}"),
            }
        }
    }
    Ok(())
}
