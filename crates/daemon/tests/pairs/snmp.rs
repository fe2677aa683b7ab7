//! SNMP: with one file, what `snmpwalk` finds in Mainstay and in keepalived, object by object; and what `snmptrapd` is told.
//!
//! snmpd and snmptrapd run inside the namespace, each with a file and a socket of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Node, Process, seconds, wait_until};

use crate::scene::{Kind, LIMIT, path_of};

/// The three sets of objects.
const SUBTREES: [&str; 3] = [".1.3.6.1.4.1.9586", ".1.3.6.1.2.1.68", ".1.3.6.1.2.1.207"];

/// KEEPALIVED-MIB.
const KEEPALIVED: &str = ".1.3.6.1.4.1.9586.100.5";

const CONFIG: &str = "\
global_defs {
    router_id LB1
    script_user root
    notification_email {
        admin@example.com
        ops@example.com
    }
    notification_email_from ka@example.com
    smtp_server 127.0.0.1 2525
    smtp_connect_timeout 7
    no_email_faults
    smtp_alert_vrrp off
    snmp_socket unix:FOLDER/agentx
    enable_snmp_vrrp
    enable_snmp_rfc
    enable_traps
}
vrrp_script zchk {
    script \"/usr/bin/true\"
    interval 2
    weight 5
    rise 2
    fall 3
}
vrrp_script chk2 {
    script \"/usr/bin/false x\"
    interval 1
    weight -3
}
vrrp_track_file tf {
    file FOLDER/tracked
    weight 2
    init_file 0
}
vrrp_track_process tp {
    process no-such-program
    weight 3
}
static_ipaddress {
    10.9.9.9/32 dev eth0 scope link
}
static_routes {
    10.30.0.0/16 via 10.0.0.9 dev eth0
}
static_rules {
    from 10.31.0.0/16 table 31
}
vrrp_sync_group G {
    group {
        VI_2
        VI_3
    }
    notify_master \"/usr/bin/true gm\"
    notify \"/usr/bin/true g\"
    track_script {
        zchk
    }
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 7
    priority 100
    garp_master_delay 2
    authentication {
        auth_type PASS
        auth_pass secret12
    }
    track_interface {
        eth1 weight -10
    }
    track_script {
        zchk weight 7
        chk2
    }
    track_file {
        tf
    }
    track_process {
        tp
    }
    virtual_ipaddress {
        10.0.0.100/24 brd 10.0.0.255 label eth0:1
        10.0.0.101 dev eth1 scope link
    }
    virtual_ipaddress_excluded {
        10.0.0.102/24
    }
    virtual_routes {
        10.20.0.0/16 via 10.0.0.9 dev eth0 src 10.0.0.100 metric 5 table 77
        blackhole 10.21.0.0/16
        10.22.0.0/16 nexthop via 10.0.0.9 dev eth0 weight 1 nexthop via 10.0.0.10 dev eth0 weight 2
        10.23.0.0/16 dev eth0 scope link mtu 1400 advmss lock 1300 hoplimit 20 initcwnd 3 window 5
    }
    virtual_rules {
        from 10.20.0.0/16 to 10.23.0.0/24 table 77 priority 1000
        fwmark 3/0xff iif eth0 blackhole preference 1001
        to 10.24.0.0/16 lookup 78 preference 1002
    }
    notify_master \"/usr/bin/true m\"
    notify_backup \"/usr/bin/true b\"
    notify_fault /usr/bin/true
    notify_stop \"/usr/bin/true s\"
    notify \"/usr/bin/true n\"
    notify_master_rx_lower_pri \"/usr/bin/true low\"
    preempt_delay 5
}
vrrp_instance VI_4 {
    interface eth1
    virtual_router_id 10
    priority 80
    advert_int 2
    dont_track_primary
    unicast_src_ip 10.1.0.1
    unicast_peer {
        10.1.0.2
    }
    virtual_ipaddress {
        10.1.0.101
    }
}
vrrp_instance VI_2 {
    interface eth0
    version 3
    virtual_router_id 8
    priority 90
    advert_int 0.5
    nopreempt
    virtual_ipaddress {
        fe80::77
        fd00::1/64
    }
}
vrrp_instance VI_3 {
    state MASTER
    interface eth1
    version 3
    virtual_router_id 9
    priority 120
    accept
    virtual_ipaddress {
        10.1.0.100/24
    }
}
";

/// A machine with an SNMP agent, a manager that listens, and a place for a daemon.
struct Stage {
    node: Node,
    lab: Lab,
    listener: Process,
    agent: Process,
}

