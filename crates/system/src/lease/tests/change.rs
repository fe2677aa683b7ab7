//! Gates that are changed while they stand, and a world that changes around them.

use std::io::{BufRead, BufReader};
use std::sync::mpsc;

use super::*;

#[test]
fn without_gates_nothing_is_touched() {
    lab::in_new_namespace(|| {
        let transactions = transactions_while(|| {
            let mut gates = standing(&[]);
            gates.become_these(&[], clock::now()).expect("nothing to do");
        });
        assert_eq!(transactions, "");
        assert_eq!(nft("list ruleset"), "");
    });
}

#[test]
fn gates_that_are_as_wanted_are_not_touched() {
    with_neighbour(|_| {
        let mut gates = standing(&[gate(NEVER)]);
        let mut again =
            |guard| transactions_while(|| gates.become_these(&[gate(guard)], clock::now()).expect("made"));
        assert_eq!(again(NEVER), "");
        assert_eq!(again(Guard::Open).matches("# new generation").count(), 1);
        assert_eq!(again(Guard::Open), "");
    });
}

/// What `nft monitor` tells of every transaction that is made.
fn transactions_while(work: impl FnOnce()) -> String {
    let mut monitor =
        Command::new("nft").arg("monitor").stdout(Stdio::piped()).spawn().expect("nftables is installed");
    let output = BufReader::new(monitor.stdout.take().expect("piped"));
    let (told, tells) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        output.lines().map_while(std::io::Result::ok).try_for_each(|line| told.send(line))
    });
    // It listens when it tells of a transaction of our own, and has told everything when it tells of another one.
    let heard_until = |marker: &str, patience| {
        let table = format!("table inet {marker}");
        nft_makes(&format!("add {table}\ndelete {table}\n"));
        let mut heard = Vec::new();
        let mut ours = false;
        while let Ok(line) = tells.recv_timeout(patience) {
            ours |= line.contains(&table);
            if ours && line.starts_with("# new generation") {
                return Some(heard.join("\n"));
            }
            if !ours {
                heard.push(line);
            }
        }
        None
    };
    let listens = (0..100).any(|n| heard_until(&format!("before{n}"), Duration::from_millis(100)).is_some());
    assert!(listens, "nft monitor tells nothing");
    work();
    let heard = heard_until("after", Duration::from_secs(10)).expect("nft monitor goes on");
    monitor.kill().expect("it runs");
    monitor.wait().expect("it ends");
    let _ = reader.join().expect("it only reads");
    heard
}

#[test]
fn foreign_tables_are_as_they_were() {
    with_neighbour(|_| {
        nft_makes(
            "table netdev mainstayed {
               chain ingress-x0 {
                 type filter hook ingress device x0 priority -500
               }
             }
             table inet firewall {
               set held4 {
                 type ipv4_addr
                 flags dynamic,timeout
               }
               chain input {
                 type filter hook input priority 0
                 ip daddr 192.0.2.9 accept
               }
             }",
        );
        let before = nft("list ruleset");
        let mut gates = standing(&[gate(NEVER)]);
        let beside = nft("list ruleset");
        for table in ["netdev mainstayed", "inet firewall"] {
            assert!(beside.contains(&nft(&format!("list table {table}"))), "{table}: {beside}");
        }
        gates.become_these(&[gate(Guard::Open)], clock::now()).expect("changed");
        standing(&[gate(NEVER)]).become_these(&[], clock::now()).expect("removed");
        assert_eq!(nft("list ruleset"), before);
    });
}

#[test]
fn what_somebody_flushed_is_made_anew_on_the_next_call() {
    with_neighbour(|neighbour| {
        let mut gates = standing(&[gate(NEVER)]);
        nft("flush ruleset");
        assert!(neighbour.is_answered_by(VIP4));
        gates.become_these(&[gate(NEVER)], clock::now()).expect("made anew");
        assert!(!neighbour.is_answered_by(VIP4));
        gates.become_these(&[], clock::now()).expect("removed");
        assert_eq!(nft("list ruleset"), "");
    });
}

