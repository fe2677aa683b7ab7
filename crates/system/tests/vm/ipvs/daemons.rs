//! The daemons that tell a peer about connections.

use mainstay_core::ipvs::{Change, Forwarding, SyncDaemon, SyncRole, TunnelChecksum, TunnelKind};
use mainstay_system::ipvs::{Balancer, Kernel};

use super::words::{destination, service, tcp, tunnel};
use crate::stage::{in_new_namespace, run};

fn daemon(role: SyncRole, id: u8) -> SyncDaemon {
    SyncDaemon { role, interface: "sync".into(), id, max_length: None, port: None, ttl: None, group: None }
}

fn link() {
    run("ip link add sync type dummy");
    run("ip link set sync up");
    run("ip address add 192.0.2.1/24 dev sync");
    run("ip address add fd00::1/64 dev sync nodad");
}

#[test]
fn both_daemons_run_with_every_option_and_stop() {
    in_new_namespace(|| {
        link();
        let mut kernel = Kernel::open().expect("ip_vs");
        let master = SyncDaemon {
            max_length: Some(1000),
            port: Some(9000),
            ttl: Some(3),
            group: Some("224.0.0.99".parse().expect("a group")),
            ..daemon(SyncRole::Master, 7)
        };
        let backup = SyncDaemon {
            port: Some(9001),
            ttl: Some(255),
            group: Some("ff02::99".parse().expect("a group")),
            ..daemon(SyncRole::Backup, 255)
        };
        kernel.start_daemon(&master).expect("starts");
        kernel.start_daemon(&backup).expect("starts");
        let shown = run("ipvsadm -L --daemon");
        let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "master sync daemon (mcast=sync, syncid=7, maxlen=1000, group=224.0.0.99, port=9000, ttl=3)",
                "backup sync daemon (mcast=sync, syncid=255, maxlen=1452, group=ff02::99, port=9001, ttl=255)",
            ]
        );
        let running = kernel.daemons().expect("a list");
        assert_eq!(running, [master.clone(), SyncDaemon { max_length: Some(1452), ..backup.clone() }]);
        kernel.start_daemon(&master).expect("it runs as wanted");
        assert_eq!(kernel.daemons().expect("a list"), running, "nothing was started anew");
        for role in [SyncRole::Master, SyncRole::Backup, SyncRole::Backup] {
            kernel.stop_daemon(role).expect("stopped, or was not running");
        }
        assert_eq!(run("ipvsadm -L --daemon"), "");
    });
}

#[test]
fn a_daemon_that_runs_with_other_options_is_started_anew() {
    in_new_namespace(|| {
        link();
        run("ipvsadm --start-daemon master --mcast-interface sync --syncid 1");
        let mut kernel = Kernel::open().expect("ip_vs");
        kernel.start_daemon(&daemon(SyncRole::Master, 2)).expect("starts");
        let [running] = &kernel.daemons().expect("a list")[..] else { panic!("one daemon") };
        assert_eq!((running.role, running.id), (SyncRole::Master, 2));
        kernel.stop_daemon(SyncRole::Master).expect("stops");
    });
}

#[test]
fn a_daemon_without_a_link_and_one_beside_mixed_families_are_refused_with_a_reason() {
    in_new_namespace(|| {
        let mut kernel = Kernel::open().expect("ip_vs");
        let error = kernel.start_daemon(&daemon(SyncRole::Master, 1)).expect_err("there is no such link");
        assert_eq!(error.errno(), libc::ENODEV);
        assert!(
            error.to_string().starts_with("cannot start the IPVS sync daemon (master on sync): "),
            "{error}"
        );
        link();
        let key = tcp("10.0.0.1:80");
        let other = destination("[fd00::2]:80", tunnel(TunnelKind::Ipip, TunnelChecksum::None));
        kernel
            .apply(&[Change::AddService(service(key, "rr")), Change::AddDestination(key, other)])
            .expect("answers");
        let error = kernel.start_daemon(&daemon(SyncRole::Master, 1)).expect_err("mixed families");
        assert_eq!(error.errno(), libc::EINVAL);
        let mut same = destination("10.0.0.2:80", Forwarding::Masquerade);
        same.weight = 5;
        kernel.flush().expect("flushed");
        kernel.start_daemon(&daemon(SyncRole::Master, 1)).expect("nothing is mixed any more");
        let changes = [Change::AddService(service(key, "rr")), Change::AddDestination(key, other)];
        let refused = kernel.apply(&changes).expect("answers").refusals;
        assert_eq!(
            refused.iter().map(|refusal| (refusal.place, refusal.errno)).collect::<Vec<_>>(),
            [(1, libc::EINVAL)]
        );
        assert_eq!(kernel.apply(&[Change::AddDestination(key, same)]).expect("answers").refusals, []);
        kernel.stop_daemon(SyncRole::Master).expect("stops");
    });
}
