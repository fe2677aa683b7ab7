//! The keyword table against the reference, row by row, and the words of the past.

mod common;

use std::collections::BTreeMap;

use mainstay_config::Class;
use mainstay_config::keywords::{self, Keyword, Shape, Status};

/// The reference's rows: (block path, keyword) to (arguments, default, meaning, subsystem).
fn reference() -> Option<BTreeMap<(String, String), [String; 4]>> {
    let path = common::shared()?.join("reference/keywords.tsv");
    let text = std::fs::read_to_string(path).expect("keywords.tsv");
    let rows = text.lines().skip(1).map(|line| {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        ((next(), next()), [next(), next(), next(), next()])
    });
    Some(rows.collect())
}

fn table() -> BTreeMap<(String, String), &'static Keyword> {
    keywords::rows().into_iter().map(|(path, keyword)| ((path, keyword.name.to_owned()), keyword)).collect()
}

#[test]
fn every_row_of_the_reference_is_in_the_table_with_the_same_texts() {
    let Some(reference) = reference() else { return };
    assert!(reference.len() >= 716, "the reference has {} rows", reference.len());
    let table = table();
    let mut wrong = Vec::new();
    for ((path, name), texts) in &reference {
        match table.get(&(path.clone(), name.clone())) {
            None => wrong.push(format!("missing: {path} {name}")),
            Some(keyword) => {
                let ours = [keyword.usage, keyword.default, keyword.meaning, keyword.subsystem];
                if ours != [&*texts[0], &*texts[1], &*texts[2], &*texts[3]] {
                    wrong.push(format!("differs: {path} {name}: {ours:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} rows agree", reference.len());
}

#[test]
fn every_row_of_the_table_is_in_the_reference_or_is_a_word_of_our_own() {
    let Some(reference) = reference() else { return };
    for ((path, name), keyword) in table() {
        // The reference gives the words of the old block in the usage of `host`; the other block is ours.
        let described_elsewhere = path.ends_with("SMTP_CHECK/host") || path.ends_with("GRPC_CHECK");
        let known = reference.contains_key(&(path.clone(), name.clone()));
        assert!(known != keyword.is_ours() || described_elsewhere, "{path} {name}");
    }
}

#[test]
fn no_block_has_a_keyword_twice() {
    let rows = keywords::rows();
    let mut seen = BTreeMap::new();
    for (path, keyword) in &rows {
        assert!(seen.insert((path, keyword.name), ()).is_none(), "{path} {} stands twice", keyword.name);
    }
    assert!(rows.len() > 716);
}

#[test]
fn deprecated_words_and_synonyms_name_a_word_of_the_table() {
    let names: Vec<&str> = keywords::rows().into_iter().map(|(_, keyword)| keyword.name).collect();
    for (path, keyword) in keywords::rows() {
        if let Status::Deprecated(instead) | Status::SynonymOf(instead) = keyword.status {
            let found = instead.split(' ').any(|word| names.contains(&word));
            assert!(found, "{path} {}: nobody knows `{instead}`", keyword.name);
        }
    }
}

#[test]
fn the_shape_of_a_word_agrees_with_its_usage() {
    for (path, keyword) in keywords::rows() {
        let (least, most) = (keyword.shape.least(), keyword.shape.most());
        assert!(least <= most, "{path} {}", keyword.name);
        let place = format!("{path} {}: {:?} for `{}`", keyword.name, keyword.shape, keyword.usage);
        match keyword.shape {
            Shape::Syntax => {}
            Shape::Empty => assert!(["(none)", "(flag)"].contains(&keyword.usage) || least == 0, "{place}"),
            Shape::Opens(..) => assert!(keyword.usage.contains("block"), "{place}"),
            Shape::OneOf(words) | Shape::MaybeOf(words) => {
                assert!(words.iter().all(|word| keyword.usage.contains(word)), "{place}");
            }
            Shape::Number(from, to) => assert!(from < to, "{place}"),
            Shape::Seconds(from, to) => assert!(from < to && keyword.usage.contains("SECS"), "{place}"),
            _ => {
                let usage = keyword.usage;
                let optional =
                    usage.starts_with("(none") || (usage.starts_with('[') && !usage.starts_with("[all]"));
                assert_eq!(optional, least == 0, "{place}");
            }
        }
    }
}

#[test]
fn a_removed_word_is_explained() {
    let tree = common::read("virtual_server 10.0.0.1 80 {\n nat_mask 255.255.255.0\n}\n");
    let diagnostic = tree.only("unknown-keyword");
    assert!(diagnostic.note.as_deref().unwrap_or_default().contains("removed"), "{diagnostic:?}");
    assert_eq!(diagnostic.suggestion, None);
    assert_eq!(diagnostic.class, Class::Complaint);
    assert_eq!(tree.marked(diagnostic), "nat_mask");
}

#[track_caller]
fn suggestion_for(text: &str, expected: &str) {
    let tree = common::read(text);
    let diagnostic = tree.only("unknown-keyword");
    assert_eq!(diagnostic.suggestion.as_deref(), Some(expected), "{diagnostic:?}");
}

#[test]
fn historical_spellings_have_a_suggestion() {
    suggestion_for(
        "virtual_server 1.1.1.1 80 {\nreal_server 1.1.1.2 80 {\nTCP_CHECK {\nnb_get_retry 3\n}\n}\n}\n",
        "retry",
    );
    suggestion_for("vrrp_instance A {\nlvs_sync_daemon_inteface eth0\n}\n", "lvs_sync_daemon_interface");
    suggestion_for("vvrp_script chk {\nscript /bin/true\n}\n", "vrrp_script");
    suggestion_for("vrrp_script chk {\nweigth 3\n}\n", "weight");
    suggestion_for("global_defs {\nlvs_id x\n}\n", "router_id");
}

#[test]
fn a_typing_mistake_has_a_suggestion_from_the_same_block() {
    suggestion_for("vrrp_instance A {\nvirtual_router_ip 51\n}\n", "virtual_router_id");
    suggestion_for("vrrp_instance A {\nnopreemt\n}\n", "nopreempt");
    suggestion_for("vrrp_instance A {\nAdvert_Int 1\n}\n", "advert_int");
    suggestion_for("vrrp_instance A {\nstate: MASTER\n}\n", "state");
    suggestion_for("vrrp_instance A {\ninterface=eth0\n}\n", "interface eth0");
}

#[test]
fn a_word_in_the_wrong_block_is_told_where_it_belongs() {
    let tree = common::read("vrrp_instance A {\nauth_type PASS\n}\n");
    let note = tree.only("unknown-keyword").note.clone().unwrap_or_default();
    assert!(note.starts_with("`auth_type` belongs in `authentication`"), "{note}");
    let tree = common::read("state MASTER\n");
    let note = tree.only("unknown-keyword").note.clone().unwrap_or_default();
    assert!(note.starts_with("`state` belongs in `vrrp_instance`"), "{note}");
}

#[test]
fn a_word_that_is_near_to_nothing_has_no_suggestion() {
    let tree = common::read("telnet\nvrrp_instance A {\nxyz 3\n}\n");
    for diagnostic in &tree.diagnostics {
        assert_eq!(diagnostic.suggestion, None, "{diagnostic:?}");
    }
    assert_eq!(tree.codes(), ["unknown-keyword", "unknown-keyword"]);
}

#[test]
fn a_missing_argument_is_what_keepalived_stops_at() {
    let tree = common::read("vrrp_instance A {\ninterface\npriority 100\n}\n");
    let diagnostic = tree.only("missing-argument");
    assert_eq!(diagnostic.class, Class::Abort);
    assert_eq!(tree.outline(), "vrrp_instance|A\n  priority|100\n");
}

#[test]
fn an_instance_without_a_name_is_left_out_and_the_others_stay() {
    let tree = common::read("vrrp_instance {\ninterface eth0\n}\nvrrp_instance B {\ninterface eth0\n}\n");
    assert_eq!(tree.only("missing-name").class, Class::Complaint);
    assert_eq!(tree.outline(), "vrrp_instance|B\n  interface|eth0\n");
}

#[test]
fn surplus_words_are_pointed_at() {
    let tree = common::read("vrrp_instance A {\npriority 100 // the master\n}\n");
    let diagnostic = tree.only("surplus-words");
    assert_eq!(tree.marked(diagnostic), "// the master");
    assert!(diagnostic.note.as_deref().unwrap_or_default().contains("comment"), "{diagnostic:?}");
}

#[test]
fn a_word_of_our_own_is_taken_with_and_without_the_prefix() {
    let tree = common::read("global_defs {\nrealtime on\n}\nvrrp_instance A {\n@mainstay vip_lease on\n}\n");
    assert_eq!(tree.outline(), "global_defs\n  realtime|on\nvrrp_instance|A\n  vip_lease|on\n");
    assert!(tree.statements[0].children()[0].ours && tree.statements[1].children()[0].ours);
}

#[test]
fn a_word_that_has_no_effect_yet_is_taken_and_said_so() {
    let tree = common::read("global_defs {\n@mainstay web_listen 127.0.0.1:9651\n}\n");
    let planned = tree.only("planned-keyword");
    assert!(planned.message.contains("has no effect in this version"), "{planned:?}");
    assert_eq!(planned.class, Class::Silent);
}

#[test]
fn a_deprecated_word_is_read_and_its_successor_named() {
    let tree = common::read("global_defs {\nvrrp_rlimit_rtime 1000\n}\n");
    assert_eq!(tree.only("deprecated-keyword").suggestion.as_deref(), Some("vrrp_rlimit_rttime"));
    assert_eq!(tree.outline(), "global_defs\n  vrrp_rlimit_rtime|1000\n");
}
