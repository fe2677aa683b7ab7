//! `virtual_server`, `virtual_server_group`, `real_server`, and the words of `global_defs` about them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use mainstay_core::address::Family;
use mainstay_core::director::plan::AtStop;
use mainstay_core::director::{VirtualServerKey, VirtualServerPlan};
use mainstay_core::ipvs::{
    Forwarding, Granularity, Protocol, Scheduler, ServiceKey, Timeouts, Tunnel, TunnelChecksum, TunnelKind,
};

use super::{Lowered, complaint, lower, lower_on, machine, simple};

/// Words every virtual server needs, so that nothing is guessed.
const PLAIN: &str = "lvs_sched rr\nlvs_method NAT\nprotocol TCP\n";

/// A virtual server 10.0.0.1 80 with these lines and a real server.
fn server(lines: &str) -> Lowered {
    lower(&format!("virtual_server 10.0.0.1 80 {{\n{PLAIN}{lines}\nreal_server 10.1.0.1 80 {{\n}}\n}}\n"))
}

/// The only virtual server; exactly these codes were said.
#[track_caller]
fn plan<const N: usize>(lowered: &Lowered, codes: [&str; N]) -> VirtualServerPlan {
    assert_eq!(lowered.codes(), codes, "{:#?}", lowered.diagnostics);
    let [server] = lowered.model.director.virtual_servers.as_slice() else {
        panic!("not one virtual server: {:#?}", lowered.diagnostics)
    };
    server.clone()
}

#[test]
fn a_virtual_server_has_keepaliveds_defaults() {
    let server = plan(&server(""), []);
    assert_eq!(server.key.to_string(), "[10.0.0.1]:tcp:80");
    assert_eq!(server.scheduler, Scheduler::RoundRobin);
    assert_eq!((server.quorum, server.hysteresis), (1, 0));
    assert_eq!(server.persistence, None);
    assert_eq!((server.panic_threshold, server.drain), (0, Duration::ZERO));
    let real = &server.real_servers[0];
    assert_eq!((real.weight, real.forwarding, real.inhibit_on_failure), (1, Forwarding::Masquerade, false));
}

#[test]
fn what_is_not_said_is_filled_in_with_a_complaint() {
    let lowered = lower("virtual_server 10.0.0.1 80 {\nreal_server 10.1.0.1 80 {\n}\n}\n");
    let server = plan(&lowered, ["no-protocol", "no-scheduler", "no-forwarding"]);
    assert_eq!(server.protocol, Protocol::Udp);
    assert_eq!(server.scheduler, Scheduler::WeightedLeastConnection);
    assert_eq!(server.real_servers[0].forwarding, Forwarding::Masquerade);
}

#[test]
fn the_table_of_forwarding_methods() {
    let tunnel = |kind, checksum| Forwarding::Tunnel(Tunnel { kind, checksum });
    let table: [(&str, Forwarding, &[&str]); 10] = [
        ("NAT", Forwarding::Masquerade, &[]),
        ("DR", Forwarding::DirectRoute, &[]),
        ("TUN", tunnel(TunnelKind::Ipip, TunnelChecksum::None), &[]),
        ("TUN type ipip", tunnel(TunnelKind::Ipip, TunnelChecksum::None), &[]),
        ("TUN type gre csum", tunnel(TunnelKind::Gre, TunnelChecksum::Full), &[]),
        (
            "TUN type gue port 5555 remcsum",
            tunnel(TunnelKind::Gue { port: 5555 }, TunnelChecksum::Remote),
            &[],
        ),
        ("TUN type gue port 5555 nocsum", tunnel(TunnelKind::Gue { port: 5555 }, TunnelChecksum::None), &[]),
        ("TUN type gue", tunnel(TunnelKind::Ipip, TunnelChecksum::None), &["gue-without-port"]),
        ("nat", Forwarding::Masquerade, &["unknown-method"]),
        ("DR fast", Forwarding::DirectRoute, &["unknown-option"]),
    ];
    for (words, expected, codes) in table {
        let lowered = server(&format!("lvs_method {words}"));
        assert_eq!(lowered.codes(), codes, "{words}");
        assert_eq!(lowered.model.director.virtual_servers[0].real_servers[0].forwarding, expected, "{words}");
    }
}

