//! The demo is the first thing people see: it comes to its end, and what it shows is what must happen.
//!
//! Needs the right to make network namespaces.

use std::process::Command;

#[test]
fn the_load_balancer_of_the_demo_loses_drains_and_regains_its_servers() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    let output = command.args(["demo", "--only", "balancing"]).output().expect("the demo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    let mut rest = said.as_ref();
    for next in [
        ">> Mainstay starts.",
        "-> 198.51.100.11:80  Masq  weight 1",
        "-> 198.51.100.12:80  Masq  weight 1",
        ">> web1 is killed",
        "rr\n       -> 198.51.100.12:80  Masq  weight 1",
        ">> web1 is started again.",
        "-> 198.51.100.11:80  Masq  weight 1",
        "-> 198.51.100.12:80  Masq  weight 0   (web2: no new connections)",
        "-> 198.51.100.11:80  Masq  weight 1   (web1)\n\n>> web2 is in the file again.",
        "-> 198.51.100.12:80  Masq  weight 1",
        ">> Mainstay is stopped politely",
        "     empty",
        "web2 has drained",
    ] {
        let place = rest.find(next).unwrap_or_else(|| panic!("{next:?} is not in\n{rest}\nof\n{said}"));
        rest = &rest[place + next.len()..];
    }
}