#[test]
fn an_address_that_comes_is_closed_and_one_that_goes_is_free() {
    with_neighbour(|neighbour| {
        lab::ip("address add 192.0.2.10/24 dev x0");
        let with = |addresses: &[&str]| Gate {
            addresses: addresses.iter().map(|address| (on("x0"), lab::address(address))).collect(),
            lease: Duration::from_secs(60),
            ..gate(NEVER)
        };
        let mut gates = standing(&[with(&[VIP4])]);
        advertise(&mut Sender::default(), 100);
        gates.become_these(&[with(&[VIP4, "192.0.2.10"])], clock::now()).expect("one more");
        assert!(neighbour.is_answered_by(VIP4) && !neighbour.is_answered_by("192.0.2.10"));
        advertise(&mut Sender::default(), 100);
        assert!(neighbour.is_answered_by("192.0.2.10"));
        gates.become_these(&[with(&["192.0.2.10"])], clock::now()).expect("one less");
        assert!(neighbour.is_answered_by(VIP4), "behind no gate any more");
        assert!(!nft("list table netdev mainstay").contains(VIP4));
    });
}

#[test]
fn a_link_that_vanishes_takes_its_gate_with_it_and_no_other() {
    with_neighbour(|neighbour| {
        neighbour.connect("x1", "y1");
        let second = |index| {
            let link = GateLink { index, name: "x1".to_owned() };
            let addresses = vec![(link.clone(), lab::address("198.51.100.9"))];
            Gate { id: GateId(8), instance: "VI_2".into(), link, vrid: 52, addresses, ..gate(NEVER) }
        };
        let first_index = lab::index("x1");
        let gate = |guard| Gate { lease: Duration::from_secs(60), ..gate(guard) };
        let mut gates = standing(&[gate(NEVER), second(first_index)]);
        assert!(nft("list table netdev mainstay").contains("ingress-x1"));
        lab::ip("link del x1");
        gates.become_these(&[gate(NEVER), second(first_index)], clock::now()).expect("without it");
        assert!(!nft("list table netdev mainstay").contains("ingress-x1"));
        assert!(!neighbour.is_answered_by(VIP4));

        neighbour.connect("x1", "y1");
        gates.become_these(&[gate(NEVER), second(lab::index("x1"))], clock::now()).expect("with it again");
        assert!(nft("list table netdev mainstay").contains("ingress-x1"));
        advertise(&mut Sender::default(), 100);
        assert!(neighbour.is_answered_by(VIP4));
        lab::ip("link del x0");
        gates.become_these(&[], clock::now()).expect("removed");
    });
}

#[test]
fn instances_whose_names_are_alike_have_chains_of_their_own() {
    with_neighbour(|_| {
        let named = |id, name: &str| Gate {
            id: GateId(id),
            instance: name.into(),
            vrid: 50 + u8::try_from(id).expect("small"),
            addresses: vec![(on("x0"), IpAddr::from([192, 0, 2, 100 + u8::try_from(id).expect("small")]))],
            ..gate(NEVER)
        };
        let long = "x".repeat(300);
        let names = ["a b", "ab", "ä{}\"b", "", &long, "ab-00000001"];
        let all: Vec<Gate> = (1..).zip(names).map(|(id, name)| named(id, name)).collect();
        let mut gates = standing(&all);
        let shown = nft("list table netdev mainstay");
        assert_eq!(shown.matches("chain renew-").count(), names.len(), "{shown}");
        let advert = advert(OWN4, "224.0.0.18", 52, 100, lab::index("x0"));
        Sender::default().send(&[advert], |_, errno| panic!("refused: {errno}"));
        let held = gates.netfilter.held(TABLE).expect("lists").expect("a table");
        assert_eq!(held.into_keys().collect::<Vec<_>>(), [lab::address("192.0.2.102")]);
    });
}

#[test]
fn a_kernel_that_can_is_told_so_and_keeps_nothing_of_the_trial() {
    lab::in_new_namespace(|| {
        let mut gates = Gates::open().expect("opens");
        gates.supported().expect("this kernel can");
        assert_eq!(nft("list ruleset"), "");
    });
}

#[test]
fn a_process_without_the_right_is_told_what_it_lacks() {
    lab::in_new_namespace(|| {
        let mut gates = Gates::open().expect("opens");
        // Of this thread alone: the raw system call, not the C library's that speaks for the process.
        // SAFETY: no memory is involved; 65534 is nobody, whom no capability is left to.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
        assert_eq!(result, 0);
        let error = gates.supported().expect_err("not allowed");
        assert!(matches!(error, Unsupported::NoPermission(_)), "{error}");
        assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
        let refused = gates.become_these(&[], clock::now()).expect_err("not even to look");
        assert_eq!(refused.errno(), libc::EPERM);
    });
}
