//! What we write, `ipvsadm` shows; what `ipvsadm` writes, we list.

use mainstay_core::address::Family;
use mainstay_core::ipvs::{
    Change, Forwarding, Protocol, SchedulerFlags, Timeouts, TunnelChecksum, TunnelKind,
};
use mainstay_system::ipvs::{Balancer, Kernel};

use super::words::{destination, mark, of_protocol, persistent, service, tcp, tunnel, udp};
use crate::stage::{in_new_namespace, run, run_with_input};

/// Every kind of service and destination: as `ipvsadm --save` says it, and as we do.
fn everything() -> Vec<(String, Change)> {
    let mut all = Vec::new();
    for name in ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "mh", "fo", "ovf", "sed", "nq"] {
        let port = 1000 + all.len();
        let added = service(tcp(&format!("10.0.0.9:{port}")), name);
        all.push((format!("-A -t 10.0.0.9:{port} -s {name}"), Change::AddService(added)));
    }
    let mut add = |line: &str, change| all.push((line.to_owned(), change));

    let with_flags = |place: &str, scheduler: &str, first: bool, second: bool, third: bool| {
        let mut added = service(tcp(place), scheduler);
        added.flags = SchedulerFlags { first, second, third };
        Change::AddService(added)
    };
    add("-A -t 10.0.0.2:1 -s sh -b sh-fallback", with_flags("10.0.0.2:1", "sh", true, false, false));
    add("-A -t 10.0.0.2:2 -s mh -b mh-port", with_flags("10.0.0.2:2", "mh", false, true, false));
    add("-A -t 10.0.0.2:3 -s rr -b flag-3", with_flags("10.0.0.2:3", "rr", false, false, true));
    let all_flags = "-A -t 10.0.0.2:4 -s wrr -b flag-1,flag-2,flag-3";
    add(all_flags, with_flags("10.0.0.2:4", "wrr", true, true, true));

    let sip = persistent(service(udp("10.0.0.1:5060"), "rr"), 300, "255.255.0.0", Some("sip"));
    add("-A -u 10.0.0.1:5060 -s rr -p 300 -M 255.255.0.0 --pe sip", Change::AddService(sip));
    let mut one_packet = service(udp("10.0.0.1:53"), "wlc");
    one_packet.one_packet = true;
    add("-A -u 10.0.0.1:53 -s wlc -o", Change::AddService(one_packet));
    let every_port = persistent(service(tcp("10.0.0.1:0"), "rr"), 360, "255.255.255.255", None);
    add("-A -t 10.0.0.1:0 -s rr -p 360", Change::AddService(every_port));
    let holey = persistent(service(tcp("10.0.0.1:99"), "rr"), 2_678_400, "255.0.255.0", None);
    add("-A -t 10.0.0.1:99 -s rr -p 2678400 -M 255.0.255.0", Change::AddService(holey));
    let sctp = service(of_protocol(Protocol::Sctp, "10.0.0.1:99"), "rr");
    add("-A --sctp-service 10.0.0.1:99 -s rr", Change::AddService(sctp));
    add("-A -f 7 -s rr", Change::AddService(service(mark(Family::V4, 7), "rr")));
    let v6_mark = persistent(service(mark(Family::V6, i32::MAX as u32), "rr"), 60, "64", None);
    add("-A -f 2147483647 -6 -s rr -p 60 -M 64", Change::AddService(v6_mark));
    let v6 = persistent(service(tcp("[fd00::1]:443"), "rr"), 10, "128", None);
    add("-A -t [fd00::1]:443 -s rr -p 10", Change::AddService(v6));

    add("-A -t 10.0.0.1:80 -s rr", Change::AddService(service(tcp("10.0.0.1:80"), "rr")));
    let web = tcp("10.0.0.1:80");
    let none = TunnelChecksum::None;
    let gue = TunnelKind::Gue { port: 6080 };
    for (line, to) in [
        ("-r 10.0.0.11:8080 -m -w 1", destination("10.0.0.11:8080", Forwarding::Masquerade)),
        ("-r 10.0.0.12:80 -g -w 1", destination("10.0.0.12:80", Forwarding::DirectRoute)),
        (
            "-r 10.0.0.13:80 -i -w 1 --tun-type ipip",
            destination("10.0.0.13:80", tunnel(TunnelKind::Ipip, none)),
        ),
        (
            "-r 10.0.0.14:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            destination("10.0.0.14:80", tunnel(gue, none)),
        ),
        (
            "-r 10.0.0.15:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
            destination("10.0.0.15:80", tunnel(gue, TunnelChecksum::Full)),
        ),
        (
            "-r 10.0.0.16:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
            destination("10.0.0.16:80", tunnel(gue, TunnelChecksum::Remote)),
        ),
        (
            "-r 10.0.0.17:80 -i -w 1 --tun-type gre --tun-nocsum",
            destination("10.0.0.17:80", tunnel(TunnelKind::Gre, none)),
        ),
        (
            "-r 10.0.0.18:80 -i -w 1 --tun-type gre --tun-csum",
            destination("10.0.0.18:80", tunnel(TunnelKind::Gre, TunnelChecksum::Full)),
        ),
        (
            "-r [fd00::19]:80 -i -w 1 --tun-type ipip",
            destination("[fd00::19]:80", tunnel(TunnelKind::Ipip, none)),
        ),
    ] {
        add(&format!("-a -t 10.0.0.1:80 {line}"), Change::AddDestination(web, to));
    }
    let mut heavy = destination("[fd00::9]:0", Forwarding::DirectRoute);
    heavy.weight = mainstay_core::ipvs::MAX_WEIGHT;
    add("-a -f 2147483647 -6 -r [fd00::9]:0 -g -w 2147483647", {
        Change::AddDestination(mark(Family::V6, i32::MAX as u32), heavy)
    });
    let mut none = destination("10.0.0.12:0", Forwarding::DirectRoute);
    none.weight = 0;
    add("-a -f 7 -r 10.0.0.12:0 -g -w 0", Change::AddDestination(mark(Family::V4, 7), none));
    all
}

