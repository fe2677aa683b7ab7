//! Tables that others have changed, a kernel that says no, and no permission at all.

use mainstay_core::ipvs::{Change, Forwarding};
use mainstay_system::ipvs::{Balancer, Found, Kernel, Surprise};

use super::words::{destination, service, tcp};
use crate::stage::{in_new_namespace, run};

#[test]
fn what_somebody_else_did_meanwhile_is_overcome_and_told() {
    in_new_namespace(|| {
        let mut kernel = Kernel::open().expect("ip_vs");
        let (there, missing) = (tcp("10.0.0.1:80"), tcp("10.0.0.1:81"));
        let (known, new) = (
            destination("10.0.0.2:80", Forwarding::Masquerade),
            destination("10.0.0.3:80", Forwarding::DirectRoute),
        );
        run("ipvsadm -A -t 10.0.0.1:80 -s rr");
        run("ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 9");
        let changes = [
            Change::AddService(service(there, "wlc")),
            Change::AddDestination(there, known),
            Change::EditDestination(there, new),
            Change::EditService(service(missing, "sh")),
            Change::EditDestination(missing, new),
            Change::AddDestination(missing, known),
            Change::DeleteDestination(missing, destination("10.9.9.9:1", Forwarding::Masquerade).key),
            Change::DeleteService(tcp("10.0.0.1:82")),
        ];
        let applied = kernel.apply(&changes).expect("answers");
        assert_eq!(applied.refusals, []);
        let surprise = |place, found| Surprise { place, found };
        assert_eq!(
            applied.surprises,
            [
                surprise(0, Found::AlreadyThere),
                surprise(1, Found::AlreadyThere),
                surprise(2, Found::Missing),
                surprise(3, Found::Missing),
                surprise(4, Found::Missing),
                surprise(6, Found::AlreadyGone),
                surprise(7, Found::AlreadyGone),
            ]
        );
        assert_eq!(
            run("ipvsadm -Sn").lines().map(str::trim_end).collect::<Vec<_>>(),
            [
                "-A -t 10.0.0.1:80 -s wlc",
                "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1",
                "-a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 1",
                "-A -t 10.0.0.1:81 -s sh",
                "-a -t 10.0.0.1:81 -r 10.0.0.2:80 -m -w 1",
                "-a -t 10.0.0.1:81 -r 10.0.0.3:80 -g -w 1",
            ]
        );
    });
}

#[test]
fn what_the_kernel_has_not_is_refused_and_the_rest_is_done() {
    in_new_namespace(|| {
        let mut kernel = Kernel::open().expect("ip_vs");
        let (bad, good) = (tcp("10.0.0.1:80"), tcp("10.0.0.1:81"));
        let mut engine = super::words::persistent(service(bad, "rr"), 5, "255.255.255.255", Some("nosuch"));
        let to = destination("10.0.0.2:80", Forwarding::Masquerade);
        let group = destination("224.0.0.1:80", Forwarding::Masquerade);
        let changes = [
            Change::AddService(service(bad, "nosuch")),
            Change::AddService(engine.clone()),
            Change::AddService(service(bad, "a_name_longer_than_fifteen")),
            Change::AddDestination(bad, to),
            Change::AddService(service(good, "rr")),
            Change::AddDestination(good, group),
            Change::AddDestination(good, to),
        ];
        let refused = kernel.apply(&changes).expect("answers").refusals;
        let refused: Vec<_> = refused.iter().map(|refusal| (refusal.place, refusal.errno)).collect();
        assert_eq!(
            refused,
            [(0, libc::ENOENT), (1, libc::ENOENT), (2, libc::EINVAL), (3, libc::ESRCH), (5, libc::EINVAL)]
        );
        assert_eq!(run("ipvsadm -Sn").lines().count(), 2);
        engine.persistence = None;
        assert_eq!(kernel.apply(&[Change::AddService(engine)]).expect("answers").refusals, []);
    });
}

/// A thread without `CAP_NET_ADMIN`: Linux's capabilities are each thread's own.
#[test]
fn without_permission_the_error_says_so() {
    in_new_namespace(|| {
        let program = std::env::current_exe().expect("our own path");
        let name = "ipvs::reconciliation::helper_that_opens_the_balancer";
        let output = std::process::Command::new("setpriv")
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(program)
            .args(["--exact", name, "--ignored", "--nocapture"])
            .output()
            .expect("util-linux is installed");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("cannot read version and size of IPVS: Operation not permitted"), "{output:?}");
    });
}

/// Not a test of its own: run again, without a capability, by the test above.
#[test]
#[ignore = "a helper of without_permission_the_error_says_so"]
fn helper_that_opens_the_balancer() {
    match Kernel::open() {
        Ok(_) => println!("opened"),
        Err(error) => println!("{error}"),
    }
}

#[test]
fn without_the_module_the_error_says_so() {
    in_new_namespace(|| {
        let loader = "/proc/sys/kernel/modprobe";
        let before = std::fs::read_to_string(loader).expect("the kernel has a module loader");
        run(
            "modprobe --remove ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_lblc ip_vs_lblcr ip_vs_sh ip_vs_dh ip_vs_mh \
             ip_vs_fo ip_vs_ovf ip_vs_sed ip_vs_nq ip_vs_pe_sip ip_vs",
        );
        std::fs::write(loader, "/bin/false").expect("root");
        let missing = Kernel::open().map(drop).expect_err("no ip_vs");
        std::fs::write(loader, before.trim()).expect("root");
        assert_eq!(missing.errno(), libc::ENOENT);
        assert!(
            missing
                .to_string()
                .starts_with("cannot find the load balancer IPVS (module ip_vs) in the kernel: "),
            "{missing}"
        );
        Kernel::open().expect("the kernel loads it again");
    });
}