#[test]
fn old_spellings_are_as_good() {
    let server = plan(&server("lb_algo sh\nlb_kind DR\nhashed"), []);
    assert_eq!(server.scheduler, Scheduler::SourceHash);
    assert_eq!(server.real_servers[0].forwarding, Forwarding::DirectRoute);
}

#[test]
fn an_unknown_scheduler_is_a_complaint_with_a_suggestion() {
    let lowered = server("lvs_sched wlc2");
    assert_eq!(lowered.only("unknown-scheduler").suggestion.as_deref(), Some("wlc"));
    assert_eq!(plan(&lowered, ["unknown-scheduler"]).scheduler, Scheduler::RoundRobin);
}

#[test]
fn flags_of_a_scheduler_need_it_before_them() {
    let flags = plan(&server("lvs_sched mh\nmh-port\nmh-fallback"), []).flags;
    assert!(flags.first && flags.second && !flags.third);
    let flags = plan(&server("sh-port\nlvs_sched sh\nflag-3"), ["flag-of-another-scheduler"]).flags;
    assert!(!flags.first && !flags.second && flags.third);
}

#[test]
fn persistence_comes_with_a_timeout_a_granularity_or_every_port() {
    let of = |lines: &str| plan(&server(lines), []).persistence;
    assert_eq!(of("persistence_timeout").map(|persistence| persistence.timeout_s), Some(360));
    assert_eq!(of("persistence_timeout 50").map(|persistence| persistence.timeout_s), Some(50));
    let mask = of("persistence_granularity 255.255.255.0").expect("persistence");
    assert_eq!(mask.granularity, Granularity::Netmask([255, 255, 255, 0].into()));
    assert_eq!(mask.timeout_s, 360);
    let engine = of("persistence_timeout 50\npersistence_engine sip").expect("persistence");
    assert_eq!(engine.engine.as_deref(), Some("sip"));
    let every_port =
        lower(&format!("virtual_server 2001:db8::1 {{\n{PLAIN}real_server 2001:db8::2 {{\n}}\n}}\n"));
    let forced = plan(&every_port, []).persistence.expect("persistence");
    assert_eq!((forced.timeout_s, forced.granularity), (360, Granularity::Prefix(128)));
    assert_eq!(plan(&server("persistence_timeout 0"), ["number-out-of-range"]).persistence, None);
    plan(&server("persistence_granularity 24"), ["bad-granularity"]);
}

#[test]
fn only_nat_changes_ports() {
    let of = |method: &str| {
        lower(&format!(
            "virtual_server 10.0.0.1 80 {{\nlvs_sched rr\nlvs_method {method}\nprotocol TCP\n\
             real_server 10.1.0.1 8080 {{\nTCP_CHECK {{\n}}\n}}\n}}\n"
        ))
    };
    assert_eq!(plan(&of("NAT"), []).real_servers[0].key.port, 8080);
    let direct = plan(&of("DR"), ["real-server-port"]);
    assert_eq!(direct.real_servers[0].key.port, 80);
}

#[test]
fn in_a_group_without_nat_a_real_server_keeps_its_name_and_is_one_destination() {
    let text = "virtual_server_group g {\n10.0.0.1 80\n10.0.0.2 81\n}\nvirtual_server group g {\nlvs_sched rr\n\
                lvs_method DR\nprotocol TCP\nreal_server 10.1.0.1 80 {\n}\nreal_server 10.1.0.1 81 {\n}\n}\n";
    let server = plan(&lower(text), ["duplicate-real-server"]);
    assert_eq!(server.real_servers[0].key.port, 80);
    let ports: Vec<u16> =
        server.services.iter().map(|service| server.real_servers[0].port_behind(service)).collect();
    assert_eq!(ports, [80, 81]);
}

