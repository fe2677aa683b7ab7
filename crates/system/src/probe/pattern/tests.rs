//! Bodies in pieces: however they are cut, the verdict is the same.

use super::*;

fn regex(pattern: &str) -> BodyRegex {
    BodyRegex {
        pattern: pattern.into(),
        options: vec![],
        must_not_match: false,
        min_offset: 0,
        max_offset: None,
        stack: None,
    }
}

fn matches_in_pieces(regex: &BodyRegex, body: &[u8], size: usize) -> Result<(), Box<str>> {
    let mut search = Search::new(regex).expect("a good expression");
    for piece in body.chunks(size) {
        search.take(piece);
    }
    search.finish()
}

/// Whether it matches; however the body is cut must not matter.
fn matches(regex: &BodyRegex, body: &str) -> bool {
    let whole = matches_in_pieces(regex, body.as_bytes(), body.len().max(1)).is_ok();
    for size in 1..body.len() {
        assert_eq!(
            matches_in_pieces(regex, body.as_bytes(), size).is_ok(),
            whole,
            "cut into {size}: {regex:?}"
        );
    }
    whole
}

#[test]
fn a_match_may_lie_across_pieces() {
    assert!(matches(&regex("status: (up|ok)"), "<p>the status: ok</p>"));
    assert!(!matches(&regex("status: (up|ok)"), "<p>the status: down</p>"));
    assert!(matches(&regex("(?<=the )status"), "<p>the status"), "looking back");
    assert!(!matches(&regex("(?<=our )status"), "<p>the status"));
    assert!(matches(&regex("ok$"), "not ok"), "the end is where the server says so");
    assert!(!matches(&regex("ok$"), "ok, not"));
    assert!(matches(&regex(""), ""));
}

#[test]
fn the_beginning_is_the_beginning_of_the_body_and_not_of_a_piece() {
    assert!(matches(&regex("^ok"), "ok then"));
    assert!(!matches(&regex("^ok"), "not ok then ok"));
    assert!(!matches(&regex("\\Aok"), "not ok then ok"));
    let lines = BodyRegex { options: vec![RegexOption::Multiline], ..regex("^ok") };
    assert!(matches(&lines, "not\nok"));
    assert!(!matches(&lines, "not ok"));
    assert!(matches(&regex("\\bok\\b"), "is ok now"));
    assert!(!matches(&regex("\\bok\\b"), "broker, okay"));
}

#[test]
fn offsets_bound_where_a_match_may_begin() {
    let from = |min_offset| BodyRegex { min_offset, ..regex("ok") };
    assert!(matches(&from(3), "ok ok"));
    assert!(!matches(&from(4), "ok ok"));
    assert!(!matches(&from(400), "ok ok"));
    let until = |max| BodyRegex { max_offset: Some(max), ..regex("ok") };
    assert!(matches(&until(3), "is ok"));
    assert!(!matches(&until(2), "is ok"));
}

#[test]
fn no_match_may_be_what_is_wanted() {
    let wanted = BodyRegex { must_not_match: true, ..regex("error") };
    assert!(matches(&wanted, "all is well"));
    assert!(!matches(&wanted, "an error occurred"));
    let late = BodyRegex { must_not_match: true, max_offset: Some(2), ..regex("error") };
    assert!(matches(&late, "an error occurred"), "a match that begins too late is none");
}

#[test]
fn every_option_is_known_to_pcre2() {
    for &option in RegexOption::ALL {
        let one = BodyRegex { options: vec![option], ..regex("o[k]") };
        assert!(matches(&one, "ok"), "{}", option.name());
    }
    assert!(matches(&BodyRegex { options: vec![RegexOption::Caseless], ..regex("ok") }, "Ok"));
    assert!(matches(&BodyRegex { options: vec![RegexOption::Dotall], ..regex("a.b") }, "a\nb"));
    assert!(matches(&BodyRegex { options: vec![RegexOption::Extended], ..regex("o k") }, "ok"));
}

#[test]
fn characters_are_not_cut() {
    let utf = |pattern| BodyRegex { options: vec![RegexOption::Utf], ..regex(pattern) };
    assert!(matches(&utf("^.{3}$"), "äö€"));
    assert!(matches(&utf("(?<=€).$"), "ä€\u{1F600}"));
    assert!(matches(&regex("(*UTF)^.{3}$"), "äö€"));
    assert!(matches(&BodyRegex { min_offset: 1, ..utf("ö") }, "äö"), "an offset within a character");
    let broken = [b"\xff\xfe ok \xc3".as_slice(), b"\xe2\x82"].concat();
    for size in 1..broken.len() {
        assert_eq!(matches_in_pieces(&utf("ok"), &broken, size), Ok(()), "cut into {size}");
    }
}

#[test]
fn a_bad_expression_is_told_with_its_place() {
    let error = Search::new(&regex("a(b")).expect_err("not closed");
    assert!(error.contains("at character 3"), "{error}");
}

#[test]
fn a_page_without_end_costs_no_memory() {
    let wanted = regex("needle");
    let mut search = Search::new(&wanted).expect("a good expression");
    let piece = [b'x'; 16 * 1024];
    for _ in 0..1_000 {
        search.take(&piece);
        assert!(search.kept.len() < 64, "{} bytes are kept", search.kept.len());
    }
}

#[test]
fn a_greedy_expression_ends_at_a_limit() {
    let greedy = BodyRegex { options: vec![RegexOption::Dotall], ..regex("x.*y") };
    let error = matches_in_pieces(&greedy, &vec![b'x'; 3 * LONGEST_MATCH], 64 * 1024).expect_err("too much");
    assert!(error.contains("1 MiB") || error.contains("limit"), "{error}");
}

#[test]
fn a_catastrophic_expression_ends_at_a_limit() {
    let error = matches_in_pieces(&regex("^(a+)+$"), &[vec![b'a'; 64], b"b".to_vec()].concat(), 1_000)
        .expect_err("too hard");
    assert!(error.contains("limit"), "{error}");
}
