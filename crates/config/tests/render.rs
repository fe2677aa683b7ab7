//! What people and programs get to see.

mod common;

use common::{Folder, read, read_file};
use mainstay_config::render::{count, human, json, show};
use mainstay_config::{Diagnostic, Sources};

#[test]
fn a_diagnostic_shows_the_line_with_the_place_marked() {
    let folder = Folder::new();
    let path = folder.write("a.conf", "vrrp_instance A {\n    prioritty 5\n}\n");
    let tree = read_file(&path);
    let expected = format!(
        "error[unknown-keyword]: unknown keyword `prioritty` in `vrrp_instance`
 --> {}:2:5
  |
2 |     prioritty 5
  |     ^^^^^^^^^
  |
  = note: the line is ignored
  = help: write `priority` instead

1 error
",
        path.display()
    );
    assert_eq!(human(&tree.diagnostics, &tree.sources, false), expected);
}

#[test]
fn colour_is_there_only_when_asked_for() {
    let tree = read("wrong\n");
    assert!(human(&tree.diagnostics, &tree.sources, true).contains("\u{1b}["));
    assert!(!human(&tree.diagnostics, &tree.sources, false).contains('\u{1b}'));
}

#[test]
fn escape_sequences_in_a_file_do_not_reach_the_terminal() {
    let tree = read("vrrp_instance \u{1b}[31mA {\n\u{1b}[2Jwrong\u{1b}]0;title\u{7}\n}\n");
    let text = human(&tree.diagnostics, &tree.sources, false);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
}

#[test]
fn a_control_character_in_a_word_is_written_out_in_the_message() {
    // A log takes the message as it is.
    let tree = read("wr\u{1b}[31mong\u{8}x\n");
    assert_eq!(tree.diagnostics[0].message, "unknown keyword `wr\\u{1b}[31mong\\u{8}x`");
}

#[test]
fn marks_fit_lines_with_letters_of_several_bytes() {
    let tree = read("global_defs {\n  größe 5\n  router_id ä ö\n}\n");
    let text = human(&tree.diagnostics, &tree.sources, false);
    assert!(text.contains("|   größe 5\n  |   ^^^^^\n"), "{text}");
    assert!(text.contains("|   router_id ä ö\n  |               ^\n"), "{text}");
}

#[test]
fn a_diagnostic_without_a_place_stands_alone() {
    let text = human(
        &[Diagnostic::note("whole", "about the whole").because("so it is")],
        &Sources::default(),
        false,
    );
    assert_eq!(text, "note[whole]: about the whole\n |\n = note: so it is\n\n1 note\n");
}

#[test]
fn the_count_names_what_there_is() {
    let warning = || Diagnostic::warning(mainstay_config::Class::Silent, "x", "y");
    assert_eq!(count(&[]), "nothing to complain about");
    assert_eq!(count(&[warning(), warning(), Diagnostic::note("x", "y")]), "2 warnings, 1 note");
}

#[test]
fn json_has_every_field_of_every_diagnostic() {
    let folder = Folder::new();
    let path = folder.write("a.conf", "vrrp_instance A {\n  prioritty 5\n}\n");
    let tree = read_file(&path);
    let mut diagnostics = tree.diagnostics.clone();
    diagnostics.push(Diagnostic::note("whole", "a \"quoted\" word"));
    let value: serde_json::Value = serde_json::from_str(&json(&diagnostics, &tree.sources)).expect("JSON");
    let expected = serde_json::json!([
        {
            "file": path, "line": 2, "column": 3, "length": 9, "severity": "error", "code": "unknown-keyword",
            "keepalived": "complaint", "message": "unknown keyword `prioritty` in `vrrp_instance`",
            "note": "the line is ignored", "suggestion": "priority"
        },
        {
            "file": null, "line": null, "column": null, "length": null, "severity": "note", "code": "whole",
            "keepalived": "silent", "message": "a \"quoted\" word", "note": null, "suggestion": null
        }
    ]);
    assert_eq!(value, expected);
    assert_eq!(json(&[], &tree.sources), "[\n]\n");
}

#[test]
fn the_effective_configuration_is_expanded_indented_and_without_secrets() {
    let text = "$P=7
vrrp_instance A{ priority $P
@node2 state MASTER
authentication { auth_type PASS
auth_pass abc }
auth_hmac {
key 1 file:/x
}
@mainstay vip_lease on
virtual_ipaddress {
~SEQ(N,1,2) 10.0.0.${N}
}
}
SSL { password geheim
key /etc/k.pem }
";
    let expected = "vrrp_instance A {
    priority 7
    authentication {
        auth_type PASS
        auth_pass ********
    }
    auth_hmac {
        key 1 ********
    }
    @mainstay vip_lease on
    virtual_ipaddress {
        10.0.0.1
        10.0.0.2
    }
}

SSL {
    password ********
    key /etc/k.pem
}
";
    assert_eq!(show(&read(text).statements), expected);
}

#[test]
fn a_comment_sign_keeps_its_backslash_in_the_effective_configuration() {
    let tree = read("global_defs {\nrouter_id a\\#b\nnotification_email {\n\"x # y\"\n}\n}\n");
    assert_eq!(
        show(&tree.statements),
        "global_defs {\n    router_id a\\#b\n    notification_email {\n        \"x # y\"\n    }\n}\n"
    );
}

#[test]
fn a_misplaced_password_is_not_shown() {
    let tree = read("vrrp_instance A {\n    auth_pass hünter2\n    key 7 hex:00ff\n}\n");
    let text = human(&tree.diagnostics, &tree.sources, false);
    assert!(text.contains("auth_pass ********\n") && text.contains("key 7 ********\n"), "{text}");
    assert!(!text.contains("nter2") && !text.contains("00ff"), "{text}");
    let tree = read("global_defs {\n    nonsense heartbeat_key between-us\n}\n");
    let text = human(&tree.diagnostics, &tree.sources, false);
    assert!(text.contains("heartbeat_key **********\n"), "{text}");
}
