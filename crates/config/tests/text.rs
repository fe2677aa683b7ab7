//! The line pipeline, step by step: TEXT in, outline of the TREE out.

mod common;

use common::{Folder, read, read_file, read_with};
use mainstay_config::{Class, Options, Severity};
use proptest::prelude::*;

/// The outline of a text that has nothing to complain about.
#[track_caller]
fn clean(text: &str) -> String {
    let tree = read(text);
    assert!(tree.diagnostics.is_empty(), "{:#?}", tree.diagnostics);
    tree.outline()
}

// Step 1: comments and line ends.

#[test]
fn a_comment_starts_anywhere_on_a_line() {
    assert_eq!(
        clean("! one\n  # two\nglobal_defs { # three\nrouter_id a!four\n}#five\n"),
        "global_defs\n  router_id|a\n"
    );
}

#[test]
fn double_quotes_protect_a_comment_sign_and_single_quotes_do_not() {
    assert_eq!(clean("global_defs {\nrouter_id \"a # b\"\n}\n"), "global_defs\n  router_id|a # b\n");
    assert_eq!(clean("global_defs {\nrouter_id 'a#b'\n}\n"), "global_defs\n  router_id|'a\n");
}

#[test]
fn an_escaped_comment_sign_is_a_letter() {
    let tree = read("vrrp_instance A {\nauthentication {\nauth_pass a\\#b\\!c # the rest\n}\n}\n");
    assert_eq!(tree.outline(), "vrrp_instance|A\n  authentication\n    auth_pass|a#b!c\n");
    let word = &tree.statements[0].children()[0].children()[0].words[1];
    assert_eq!((word.span.column, word.span.length), (11, 7), "the place counts the backslashes");
}

#[test]
fn a_quote_without_a_partner_is_reported() {
    let tree = read("global_defs {\nrouter_id \"abc\n}\n");
    assert_eq!(tree.marked(tree.only("unbalanced-quote")), "\"abc");
    assert_eq!(tree.outline(), "global_defs\n  router_id|abc\n");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    assert_eq!(clean("\u{feff}global_defs {\r\n  router_id a\r\n}\r\n"), "global_defs\n  router_id|a\n");
}

#[test]
fn a_line_with_a_nul_byte_is_ignored() {
    let tree = read(b"global_defs {\nrouter_id a\0b\n}\n");
    assert_eq!(tree.only("nul-byte").class, Class::Complaint);
    assert_eq!(tree.outline(), "global_defs\n");
}

#[test]
fn bytes_that_are_not_utf8_are_said_where_they_matter() {
    let tree = read(b"# \xe9t\xe9\nglobal_defs {\nrouter_id caf\xe9\n}\n");
    let diagnostic = tree.only("not-utf8");
    assert_eq!(diagnostic.span.map(|span| span.line), Some(3));
    let tree = read(b"# \xe9t\xe9\nglobal_defs {\nrouter_id cafe # caf\xe9\n}\n");
    assert!(tree.diagnostics.is_empty(), "{:#?}", tree.diagnostics);
}

#[test]
fn a_long_line_is_read_and_said() {
    // DIFFERS: keepalived drops it.
    let name = "x".repeat(1100);
    let tree = read(format!("global_defs {{\nrouter_id {name}\n}}\n"));
    assert_eq!(tree.only("long-line").class, Class::Complaint);
    assert_eq!(tree.outline(), format!("global_defs\n  router_id|{name}\n"));
}

#[test]
fn a_no_break_space_from_a_web_page_is_a_blank() {
    // DIFFERS: to keepalived it is a letter.
    let tree = read("vrrp_instance\u{a0}A {\n\u{a0}\u{a0}priority 100\n}\n");
    assert_eq!(tree.outline(), "vrrp_instance|A\n  priority|100\n");
    assert_eq!(tree.codes(), ["no-break-space"; 3]);
}

// Step 2: conditions.

