//! The guest itself: what the other tests take for granted.

use std::fs;
use std::process::Command;

fn succeeds(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().expect("the program is there");
    assert!(output.status.success(), "{program} {}: {output:?}", words.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_kernel_loads_ip_vs_and_links_of_all_kinds_by_itself() {
    assert_eq!(std::env::var("MAINSTAY_VM").as_deref(), Ok("1"), "run me with `cargo xtask vm-tests`");
    assert!(succeeds("ipvsadm", &["-L", "-n"]).starts_with("IP Virtual Server"));
    succeeds("ip", &["link", "add", "name", "guest-lower", "type", "dummy"]);
    for kind in [
        "veth",
        "bridge",
        "macvlan link guest-lower",
        "vlan link guest-lower id 7",
        "ipip remote 192.0.2.1",
        "gre key 1",
        "vrf table 10",
    ] {
        // `ip` wants the lower link before the type, and everything else after it.
        let mut words: Vec<_> = kind.split(' ').collect();
        let kind = words.remove(0);
        let lower = if words.first() == Some(&"link") { words.drain(..2).collect() } else { Vec::new() };
        let name = ["link", "add", "name", "guest-test"];
        let kind = ["type", kind];
        succeeds("ip", &[&name[..], &lower[..], &kind[..], &words[..]].concat());
        succeeds("ip", &["link", "delete", "guest-test"]);
    }
    succeeds("ip", &["link", "delete", "guest-lower"]);
}

#[test]
fn nftables_has_its_hook_on_the_way_out_of_a_link() {
    succeeds("ip", &["link", "add", "name", "guest-out", "type", "dummy"]);
    let table = "add table netdev guest\n\
                 add chain netdev guest out { type filter hook egress device guest-out priority 0; }\n";
    fs::write("/tmp/guest.nft", table).expect("a new /tmp");
    succeeds("nft", &["-f", "/tmp/guest.nft"]);
    assert!(succeeds("nft", &["list", "ruleset"]).contains("hook egress"));
    succeeds("nft", &["delete", "table", "netdev", "guest"]);
    succeeds("ip", &["link", "delete", "guest-out"]);
}