impl Stage {
    fn new() -> Result<Self> {
        let lab = Lab::new("snmp")?;
        lab.lan("lan1")?;
        let node = lab.node("lb1", &["10.0.0.1/24"])?;
        node.plug("eth1", "lan1", &["10.1.0.1/24"])?;
        let folder = lab.folder().to_owned();
        fs::write(folder.join("snmptrapd.conf"), "disableAuthorization yes\n").context("write")?;
        let socket = folder.join("agentx");
        let agent_file = format!(
            "rocommunity public\nmaster agentx\nagentXSocket unix:{}\ntrap2sink 127.0.0.1:1162 public\n",
            socket.display()
        );
        fs::write(folder.join("snmpd.conf"), agent_file).context("write")?;
        let mut command = net_snmp("snmptrapd", &folder);
        command.args(["-C", "-f", "-Lo", "-On", "-Ox", "-c"]).arg(folder.join("snmptrapd.conf"));
        let listener = node.spawn(command.arg("udp:127.0.0.1:1162"))?;
        wait_until("the manager listens", LIMIT, || listener.log().contains("NET-SNMP version"))?;
        let agent = start_agent(&node, &folder)?;
        Ok(Self { node, lab, listener, agent })
    }

    /// Starts a daemon and waits until all its instances are master.
    fn start(&self, kind: Kind, config: &str) -> Result<Process> {
        let folder = self.lab.folder();
        let config = config.replace("FOLDER", &folder.display().to_string());
        let file = folder.join("keepalived.conf");
        fs::write(&file, config).context("write the configuration")?;
        let mut command = Command::new(path_of(kind));
        command.args(["--dont-fork", "--log-console", "--vrrp", "--use-file"]).arg(file);
        command.arg("--pid").arg(folder.join("parent.pid"));
        command.arg("--vrrp_pid").arg(folder.join("vrrp.pid"));
        let daemon = self.node.spawn(&mut command)?;
        let holds =
            || ["10.0.0.100", "fd00::1", "10.1.0.100", "10.1.0.101"].iter().all(|one| self.node.holds(one));
        wait_until("it holds everything", LIMIT, holds).with_context(|| daemon.log())?;
        Ok(daemon)
    }

    /// Everything `snmpwalk` finds: names with type and value.
    fn walk(&self) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        for subtree in SUBTREES {
            let mut command = net_snmp("snmpwalk", self.lab.folder());
            command.args([
                "-v2c",
                "-c",
                "public",
                "-On",
                "-Ox",
                "-t",
                "5",
                "-r",
                "3",
                "127.0.0.1:1161",
                subtree,
            ]);
            let output = self.node.namespace().run(|| command.output())?.context("start snmpwalk")?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
            let mut name = String::new();
            for line in text.lines() {
                match line.split_once(" = ").filter(|_| line.starts_with('.')) {
                    Some((_, value)) if value.starts_with("No ") => {}
                    Some((new, value)) => {
                        name = new.to_owned();
                        found.insert(name.clone(), value.trim_end().to_owned());
                    }
                    // A long value goes on.
                    None => found.entry(name.clone()).or_default().push_str(&format!(" {}", line.trim())),
                }
            }
        }
        Ok(found)
    }

    /// What the manager was told so far, each notification in one line.
    fn told(&self) -> Vec<String> {
        let log = self.listener.log();
        log.lines().filter(|line| line.contains(".1.3.6.1.6.3.1.1.4.1.0")).map(str::to_owned).collect()
    }
}

/// A program of net-snmp that reads no file and keeps none outside of this folder.
fn net_snmp(program: &str, folder: &std::path::Path) -> Command {
    let mut command = Command::new(program);
    let kept = folder.join("net-snmp");
    command.env("SNMPCONFPATH", &kept).env("SNMP_PERSISTENT_DIR", &kept).env("MIBS", "");
    command
}

fn start_agent(node: &Node, folder: &std::path::Path) -> Result<Process> {
    let mut command = net_snmp("snmpd", folder);
    command.args(["-C", "-f", "-Lo", "-c"]).arg(folder.join("snmpd.conf")).arg("udp:127.0.0.1:1161");
    let agent = node.spawn(&mut command)?;
    let socket: PathBuf = folder.join("agentx");
    wait_until("the agent listens", LIMIT, || agent.log().contains("NET-SNMP version") && socket.exists())
        .with_context(|| agent.log())?;
    Ok(agent)
}

/// A life of a daemon: a walk, and what the manager was told.
fn life_of(kind: Kind) -> Result<(BTreeMap<String, String>, Vec<String>)> {
    let stage = Stage::new()?;
    let mut daemon = stage.start(kind, CONFIG)?;
    // The script that fails has run, and the other one twice: priorities are what they will be.
    let settled = format!("{KEEPALIVED}.2.3.1.8.1");
    wait_until("priorities are what they will be", LIMIT, || {
        stage.walk().is_ok_and(|found| found.get(&settled).is_some_and(|value| value == "INTEGER: 104"))
    })
    .with_context(|| format!("{:#?}\n{}", stage.walk(), daemon.log()))?;
    let found = stage.walk()?;
    // Four masters: one of version 2 is told in three ways.
    wait_until("everybody's mastership was told", LIMIT, || {
        stage.told().iter().filter(|line| line.contains("1.3.6.1.2.1.207.0.1")).count() >= 4
    })
    .with_context(|| format!("{:#?}\n{}", stage.told(), daemon.log()))?;
    stage.node.link_down("eth1")?;
    wait_until("the fault of the group was told", LIMIT, || {
        stage.told().iter().any(|line| states_of(line) == Some(("G".into(), 3)))
    })
    .with_context(|| format!("{:#?}\n{}", stage.told(), daemon.log()))?;
    daemon.terminate(seconds(15.0))?;
    wait_until("the end of the group was told", LIMIT, || {
        stage.told().iter().any(|line| states_of(line) == Some(("G".into(), 5)))
    })
    .with_context(|| format!("{:#?}\n{}", stage.told(), daemon.log()))?;
    Ok((found, stage.told()))
}