#[test]
fn a_line_behind_a_config_id_counts_only_there() {
    let text = "global_defs {\n@node1 router_id one\n@node2 router_id two\n@^node2 default_interface eth1\n@^node1 default_interface eth2\n}\n";
    assert_eq!(clean(text), "global_defs\n  router_id|one\n  default_interface|eth1\n");
    let folder = Folder::new();
    let options = Options { config_id: Some("node2".to_owned()) };
    let tree = read_with(&folder.write("a.conf", text), &options);
    assert_eq!(tree.outline(), "global_defs\n  router_id|two\n  default_interface|eth2\n");
}

#[test]
fn a_config_id_is_compared_as_a_whole_word() {
    assert_eq!(clean("global_defs {\n@node router_id one\n@node11 router_id two\n}\n"), "global_defs\n");
}

#[test]
fn the_id_mainstay_always_matches_and_never_does_negated() {
    let tree = read("global_defs {\n@mainstay router_id ours\n@^mainstay router_id theirs\n}\n");
    assert_eq!(tree.outline(), "global_defs\n  router_id|ours\n");
    assert!(tree.statements[0].children()[0].ours);
    assert!(!tree.statements[0].ours);
}

#[test]
fn a_condition_with_nothing_behind_it_is_said() {
    let tree = read("@node1\n@node2   # nothing\n");
    assert_eq!(tree.codes(), ["empty-condition", "empty-condition"]);
}

// Step 3: definitions.

#[test]
fn the_last_definition_wins_and_values_are_worked_out_at_their_use() {
    let text = "$B=x\n$A=${B}1\nglobal_defs {\nrouter_id $A\n$B=y\ndefault_interface $A\n}\n";
    assert_eq!(clean(text), "global_defs\n  router_id|x1\n  default_interface|y1\n");
}

#[test]
fn a_definition_may_depend_on_the_node() {
    let text = "@node1 $P=200\n@node2 $P=100\nvrrp_instance A {\npriority $P\n}\n";
    assert_eq!(clean(text), "vrrp_instance|A\n  priority|200\n");
}

#[test]
fn a_value_of_several_lines_is_put_in_where_it_is_used_last_on_a_line() {
    let text = "$RS= \\\nreal_server 10.0.0.$N 80 { \\\n  weight $N \\\n\\\n}\nvirtual_server 10.1.0.1 80 {\n$N=1\n$RS\n$N=2\n$RS\n}\n";
    let expected = "virtual_server|10.1.0.1|80\n  real_server|10.0.0.1|80\n    weight|1\n  real_server|10.0.0.2|80\n    weight|2\n";
    assert_eq!(clean(text), expected);
}

#[test]
fn text_before_a_value_of_several_lines_stands_before_its_first_line() {
    let text = "$BODY={ \\\npriority 7 \\\n}\nvrrp_instance A $BODY\n";
    assert_eq!(clean(text), "vrrp_instance|A\n  priority|7\n");
}

#[test]
fn a_value_of_several_lines_in_the_middle_of_a_line_is_left_alone() {
    let tree = read("$V=a \\\nb\nglobal_defs {\nrouter_id $V c\n}\n");
    assert_eq!(tree.marked(tree.only("parameter-not-last")), "$V");
}

#[test]
fn values_of_several_lines_nest_and_the_inner_ones_rest_comes_first() {
    let text = "$IN=10.0.0.1 \\\n10.0.0.2\n$OUT=$IN \\\n10.0.0.3\nvrrp_instance A {\nvirtual_ipaddress {\n$OUT\n}\n}\n";
    assert_eq!(
        clean(text),
        "vrrp_instance|A\n  virtual_ipaddress\n    10.0.0.1\n    10.0.0.2\n    10.0.0.3\n"
    );
}

#[test]
fn a_comment_inside_a_definition_does_not_end_it() {
    // DIFFERS: keepalived 2.4.3 ends it, 2.2.7 did not.
    let text = "$V= \\\nvrrp_instance A { \\\n# a comment \\\npriority 9 \\\n}\n$V\n";
    let tree = read(text);
    assert_eq!(tree.outline(), "vrrp_instance|A\n  priority|9\n");
    assert_eq!(tree.codes(), ["comment-in-definition"]);
}