/// Lines in an order of their own: the kernel has none.
fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}

fn saved() -> Vec<String> {
    sorted(run("ipvsadm --save --numeric").lines().map(str::to_owned))
}

#[test]
fn ipvsadm_shows_everything_we_write() {
    in_new_namespace(|| {
        let (lines, changes): (Vec<_>, Vec<_>) = everything().into_iter().unzip();
        let applied = Kernel::open().expect("ip_vs").apply(&changes).expect("answers");
        assert!(applied.refusals.is_empty() && applied.surprises.is_empty(), "{applied:?}");
        assert_eq!(saved(), sorted(lines.into_iter()));
    });
}

#[test]
fn we_list_everything_ipvsadm_writes() {
    in_new_namespace(|| {
        let (lines, changes): (Vec<_>, Vec<_>) = everything().into_iter().unzip();
        run_with_input("ipvsadm --restore", &(lines.join("\n") + "\n"));
        let listing = Kernel::open().expect("ip_vs").list().expect("a list");
        assert_eq!(listing.unreadable, 0);
        let table = listing.table();
        let mut count = 0;
        for change in &changes {
            match change {
                Change::AddService(wanted) => {
                    assert_eq!(&table.services[&wanted.key].service, wanted);
                }
                Change::AddDestination(service, wanted) => {
                    assert_eq!(&table.services[service].destinations[&wanted.key], wanted);
                }
                other => panic!("only additions: {other}"),
            }
            count += 1;
        }
        let listed = table.services.values().map(|entry| 1 + entry.destinations.len());
        assert_eq!(listed.sum::<usize>(), count, "nothing else is listed");
    });
}

#[test]
fn thresholds_are_shown_and_listed_both_ways() {
    in_new_namespace(|| {
        let mut kernel = Kernel::open().expect("ip_vs");
        let key = tcp("10.0.0.1:80");
        let mut limited = destination("10.0.0.2:80", Forwarding::Masquerade);
        (limited.upper_threshold, limited.lower_threshold) = (2_000_000_000, 3);
        let changes = [Change::AddService(service(key, "rr")), Change::AddDestination(key, limited)];
        assert_eq!(kernel.apply(&changes).expect("answers").refusals, []);
        run("ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -x 100 -y 50");
        let shown = run("ipvsadm -Ln --thresholds");
        let numbers = |address: &str| -> Vec<String> {
            let line = shown.lines().find(|line| line.contains(address)).expect("a line");
            line.split_whitespace().skip(2).take(2).map(str::to_owned).collect()
        };
        assert_eq!(numbers("10.0.0.2:80"), ["2000000000", "3"], "{shown}");
        assert_eq!(numbers("10.0.0.3:80"), ["100", "50"], "{shown}");
        let table = kernel.list().expect("a list").table();
        let theirs = destination("10.0.0.3:80", Forwarding::DirectRoute).key;
        let listed = &table.services[&key].destinations;
        assert_eq!(listed[&limited.key], limited);
        assert_eq!((listed[&theirs].upper_threshold, listed[&theirs].lower_threshold), (100, 50));
    });
}