#[test]
fn a_real_server_of_the_other_family_needs_a_tunnel() {
    let of = |method: &str| {
        lower(&format!(
            "virtual_server 10.0.0.1 80 {{\nlvs_sched rr\nlvs_method {method}\nprotocol TCP\n\
             real_server 10.1.0.1 80 {{\n}}\nreal_server 2001:db8::1 80 {{\n}}\n}}\n"
        ))
    };
    assert_eq!(plan(&of("NAT"), ["mixed-families"]).real_servers.len(), 1);
    assert_eq!(plan(&of("TUN"), []).real_servers.len(), 2);
}

#[test]
fn a_quorum_out_of_reach_is_reduced_and_hysteresis_stays_below() {
    let server = plan(&server("quorum 5"), ["quorum-out-of-reach"]);
    assert_eq!((server.quorum, server.hysteresis), (1, 0));
    let two = |lines: &str| {
        lower(&format!(
            "virtual_server 10.0.0.1 80 {{\n{PLAIN}{lines}\nweight 2\nreal_server 10.1.0.1 80 {{\n}}\n\
             real_server 10.1.0.2 80 {{\nweight 3\n}}\n}}\n"
        ))
    };
    let server = plan(&two("quorum 5\nhysteresis 2"), []);
    assert_eq!((server.quorum, server.hysteresis), (5, 2));
    let server = plan(&two("quorum 4\nhysteresis 4"), ["hysteresis-too-large"]);
    assert_eq!((server.quorum, server.hysteresis), (4, 3));
}

#[test]
fn a_sorry_server_has_its_own_method_and_may_wait() {
    let server = plan(&server("sorry_server 10.9.0.1 8080\nsorry_server_inhibit"), []);
    let sorry = server.sorry_server.expect("a sorry server");
    assert_eq!(sorry.key.to_string(), "[10.9.0.1]:8080");
    assert!(sorry.inhibit);
    let direct = plan(&self::server("sorry_server 10.9.0.1 8080\nsorry_server_lvs_method DR"), []);
    let sorry = direct.sorry_server.expect("a sorry server");
    assert_eq!((sorry.key.port, sorry.forwarding), (80, Forwarding::DirectRoute));
    plan(&self::server("sorry_server_inhibit\nsorry_server 10.9.0.1"), ["no-sorry-server"]);
    let same = plan(&self::server("inhibit_on_failure\nsorry_server 10.1.0.1 80"), ["sorry-server-inhibit"]);
    assert!(same.sorry_server.is_some_and(|sorry| sorry.inhibit));
}

#[test]
fn a_sorry_server_alone_is_enough() {
    let lowered = lower(&format!("virtual_server 10.0.0.1 80 {{\n{PLAIN}sorry_server 10.9.0.1 80\n}}\n"));
    assert!(plan(&lowered, []).real_servers.is_empty());
    let lowered = lower(&format!("virtual_server 10.0.0.1 80 {{\n{PLAIN}}}\n"));
    assert_eq!(lowered.codes(), ["no-real-servers"]);
    assert!(lowered.model.director.virtual_servers.is_empty());
}

#[test]
fn ops_is_for_udp_and_ha_suspend_for_one_address() {
    assert!(!plan(&server("ops"), ["ops-without-udp"]).one_packet);
    assert!(plan(&server("ops\nprotocol UDP"), []).one_packet);
    assert_eq!(plan(&server("ha_suspend"), []).suspend_without, Some([10, 0, 0, 1].into()));
    let lowered = lower(
        "virtual_server fwmark 7 {\nlvs_sched rr\nlvs_method DR\nha_suspend\nreal_server 10.1.0.1 {\n}\n}\n",
    );
    let mark = plan(&lowered, ["suspend-without-address"]);
    assert_eq!(mark.suspend_without, None);
    assert_eq!(mark.services, [ServiceKey::Mark { family: Family::V4, mark: 7 }]);
}