#[test]
fn a_line_with_nothing_in_it_ends_a_definition() {
    let text = "$V= \\\nvrrp_instance A { \\\npriority $P \\\n} \\\n\n$P=9\n$V\n";
    assert_eq!(clean(text), "vrrp_instance|A\n  priority|9\n");
}

#[test]
fn an_error_in_a_value_of_several_lines_points_at_its_own_line() {
    let tree = read("$V= \\\nvrrp_instance A$N { \\\nprioritty 9 \\\n}\n$N=1\n$V\n$N=2\n$V\n");
    let diagnostic = tree.only("unknown-keyword");
    assert_eq!(diagnostic.span.map(|span| span.line), Some(3));
    assert_eq!(tree.marked(diagnostic), "prioritty");
}

#[test]
fn a_definition_that_never_ends_is_said_and_kept() {
    let tree = read("$V=a \\\nb \\\n");
    assert_eq!(tree.codes(), ["unfinished-definition"]);
}

// Step 4: repetitions.

#[track_caller]
fn repeated(head: &str, expected: &[&str]) {
    let tree = read(format!("global_defs {{\nnotification_email {{\n{head}\n}}\n}}\n"));
    assert!(tree.diagnostics.is_empty(), "{:#?}", tree.diagnostics);
    let lines: Vec<&str> =
        tree.statements[0].children()[0].children().iter().map(|statement| statement.line.as_str()).collect();
    assert_eq!(lines, expected);
}

#[test]
fn seq_repeats_the_rest_of_the_line() {
    repeated("~SEQ(N, 3) a${N}", &["a1", "a2", "a3"]);
    repeated("~SEQ(N,-2) a${N}", &["a-1", "a-2"]);
    repeated("~SEQ(N,4,6) $N", &["4", "5", "6"]);
    repeated("~SEQ(N,6,4) $N", &["6", "5", "4"]);
    repeated("~SEQ(N,144,16,192) $N", &["144", "160", "176", "192"]);
    repeated("~SEQ(N,0x10,0x11) $N", &["16", "17"]);
    repeated("~SEQ(N,010,011) $N", &["8", "9"]);
    repeated("~SEQ  (N,2)  $N", &["1", "2"]);
}

#[test]
fn seqx_prints_hexadecimal() {
    repeated("~SEQx(N,0x90,0x10,0xb0) fe80::${N}", &["fe80::90", "fe80::a0", "fe80::b0"]);
}

#[test]
fn sequences_nest_with_the_leftmost_outermost() {
    repeated("~SEQ(A,1,2) ~SEQ(B,1,2) ${A}.${B}", &["1.1", "1.2", "2.1", "2.2"]);
}

#[test]
fn the_bounds_of_a_sequence_may_be_parameters() {
    repeated("$FROM=7\n$TO=8\n~SEQ(N,$FROM,${TO}) $N", &["7", "8"]);
}

#[test]
fn lst_takes_single_values_and_tuples_with_missing_ones_empty() {
    repeated("~LST(V,a,b) x${V}", &["xa", "xb"]);
    repeated("~LST({V,W},{a,b},{c}) ${V}-${W}", &["a-b", "c-"]);
}

#[test]
fn the_variable_of_a_repetition_stays_defined() {
    repeated("~SEQ(N,1,2) $N\nlast${N}", &["1", "2", "last2"]);
}

#[test]
fn a_repetition_may_come_out_of_a_parameter() {
    // DIFFERS: keepalived takes it for an unknown keyword.
    repeated("$EACH=~SEQ(N,1,2) n${N}\n$EACH", &["n1", "n2"]);
}

#[test]
fn what_cannot_be_a_sequence_is_said() {
    for (line, what) in [
        ("~SEQ(N,1,2,3,4) $N", "expected"),
        ("~SEQ(N,1,-1,5) $N", "does not lead"),
        ("~SEQ(N,x) $N", "not a number"),
        ("~SEQ(1N,2) x", "not a parameter name"),
        ("~SEQ(N,1,2", "no closing"),
        ("~SEQ N,1,2", "expected `(`"),
        ("~SEQx(N,-1) $N", "negative"),
        ("~LST({V},{a,b}) $V", "2 values for 1"),
        ("~LST(V) $V", "no values"),
        ("~LST({V,{a}) $V", "`{a` is not"),
    ] {
        let tree = read(line);
        let diagnostic = tree.only("bad-sequence");
        assert!(diagnostic.message.contains(what), "{line}: {}", diagnostic.message);
        assert_eq!(diagnostic.class, Class::Complaint);
    }
}

