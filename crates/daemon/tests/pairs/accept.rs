//! `no_accept`: who is asked for a virtual address answers ARP and neighbour discovery, and nothing else.

use anyhow::{Result, ensure};
use mainstay::lab::{Lab, Node, wait_until};

use crate::scene::{Kind, LIMIT, program};

const CONFIG: &str = "
global_defs {
    vrrp_version 3
}
vrrp_instance CLOSED {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    no_accept
    virtual_ipaddress {
        10.0.0.100/24
    }
    virtual_ipaddress_excluded {
        10.0.0.101/24
    }
}
vrrp_instance CLOSED6 {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    no_accept
    virtual_ipaddress {
        fe80::100/64
        fd00::100/64
    }
}
vrrp_instance STRICT {
    interface eth0
    virtual_router_id 52
    priority 150
    advert_int 0.1
    strict_mode
    virtual_ipaddress {
        10.0.0.110/24
    }
}
vrrp_instance OPEN {
    interface eth0
    virtual_router_id 53
    priority 150
    advert_int 0.1
    virtual_ipaddress {
        10.0.0.120/24
    }
}
vrrp_instance OWNER {
    interface eth0
    virtual_router_id 54
    state MASTER
    priority 255
    advert_int 0.1
    no_accept
    virtual_ipaddress {
        10.0.0.130/24
    }
}
";

/// Every address, and whether it answers to a ping.
const ADDRESSES: [(&str, bool); 8] = [
    ("10.0.0.100", false),
    ("10.0.0.101", false),
    ("fd00::100", false),
    ("fe80::100%eth0", false),
    ("10.0.0.110", false),
    ("10.0.0.120", true),
    ("10.0.0.130", true),
    // The machine's own.
    ("10.0.0.1", true),
];

fn answers_ping(client: &Node, address: &str) -> bool {
    client.namespace().command("ping", &format!("-c 1 -W 1 {address}")).is_ok()
}

/// Whether the client has learnt who has the address.
fn is_known(client: &Node, address: &str) -> Result<bool> {
    let address = address.split('%').next().unwrap_or(address);
    let shown = client.namespace().ip(&format!("-oneline neighbour show {address} dev eth0"))?;
    Ok(shown.contains("lladdr"))
}

fn who_answers(kind: Kind) -> Result<Vec<(String, bool)>> {
    let lab = Lab::new("accept")?;
    lab.print_logs_at_end();
    let node = lab.node("a", &["10.0.0.1/24", "fd00::1/64"])?;
    let client = lab.node("client", &["10.0.0.9/24", "fd00::9/64"])?;
    let mut daemon = node.start(&program(kind), CONFIG)?;
    wait_until("all are master", LIMIT, || daemon.logged("Entering MASTER STATE") == 5)?;
    let there = |(address, _): &(&str, bool)| node.holds(address.split('%').next().unwrap_or(address));
    wait_until("the addresses are there", LIMIT, || ADDRESSES.iter().all(there))?;
    let mut answers = Vec::new();
    for (address, _) in ADDRESSES {
        answers.push((address.to_owned(), answers_ping(&client, address)));
        ensure!(
            is_known(&client, address)?,
            "{kind:?}: {address} is answered for by ARP or neighbour discovery"
        );
    }
    daemon.terminate(LIMIT)?;
    let tables = node.namespace().command("nft", "list tables")?;
    ensure!(tables.trim().is_empty(), "{kind:?} leaves tables: {tables}");
    Ok(answers)
}

#[test]
fn ping_of_a_no_accept_address_fails_and_of_another_works_as_with_keepalived() -> Result<()> {
    let expected: Vec<(String, bool)> =
        ADDRESSES.iter().map(|(address, answers)| ((*address).to_owned(), *answers)).collect();
    for kind in [Kind::Mainstay, Kind::Keepalived] {
        let answers = who_answers(kind)?;
        ensure!(answers == expected, "{kind:?}: {answers:?}");
    }
    Ok(())
}

#[test]
fn the_table_of_a_router_that_was_killed_goes_with_the_next_one() -> Result<()> {
    let lab = Lab::new("accept")?;
    lab.print_logs_at_end();
    let node = lab.node("a", &["10.0.0.1/24", "fd00::1/64"])?;
    let closed =
        || node.namespace().command("nft", "list tables").unwrap_or_default().contains("inet mainstay");
    let mut daemon = node.start(&program(Kind::Mainstay), CONFIG)?;
    wait_until("the addresses are closed", LIMIT, closed)?;
    daemon.kill9();
    ensure!(closed(), "nobody has removed the table");
    let mut daemon = node.start(&program(Kind::Mainstay), CONFIG)?;
    wait_until("it is master again", LIMIT, || daemon.logged("Entering MASTER STATE") == 5)?;
    daemon.terminate(LIMIT)?;
    ensure!(!closed(), "it is removed at the end");
    Ok(())
}