#[test]
fn marks_have_the_family_that_is_said_or_that_of_their_group_or_of_the_real_servers() {
    let family_of = |group: &str, who: &str, lines: &str, real: &str| {
        let text = format!(
            "{group}\nvirtual_server {who} {{\nlvs_sched rr\nlvs_method DR\nprotocol TCP\n{lines}\n\
             real_server {real} 80 {{\n}}\n}}\n"
        );
        let lowered = lower(&text);
        let services = &lowered.model.director.virtual_servers[0].services;
        let marks = services.iter().filter(|service| matches!(service, ServiceKey::Mark { .. }));
        marks.map(ServiceKey::family).next_back().expect("a mark")
    };
    assert_eq!(family_of("", "fwmark 7", "", "10.1.0.1"), Family::V4);
    assert_eq!(family_of("", "fwmark 7", "", "2001:db8::1"), Family::V6);
    assert_eq!(family_of("", "fwmark 7", "ip_family inet6", "2001:db8::1"), Family::V6);
    let group = |lines: &str| format!("virtual_server_group G {{\n{lines}\n}}");
    assert_eq!(family_of(&group("fwmark 7"), "group G", "", "10.1.0.1"), Family::V4, "as keepalived guesses");
    assert_eq!(family_of(&group("fwmark 7\n2001:db8::9 80"), "group G", "", "2001:db8::1"), Family::V6);
    assert_eq!(family_of(&group("fwmark 7 inet6\n10.0.0.1 80"), "group G", "", "10.1.0.1"), Family::V6);
}

#[test]
fn a_group_is_every_address_of_its_ranges_and_its_marks() {
    let text = format!(
        "virtual_server_group web {{\n10.0.0.1 80\n10.0.0.250-252 81\n10.0.1.255-10.0.2.1 82\n10.0.3.9/30 83\n\
         2001:db8::f-11 84\nfwmark 3 inet6\n}}\n\
         virtual_server group web {{\n{PLAIN}real_server 10.1.0.1 80 {{\n}}\n}}\n"
    );
    let server = plan(&lower(&text), []);
    let services: Vec<String> = server.services.iter().map(ToString::to_string).collect();
    assert_eq!(
        services,
        [
            "[10.0.0.1]:tcp:80",
            "[10.0.0.250]:tcp:81",
            "[10.0.0.251]:tcp:81",
            "[10.0.0.252]:tcp:81",
            "[10.0.1.255]:tcp:82",
            "[10.0.2.0]:tcp:82",
            "[10.0.2.1]:tcp:82",
            "[10.0.3.8]:tcp:83",
            "[10.0.3.9]:tcp:83",
            "[10.0.3.10]:tcp:83",
            "[10.0.3.11]:tcp:83",
            "[2001:db8::f]:tcp:84",
            "[2001:db8::10]:tcp:84",
            "[2001:db8::11]:tcp:84",
            "FWM 3"
        ]
    );
    assert_eq!(server.family, None);
    let expected = VirtualServerKey::Group { name: "web".into(), protocol: Protocol::Tcp, ordinal: 0 };
    assert_eq!(server.key, expected);
    assert_eq!(server.key.to_string(), "[web]:0");
}

#[test]
fn bad_entries_of_a_group_are_left_out() {
    for entry in
        ["10.0.0.9-1 80", "4:5:6::7-10.11.12.2 80", "10.0.0.1-x", "10.0.0.0/8 80", "what 80", "::1/129"]
    {
        let lowered = lower(&format!("virtual_server_group g {{\n10.0.0.1 80\n{entry}\n}}\n"));
        assert_eq!(lowered.codes(), ["bad-group-entry"], "{entry}");
    }
    assert_eq!(lower("virtual_server_group g {\n}\n").codes(), ["empty-group"]);
    let unknown = lower(&format!(
        "virtual_server_group web {{\n10.0.0.1 80\n}}\n\
         virtual_server group wep {{\n{PLAIN}real_server 10.1.0.1 80 {{\n}}\n}}\n"
    ));
    assert_eq!(unknown.only("unknown-group").suggestion.as_deref(), Some("web"));
}