#[test]
fn a_sequence_without_end_is_bounded() {
    let tree = read("~SEQ(N,1,2000000000) $X=$N\n");
    assert_eq!(tree.only("expansion-limit").severity, Severity::Error);
}

// Step 5: parameters.

#[test]
fn a_name_without_braces_ends_at_a_blank_a_comma_or_a_parenthesis() {
    let tree = read(
        "$IF=eth0\nvrrp_instance A {\nvirtual_ipaddress {\n10.0.0.1 dev $IF label ${IF}:1\n10.0.0.2 dev $IF:1\n}\n}\n",
    );
    assert_eq!(
        tree.outline(),
        "vrrp_instance|A\n  virtual_ipaddress\n    10.0.0.1|dev|eth0|label|eth0:1\n    10.0.0.2|dev|$IF:1\n"
    );
    let glued = tree.only("glued-parameter");
    assert_eq!((tree.marked(glued).as_str(), glued.suggestion.as_deref()), ("$IF", Some("${IF}")));
}

#[test]
fn what_nobody_defined_is_left_as_it_is_and_said() {
    let tree = read("$PRIORITY=1\nvrrp_instance A {\ninterface ${PRIORTY}\n}\n");
    assert_eq!(tree.outline(), "vrrp_instance|A\n  interface|${PRIORTY}\n");
    let diagnostic = tree.only("undefined-parameter");
    assert_eq!(
        (tree.marked(diagnostic).as_str(), diagnostic.suggestion.as_deref()),
        ("${PRIORTY}", Some("${PRIORITY}"))
    );
}

#[test]
fn a_variable_of_the_shell_in_quotes_is_nobodys_business() {
    let text = "vrrp_script chk {\nscript \"/bin/sh -c 'test ${HOME} = $1'\"\n}\n";
    assert_eq!(clean(text), "vrrp_script|chk\n  script|/bin/sh -c 'test ${HOME} = $1'\n");
}

#[test]
fn the_predefined_names_are_known() {
    let folder = Folder::new();
    let path = folder.write(
        "a.conf",
        "global_defs {\nrouter_id ${_INSTANCE}-${_ENV SITE}${_ENV NONE}\nnotification_email {\n${_PWD}/x\n\"${_HASH}${_BANG}\"\n}\n}\n",
    );
    let tree = read_file(&path);
    let expected = format!(
        "global_defs\n  router_id|node1-north\n  notification_email\n    {}/x\n    #!\n",
        folder.0.display()
    );
    assert_eq!(tree.outline(), expected);
}

#[test]
fn a_hash_out_of_a_parameter_makes_the_rest_a_comment() {
    assert_eq!(clean("$OFF=${_HASH}\nglobal_defs {\n$OFF router_id a\n}\n"), "global_defs\n");
}

#[test]
fn random_numbers_stay_in_their_range_and_are_the_same_at_every_reading() {
    let text = "global_defs {\nnotification_email {\n~SEQ(N,50) ${_RANDOM 5 7}\n}\n}\n";
    let first = clean(text);
    assert_eq!(first, clean(text));
    for line in first.lines().skip(2) {
        assert!(["5", "6", "7"].contains(&line.trim()), "{line}");
    }
    assert!(["5", "6", "7"].iter().all(|number| first.contains(number)));
    assert_ne!(
        first,
        clean(&text.replace("global_defs {", "global_defs {\nrandom_seed 7"))
            .replace("  random_seed|7\n", "")
    );
}

#[test]
fn a_parameter_may_hold_a_condition() {
    assert_eq!(
        clean("$ONE=@node1\n$TWO=@node2\nglobal_defs {\n$ONE router_id a\n$TWO router_id b\n}\n"),
        "global_defs\n  router_id|a\n"
    );
}

