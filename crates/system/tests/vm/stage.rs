//! What the tests stand on: network namespaces that end with them, and programs in them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

/// Runs a test in a thread in a new network namespace; what it starts is in there, too. ip_vs has a table for each.
pub fn in_new_namespace(test: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            mainstay_system::namespace::enter_new_network().expect("run me with `cargo xtask vm-tests`");
            run("ip link set lo up");
            test();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Runs a command, which must succeed. Gives what it prints.
pub fn run(words: &str) -> String {
    run_with_input(words, "")
}

/// The same with something to read.
pub fn run_with_input(words: &str, input: &str) -> String {
    let mut parts = words.split_whitespace();
    let mut child = Command::new(parts.next().expect("a program"))
        .args(parts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is installed");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("read by the program");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{words}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