#[test]
fn a_service_has_one_virtual_server() {
    let one = format!("virtual_server 10.0.0.1 80 {{\n{PLAIN}real_server 10.1.0.1 80 {{\n}}\n}}\n");
    let lowered = lower(&format!("{one}{one}"));
    assert_eq!(lowered.codes(), ["duplicate-service"]);
    assert_eq!(lowered.model.director.virtual_servers.len(), 1);
    let twice = server("real_server 10.1.0.1 80 {\nweight 5\n}");
    let kept = plan(&twice, ["duplicate-real-server"]);
    assert_eq!((kept.real_servers.len(), kept.real_servers[0].weight), (1, 5));
}

#[test]
fn virtual_servers_of_one_group_share_its_services() {
    let of = |real: &str| format!("virtual_server group web {{\n{PLAIN}real_server {real} 80 {{\n}}\n}}\n");
    let group = "virtual_server_group web {\n10.0.0.1 80\nfwmark 3\n}\n";
    let lowered = lower(&format!("{group}{}{}", of("10.1.0.1"), of("10.1.0.2"))).clean();
    let [first, second] = &lowered.model.director.virtual_servers[..] else { panic!("two virtual servers") };
    assert_eq!(first.services, second.services);
    assert_ne!(first.key, second.key);
    let other = "virtual_server_group other {\n10.0.0.1 80\n}\nvirtual_server group other {\n";
    let other = format!("{other}{PLAIN}real_server 10.1.0.3 80 {{\n}}\n}}\n");
    let lowered = lower(&format!("{group}{}{other}", of("10.1.0.1")));
    assert_eq!(lowered.codes(), ["duplicate-service"], "another group is another owner");
}

#[test]
fn a_virtual_server_whose_real_servers_cannot_be_is_left_out() {
    let foreign = format!("virtual_server 2001:db8::1 80 {{\n{PLAIN}real_server 10.1.0.1 80 {{\n}}\n}}\n");
    let lowered = lower(&foreign);
    assert_eq!(lowered.codes(), ["no-real-servers", "mixed-families"]);
    assert!(lowered.model.director.virtual_servers.is_empty());
    let fitting = foreign.replace("10.1.0.1", "2001:db8::2");
    let servers = lower(&(foreign + &fitting)).model.director.virtual_servers;
    assert_eq!(servers.len(), 1, "the next one that has its services may have them");
}

#[test]
fn words_of_our_own() {
    let server = plan(&server("@mainstay panic_threshold 40\n@mainstay drain 30"), []);
    assert_eq!((server.panic_threshold, server.drain), (40, Duration::from_secs(30)));
    let global = "global_defs {\n@mainstay panic_threshold 20\n@mainstay drain 5\n}\n";
    let text = format!(
        "{global}virtual_server 10.0.0.1 80 {{\n{PLAIN}panic_threshold 0\nreal_server 10.1.0.1 80 {{\n}}\n}}\n"
    );
    let server = plan(&lower(&text), []);
    assert_eq!((server.panic_threshold, server.drain), (0, Duration::from_secs(5)));
}