#[test]
fn a_parameter_that_needs_itself_is_a_mistake_and_no_endless_loop() {
    for text in
        ["$IF=$IF\nlinkbeat_interfaces {\n$IF\n}\n", "$A=${B}x\n$B=${A}y\nlinkbeat_interfaces {\n$A\n}\n"]
    {
        let tree = read(text);
        assert_eq!(tree.only("self-reference").class, Class::Complaint);
    }
    let tree = read("$V= \\\nglobal_defs { \\\n} \\\n$V\n$V\n");
    assert_eq!(tree.only("self-reference").severity, Severity::Error);
}

#[test]
fn values_that_double_at_every_level_are_bounded_even_if_they_end_in_nothing() {
    for end in ["", "x"] {
        let mut text = String::new();
        for level in 0..60 {
            text.push_str(&format!("$A{level}=${{A{}}}${{A{}}}\n", level + 1, level + 1));
        }
        text.push_str(&format!("$A60={end}\n~SEQ(N,1,300) $A0\n"));
        let tree = read(&text);
        assert!(tree.codes().contains(&"expansion-limit"), "{:?}", tree.codes());
    }
}

#[test]
fn a_word_out_of_a_parameter_points_at_its_reference() {
    let tree = read("$W=prioritty 5\nvrrp_instance A {\n   $W\n}\n");
    assert_eq!(tree.marked(tree.only("unknown-keyword")), "$W");
}

#[test]
fn lines_made_to_take_long_take_no_longer_than_others() {
    let long = 30_000;
    let start = common::processor_time();
    for text in [
        "${".repeat(long),
        "$A=1\n".to_owned() + &"${A".repeat(long),
        "${".repeat(long) + &"}".repeat(long),
        "{".repeat(long),
        "}".repeat(long),
        "\"".repeat(long + 1),
        "a{".repeat(long) + &"}".repeat(long),
        format!("include {}{}", "{".repeat(long), "}".repeat(long)),
        format!("include {}", "{a,b}".repeat(60)),
        (0..long).map(|number| format!("wrong{number}\n$undefined{number}\n")).collect(),
        "~SEQ(A,1) ".repeat(long),
    ] {
        read(&text);
    }
    let took = common::processor_time() - start;
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
}

// Step 6: includes.

#[test]
fn an_include_is_relative_to_the_file_it_stands_in() {
    let folder = Folder::new();
    folder.write("conf.d/b.conf", "include sub/c.conf\n");
    folder.write("conf.d/sub/c.conf", "global_defs {\nrouter_id ${_PWD}\n}\n");
    let tree = read_file(&folder.write("a.conf", "include conf.d/b.conf\n"));
    assert_eq!(tree.outline(), format!("global_defs\n  router_id|{}/conf.d/sub\n", folder.0.display()));
    assert_eq!(tree.sources.files.len(), 3);
}

#[test]
fn a_pattern_includes_its_files_in_the_order_of_their_names() {
    let folder = Folder::new();
    for name in ["c", "a", "b"] {
        folder.write(&format!("conf.d/{name}.conf"), format!("vrrp_instance {name} {{\n}}\n"));
    }
    folder.write("conf.d/.hidden.conf", "vrrp_instance hidden {\n}\n");
    let tree = read_file(&folder.write("main.conf", "include conf.d/*.conf\ninclude conf.d/{c,a}.conf\n"));
    assert_eq!(tree.outline().replace("vrrp_instance|", "").replace('\n', ""), "abcca");
}

#[test]
fn an_include_inside_a_block_continues_the_block() {
    let folder = Folder::new();
    folder.write("prio.conf", "priority 77\n");
    let tree =
        read_file(&folder.write("a.conf", "vrrp_instance A {\n include prio.conf\n state BACKUP\n}\n"));
    assert_eq!(tree.outline(), "vrrp_instance|A\n  priority|77\n  state|BACKUP\n");
    let span = tree.statements[0].children()[0].span();
    assert_eq!(tree.sources.file(span.file).map(|file| file.path.clone()), Some(folder.0.join("prio.conf")));
}