#[test]
fn editing_changes_everything_but_what_it_is() {
    in_new_namespace(|| {
        let mut kernel = Kernel::open().expect("ip_vs");
        let key = udp("10.0.0.1:5060");
        let mut first = persistent(service(key, "sh"), 300, "255.255.255.0", Some("sip"));
        first.flags.first = true;
        let before = destination("10.0.0.2:5060", Forwarding::Masquerade);
        let changes = [Change::AddService(first), Change::AddDestination(key, before)];
        kernel.apply(&changes).expect("answers");
        let mut after = destination("10.0.0.2:5060", Forwarding::DirectRoute);
        after.weight = 77;
        let mut plain = service(key, "wrr");
        plain.one_packet = true;
        let changes = [Change::EditService(plain), Change::EditDestination(key, after)];
        let applied = kernel.apply(&changes).expect("answers");
        assert!(applied.refusals.is_empty() && applied.surprises.is_empty(), "{applied:?}");
        let wanted = ["-A -u 10.0.0.1:5060 -s wrr -o", "-a -u 10.0.0.1:5060 -r 10.0.0.2:5060 -g -w 77"];
        assert_eq!(saved(), wanted);
    });
}

#[test]
fn deleting_flushing_and_an_old_table() {
    in_new_namespace(|| {
        run("ipvsadm -A -t 10.0.0.1:80 -s rr");
        run("ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m");
        run("ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.3:80 -m");
        run("ipvsadm -A -f 3 -s rr");
        // Opened when the table is there already, as after a crash.
        let mut kernel = Kernel::open().expect("ip_vs");
        assert_eq!(kernel.list().expect("a list").services.len(), 2);
        let key = tcp("10.0.0.1:80");
        let gone = destination("10.0.0.2:80", Forwarding::Masquerade).key;
        let applied = kernel.apply(&[Change::DeleteDestination(key, gone)]).expect("answers");
        assert!(applied.refusals.is_empty() && applied.surprises.is_empty(), "{applied:?}");
        let left = ["-A -f 3 -s rr", "-A -t 10.0.0.1:80 -s rr", "-a -t 10.0.0.1:80 -r 10.0.0.3:80 -m -w 1"];
        assert_eq!(saved(), left);
        kernel.apply(&[Change::DeleteService(key)]).expect("answers");
        assert_eq!(saved(), ["-A -f 3 -s rr"]);
        kernel.flush().expect("flushed");
        assert_eq!(saved(), [""; 0]);
        assert!(kernel.list().expect("a list").services.is_empty());
    });
}

#[test]
fn timeouts_version_and_size_are_what_ipvsadm_says() {
    in_new_namespace(|| {
        let mut kernel = Kernel::open().expect("ip_vs");
        let first = Timeouts { tcp_s: 900, tcp_fin_s: 120, udp_s: 300 };
        assert_eq!(kernel.timeouts().expect("told"), first);
        kernel.set_timeouts(&Timeouts { tcp_s: 77, tcp_fin_s: 0, udp_s: 5 }).expect("set");
        assert_eq!(run("ipvsadm -L --timeout").trim(), "Timeout (tcp tcpfin udp): 77 120 5");
        let too_long = Timeouts { tcp_s: u32::MAX, tcp_fin_s: 0, udp_s: 0 };
        assert_eq!(
            kernel.set_timeouts(&too_long).expect_err("more than the kernel counts").errno(),
            libc::EINVAL
        );
        let info = kernel.info().expect("told");
        let [major, minor, patch] = info.version;
        let head = format!(
            "IP Virtual Server version {major}.{minor}.{patch} (size={})",
            info.connection_table_size
        );
        assert_eq!(run("ipvsadm -Ln").lines().next(), Some(head.as_str()));
    });
}