#[test]
fn settings_of_all_virtual_servers() {
    let of = |lines: &str| lower(&format!("global_defs {{\n{lines}\n}}\n{}", simple("V", 51)));
    let settings = of("lvs_flush\nlvs_flush_on_stop VS\nlvs_timeouts tcp 900 udp 60\nrs_init_notifies\n\
                       lvs_sync_daemon eth0 V maxlen 1400 port 9000 ttl 3 group 224.0.0.99")
    .clean()
    .model
    .director
    .settings;
    assert!(settings.flush && settings.initial_notifies);
    assert_eq!(settings.at_stop, AtStop::FlushOurs);
    assert_eq!(settings.timeouts, Timeouts { tcp_s: 900, tcp_fin_s: 0, udp_s: 60 });
    let sync = settings.sync.expect("a synchronisation daemon");
    assert_eq!(sync.instance.as_deref(), Some("V"));
    assert_eq!((sync.daemon.id, sync.daemon.max_length), (51, Some(1400)), "the id is the VRID");
    assert_eq!((sync.daemon.port, sync.daemon.ttl), (Some(9000), Some(3)));
    assert_eq!(sync.daemon.group, Some([224, 0, 0, 99].into()));
    let alone = of("lvs_sync_daemon eth0 id 7").clean().model.director.settings.sync;
    assert!(alone.is_some_and(|sync| sync.instance.is_none() && sync.daemon.id == 7));
    of("lvs_sync_daemon eth0 W").says(["unknown-instance"]);
    of("lvs_sync_daemon eth0 V id 300").says(["number-out-of-range"]);
    of("lvs_sync_daemon eth0 V group 10.0.0.1").says(["not-multicast"]);
    of("lvs_timeouts tcp x").says(["bad-number"]);
    of("lvs_timeouts").says(["missing-value"]);
    of("lvs_flush_on_stop RS").says(["unknown-option"]);
}

#[test]
fn the_old_keyword_of_instances_starts_a_sync_daemon_unless_the_global_one_does() {
    let old = |name, vrid, interface| {
        simple(name, vrid).replacen(
            "interface",
            &format!("lvs_sync_daemon_interface {interface}\ninterface"),
            1,
        )
    };
    let two = old("V", 51, "eth1") + &old("W", 52, "eth0");
    let sync = |text: &str| lower(text).model.director.settings.sync.expect("a synchronisation daemon");
    let found = sync(&two);
    assert_eq!(found.instance.as_deref(), Some("V"), "the first");
    assert_eq!((found.daemon.interface.as_str(), found.daemon.id), ("eth1", 0));
    let found = sync(&format!("{two}global_defs {{\nlvs_sync_daemon eth0 W\n}}\n"));
    assert_eq!((found.instance.as_deref(), found.daemon.id), (Some("W"), 52));
}

#[test]
fn a_kernel_without_ipvs_is_pointed_out_once_and_is_no_complaint() {
    let one =
        |port: u16| format!("virtual_server 10.0.0.1 {port} {{\n{PLAIN}real_server 10.1.0.1 80 {{\n}}\n}}\n");
    let lowered = lower_on(&machine().without_ipvs(), &format!("{}{}", one(80), one(81)));
    assert_eq!(lowered.codes(), ["no-ipvs"]);
    assert!(!complaint(lowered.only("no-ipvs")));
    assert_eq!(lowered.model.director.virtual_servers.len(), 2);
}

#[test]
fn client_certificates_are_for_all_checks() {
    let lowered = lower("SSL {\nca /ca.pem\ncertificate /c.pem\nkey /k.pem\npassword secret\n}\n").clean();
    let tls = &lowered.model.director.tls;
    assert_eq!(tls.certificate.as_deref(), Some("/c.pem"));
    assert!(!format!("{tls:?}").contains("secret"));
}

#[test]
fn forty_thousand_real_servers_are_read_in_no_time() {
    let mut text = String::new();
    for server in 0..400 {
        let _ = writeln!(text, "virtual_server 10.{}.{}.1 80 {{\n{PLAIN}", server / 200, server % 200);
        for real in 0..100 {
            let _ = writeln!(
                text,
                "real_server 172.16.{}.{real} 80 {{\nweight 5\nTCP_CHECK {{\nconnect_timeout 3\n}}\n}}",
                server % 250
            );
        }
        text.push_str("}\n");
    }
    let started = Instant::now();
    let lowered = lower(&text);
    let took = started.elapsed();
    assert_eq!(lowered.codes(), [""; 0]);
    let servers = &lowered.model.director.virtual_servers;
    assert_eq!(servers.iter().map(|server| server.real_servers.len()).sum::<usize>(), 40_000);
    println!("{took:?}");
    // Without optimisation, beside other tests, it may take ten times the second it has.
    assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 }), "{took:?}");
}