#[test]
fn the_file_to_read_may_be_a_pattern() {
    let folder = Folder::new();
    folder.write("b.conf", "vrrp_instance B {\n}\n");
    folder.write("a.conf", "vrrp_instance A {\n}\n");
    assert_eq!(read_file(&folder.0.join("*.conf")).outline(), "vrrp_instance|A\nvrrp_instance|B\n");
    assert_eq!(read_file(&folder.0.join("*.none")).codes(), ["unreadable-file"]);
}

#[test]
fn a_missing_file_is_a_complaint_and_an_empty_folder_is_not() {
    let folder = Folder::new();
    let tree = read_file(&folder.write("a.conf", "include nowhere.conf\ninclude conf.d/*.conf\n"));
    let classes: Vec<_> = tree.diagnostics.iter().map(|one| (one.code, one.severity, one.class)).collect();
    assert_eq!(
        classes,
        [
            ("missing-include", Severity::Warning, Class::Complaint),
            ("missing-include", Severity::Note, Class::Silent)
        ]
    );
}

#[test]
fn the_stricter_includes_insist() {
    let folder = Folder::new();
    folder.write("there.conf", "");
    for (line, severity) in [
        ("includem nowhere.conf", Severity::Error),
        ("includew conf.d/*.conf", Severity::Error),
        ("includea conf.d/*.conf", Severity::Error),
        ("includeb {there,nowhere}.conf", Severity::Error),
        ("includew nowhere.conf", Severity::Warning),
        ("includem conf.d/*.conf", Severity::Note),
    ] {
        let tree = read_file(&folder.write("a.conf", line));
        assert_eq!(tree.only("missing-include").severity, severity, "{line}");
    }
}

#[test]
fn include_check_changes_what_the_following_includes_insist_on() {
    let folder = Folder::new();
    let text = "global_defs {\ninclude_check +wildcard_match\n}\ninclude conf.d/*.conf\n";
    let tree = read_file(&folder.write("a.conf", text));
    assert_eq!(tree.only("missing-include").severity, Severity::Error);
    assert_eq!(tree.outline(), "global_defs\n  include_check|+wildcard_match\n");
    let tree = read_file(&folder.write("a.conf", "global_defs {\ninclude_check readble\n}\n"));
    assert!(tree.only("bad-include-check").message.contains("readble"));
}

#[test]
fn a_file_that_includes_itself_is_read_once() {
    let folder = Folder::new();
    folder.write("b.conf", "include a.conf\n");
    let tree = read_file(&folder.write("a.conf", "include b.conf\ninclude a.conf\n"));
    assert_eq!(tree.codes(), ["recursive-include", "recursive-include"]);
}

#[test]
fn an_executable_file_and_a_directory_are_not_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let script = folder.write("script.sh", "global_defs {\n}\n");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    folder.write("folder/x", "");
    let tree = read_file(&folder.write("a.conf", "include script.sh\ninclude folder\n"));
    assert_eq!(tree.codes(), ["unreadable-include", "unreadable-include"]);
    assert_eq!(read_file(&script).only("unreadable-file").class, Class::Abort);
    assert_eq!(read_file(&folder.0.join("absent")).only("unreadable-file").class, Class::Abort);
}

#[test]
fn an_include_without_a_name_is_said() {
    assert_eq!(read("include\nincluder   \n").codes(), ["missing-argument", "missing-argument"]);
}

// Step 7: braces.