/// Of a notification of KEEPALIVED-MIB: whose state it tells, and which.
fn states_of(line: &str) -> Option<(String, u32)> {
    let name_of = |column: &str| {
        let (_, rest) = line.split_once(&format!("{KEEPALIVED}.2.{column} = Hex-STRING: "))?;
        let bytes = rest.split('\t').next()?.split_whitespace();
        let bytes: Option<Vec<u8>> = bytes.map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        String::from_utf8(bytes?).ok()
    };
    let state_of = |column: &str| {
        let (_, rest) = line.split_once(&format!("{KEEPALIVED}.2.{column} = INTEGER: "))?;
        rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    let of = |name: &str, state: &str| Some((name_of(name)?, state_of(state)?));
    of("3.1.2", "3.1.4").or_else(|| of("1.1.2", "1.1.3"))
}

/// Objects whose values differ, by the beginning of their names, and why.
const DIFFERENT: [(&str, &str); 9] = [
    (".1.3.6.1.4.1.9586.100.5.1.1.0", "the name and version of the daemon"),
    (
        ".1.3.6.1.4.1.9586.100.5.2.3.1.11.",
        "keepalived calls the interface tracked if any interface is; we do unless dont_track_primary",
    ),
    (
        ".1.3.6.1.4.1.9586.100.5.2.6.1.11.",
        "keepalived calls only the addresses of its first instance advertised",
    ),
    (".1.3.6.1.2.1.68.1.3.1.7.", "keepalived says 0.0.0.0 of a master that is itself"),
    (".1.3.6.1.4.1.9586.100.5.2.13.1.3.", "the folder of this run is in the path"),
    (".1.3.6.1.2.1.68.1.3.1.13.", "a time"),
    (".1.3.6.1.2.1.207.1.1.1.1.12.", "a time"),
    (".1.3.6.1.2.1.207.1.2.4.0", "a time"),
    (".1.3.6.1.2.1.207.1.2.5.1.12.", "a time"),
];

/// VI_4 in VRRP-MIB: a walk through keepalived's tables ends after the first instance of version 2.
fn is_left_out(name: &str) -> bool {
    name.starts_with(SUBTREES[1]) && name.ends_with(".3.10")
}

#[test]
fn a_walk_finds_what_it_finds_in_keepalived() -> Result<()> {
    let (ours, our_traps) = life_of(Kind::Mainstay)?;
    let (theirs, their_traps) = life_of(Kind::Keepalived)?;
    let mut differences = Vec::new();
    for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
        let (mine, other) = (ours.get(name), theirs.get(name));
        let kind =
            |value: Option<&String>| value.and_then(|value| value.split(':').next().map(str::to_owned));
        let is_known = DIFFERENT.iter().any(|(beginning, _)| name.starts_with(beginning));
        let is_more = other.is_none() && is_left_out(name);
        if mine != other && !is_more && !(is_known && kind(mine) == kind(other)) {
            differences.push(format!("{name}: ours {mine:?}, theirs {other:?}"));
        }
    }
    ensure!(differences.is_empty(), "of {} objects differ:\n{}", theirs.len(), differences.join("\n"));
    ensure!(theirs.len() > 450, "{} objects", theirs.len());
    // Each object's states in the order they were told.
    let states = |traps: &[String]| {
        let mut states = BTreeMap::<String, Vec<u32>>::new();
        for (name, state) in traps.iter().filter_map(|line| states_of(line)) {
            let told = states.entry(name).or_default();
            // keepalived tells some states twice.
            if told.last() != Some(&state) {
                told.push(state);
            }
        }
        states
    };
    let (ours, theirs) = (states(&our_traps), states(&their_traps));
    ensure!(ours == theirs, "ours {ours:#?}, theirs {theirs:#?}");
    Ok(())
}

#[test]
fn an_agent_that_comes_back_is_answered_again() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut daemon = stage.start(Kind::Mainstay, CONFIG)?;
    let is_answered = |stage: &Stage| stage.walk().is_ok_and(|found| found.len() > 450);
    wait_until("the agent is answered", LIMIT, || is_answered(&stage)).with_context(|| daemon.log())?;
    stage.agent.kill9();
    stage.agent = start_agent(&stage.node, stage.lab.folder())?;
    wait_until("the new one is answered", LIMIT, || is_answered(&stage)).with_context(|| daemon.log())?;
    ensure!(stage.node.holds("10.0.0.100"), "{}", daemon.log());
    daemon.terminate(seconds(15.0))?;
    Ok(())
}