#[test]
fn braces_may_be_inline_glued_or_on_the_next_line() {
    let expected = "vrrp_instance|A\n  authentication\n    auth_type|PASS\n  priority|5\n";
    for text in [
        "vrrp_instance A { authentication { auth_type PASS } priority 5 }",
        "vrrp_instance A{authentication{auth_type PASS}priority 5}",
        "vrrp_instance A\n{\nauthentication\n\n# c\n{ auth_type PASS\n}\npriority 5\n}",
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

#[test]
fn a_brace_in_double_quotes_is_a_letter() {
    let text = "virtual_server 1.1.1.1 80 {\nreal_server 1.1.1.2 80 {\nHTTP_GET {\nurl {\npath \"/{x}\"\nregex \"a{2}\"\n}\n}\n}\n}\n";
    assert!(clean(text).contains("path|/{x}\n        regex|a{2}\n"));
}

#[test]
fn an_unknown_block_is_skipped_as_a_whole() {
    // DIFFERS: keepalived reads its body at the level around it and lets its `}` close the block around it.
    let tree = read(
        "vrrp_instance A {\nunheard_of x {\npriority 1\ndeeper {\nstate MASTER\n}\n}\npriority 2\n}\nvrrp_instance B {\n}\n",
    );
    assert_eq!(tree.outline(), "vrrp_instance|A\n  priority|2\nvrrp_instance|B\n");
    let diagnostic = tree.only("unknown-keyword");
    assert_eq!(tree.diagnostics.len(), 1);
    assert_eq!(diagnostic.note.as_deref(), Some("its block is skipped"));
}

#[test]
fn a_block_after_a_word_that_takes_none_is_skipped() {
    let tree = read("vrrp_instance A {\npriority 5 {\nstate MASTER\n}\nstate BACKUP\n}\n");
    assert_eq!(tree.outline(), "vrrp_instance|A\n  priority|5\n  state|BACKUP\n");
    assert_eq!(tree.codes(), ["unexpected-brace"]);
}

#[test]
fn a_surplus_brace_is_said_and_the_rest_is_read() {
    let tree = read("global_defs {\n}\n}\nvrrp_instance A {\n}\n");
    assert_eq!(tree.only("surplus-brace").span.map(|span| (span.line, span.column)), Some((3, 1)));
    assert_eq!(tree.outline(), "global_defs\nvrrp_instance|A\n");
}

#[test]
fn a_missing_brace_is_said_at_the_block_that_is_open() {
    let tree = read("vrrp_instance A {\n  priority 5\n\nvrrp_instance B {\n  priority 6\n}\n");
    assert_eq!(tree.outline(), "vrrp_instance|A\n  priority|5\nvrrp_instance|B\n  priority|6\n");
    let diagnostic = tree.only("missing-brace");
    assert_eq!(diagnostic.span.map(|span| span.line), Some(1));
    assert_eq!(diagnostic.note.as_deref(), Some("expected a `}` before `vrrp_instance` in line 4"));
}

#[test]
fn the_indentation_tells_which_inner_block_is_open() {
    let text = "vrrp_instance A {\n    virtual_ipaddress {\n        10.0.0.1\n}\n\nvrrp_instance B {\n}\n";
    let tree = read(text);
    let diagnostic = tree.only("missing-brace");
    assert_eq!(diagnostic.message, "the block of `virtual_ipaddress` is not closed");
    assert_eq!(diagnostic.span.map(|span| span.line), Some(2));
    assert_eq!(tree.outline(), "vrrp_instance|A\n  virtual_ipaddress\n    10.0.0.1\nvrrp_instance|B\n");
}

#[test]
fn a_block_of_lines_ends_before_a_word_of_the_block_around_it() {
    let text = "vrrp_instance A {\n  virtual_ipaddress {\n    10.0.0.1\n  priority 5\n  track_interface {\n    eth1\n  }\n}\n";
    let tree = read(text);
    assert_eq!(
        tree.outline(),
        "vrrp_instance|A\n  virtual_ipaddress\n    10.0.0.1\n  priority|5\n  track_interface\n    eth1\n"
    );
    assert_eq!(tree.codes(), ["missing-brace"]);
}

#[test]
fn a_forgotten_opening_brace_is_put_in() {
    let tree = read("vrrp_instance A\n  priority 5\n}\nvrrp_instance B {\n}\n");
    assert_eq!(tree.outline(), "vrrp_instance|A\n  priority|5\nvrrp_instance|B\n");
    assert_eq!(tree.codes(), ["missing-block"]);
}

#[test]
fn a_block_open_at_the_end_of_the_file_is_kept() {
    let tree = read("vrrp_instance A {\nvirtual_ipaddress {\n10.0.0.1\n}\n");
    assert_eq!(tree.outline(), "vrrp_instance|A\n  virtual_ipaddress\n    10.0.0.1\n");
    assert_eq!(tree.codes(), ["missing-brace"]);
}

#[test]
fn a_template_that_was_not_filled_in_is_recognised() {
    let tree = read("vrrp_instance A {\n  priority {{ prio }}\n  state BACKUP\n}\n");
    assert_eq!(tree.codes(), ["missing-argument", "template"]);
    assert_eq!(tree.outline(), "vrrp_instance|A\n  state|BACKUP\n");
}

// Step 8: words.

#[test]
fn ordinary_words_take_leading_quotes_only() {
    assert_eq!(
        clean("global_defs {\nnotification_email {\n\"A B <a@b>\" c\"d e\"\n}\n}\n"),
        "global_defs\n  notification_email\n    A B <a@b>|c\"d|e\"\n"
    );
}

#[test]
fn command_words_are_split_shell_like_and_escapes_are_done_except_for_script() {
    let text = "vrrp_instance A {\nnotify \"/bin/x 'a b'\" us\\ er\nnotify_master '/bin/\"y'\"z w\"\nnotify_stop /bin/\\x41\\102\\t\n}\nvrrp_script s {\nscript \"/bin/x \\n\"\n}\n";
    let tree = read(text);
    assert_eq!(
        tree.outline(),
        "vrrp_instance|A\n  notify|/bin/x 'a b'|us er\n  notify_master|/bin/\"yz w\n  notify_stop|/bin/AB\t\nvrrp_script|s\n  script|/bin/x \\n\n"
    );
}

#[test]
fn words_know_their_place() {
    let tree = read("vrrp_instance   \"A B\"   {\n}\n");
    let word = &tree.statements[0].words[1];
    assert_eq!((word.span.line, word.span.column, word.span.length, word.quoted), (1, 17, 5, true));
}

// Everything.

#[test]
fn the_same_complaint_a_thousand_times_is_counted() {
    let tree = read("vrrp_instance A {\n".to_owned() + &"wrong\n".repeat(3_000) + "}\n");
    assert_eq!(tree.diagnostics.len(), 22);
    assert!(tree.diagnostics[20].message.contains("480 more like this"), "{:?}", tree.diagnostics[20]);
    assert!(tree.diagnostics[21].message.contains("2500 more"), "{:?}", tree.diagnostics[21]);
}

#[test]
fn diagnostics_come_in_the_order_of_the_file() {
    let tree = read("vrrp_instance A {\nwrong1\n}\n}\nwrong2\n");
    let lines: Vec<_> = tree.diagnostics.iter().map(|one| one.span.map(|span| span.line)).collect();
    assert_eq!(lines, [Some(2), Some(4), Some(5)]);
}

/// Pieces of the language, so that random files are often nearly right.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "vrrp_instance",
            "virtual_ipaddress",
            "global_defs",
            "{",
            "}",
            "\n",
            "\n",
            " ",
            "\"",
            "'",
            "\\",
            "\\\n",
            "#",
            "!",
            "@node1 ",
            "@^node1 ",
            "@mainstay ",
            "$A=",
            "$B=",
            "$A",
            "${A}",
            "${B",
            "${_RANDOM 1 9}",
            "${_HASH}",
            "~SEQ(A,1,3) ",
            "~SEQx(",
            "~LST({A,B},{1,2}) ",
            ")",
            "(",
            ",",
            "include ",
            "include_check ",
            "*",
            "priority 5",
            "notify ",
            "\u{a0}",
            "\u{feff}",
            "\r\n",
            "é",
            "virtual_server",
            "real_server",
            "track_script",
            "authentication",
            "-1",
            "0x",
            "10.0.0.1",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let tree = read(&bytes);
        let text = mainstay_config::render::human(&tree.diagnostics, &tree.sources, true);
        prop_assert!(!text.is_empty());
    }

    #[test]
    fn any_pieces_of_the_language_are_read_shown_and_read_again(pieces in prop::collection::vec(piece(), 0..60)) {
        let tree = read(pieces.concat());
        let text = mainstay_config::render::human(&tree.diagnostics, &tree.sources, false);
        prop_assert!(tree.diagnostics.is_empty() || text.contains('['));
        let shown = mainstay_config::render::show(&tree.statements);
        read(&shown);
    }
}
