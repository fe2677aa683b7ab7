//! Bodies searched piece by piece: no panic, no place outside of the window over the body, and the same verdict as for the
//! body in one piece.
//!
//! The first byte of the input chooses an expression, the second the size of the pieces, the third and fourth the bounds
//! of where a match may begin; the rest is the body.

#![no_main]

#[path = "../../crates/system/src/probe/pattern.rs"]
mod pattern;

use libfuzzer_sys::fuzz_target;
use mainstay_core::director::probe::{BodyRegex, RegexOption};
use pattern::Search;

/// What pieces could spoil: anchors, looking back and ahead, ends, repetition, characters of several bytes.
const PATTERNS: [&str; 16] = [
    "needle", "^ok", "ok$", "\\Aok\\z", "\\bok\\b", "(?<=ab)c", "(?<!a)b", "a(?=b)", "a.*b", "(a|ab)(c|bcd)", "^$", "",
    "\u{e4}+\u{20ac}", "(?<=\u{20ac}).", "[^a]{3}", "a\\Kb",
];

fuzz_target!(|input: &[u8]| {
    let &[choice, size, min, max, ref body @ ..] = input else { return };
    let options = [RegexOption::Utf, RegexOption::Multiline, RegexOption::Dotall, RegexOption::Caseless];
    let regex = BodyRegex {
        pattern: PATTERNS[usize::from(choice & 15)].into(),
        options: (0..4).filter(|bit| choice >> (4 + bit) & 1 == 1).map(|bit| options[bit]).collect(),
        must_not_match: false,
        min_offset: u32::from(min & 15),
        max_offset: (max != 0).then_some(u32::from(max)),
        stack: None,
    };
    let verdict = |size: usize| {
        let mut search = Search::new(&regex).expect("a good expression");
        for piece in body.chunks(size) {
            search.take(piece);
        }
        search.finish()
    };
    let (whole, pieces) = (verdict(body.len().max(1)), verdict(usize::from(size).max(1)));
    // Where a character of broken UTF-8 begins is anybody's guess. Then it is enough that nothing worse happens.
    let is_utf = regex.options.contains(&RegexOption::Utf);
    let text = std::str::from_utf8(body).ok();
    let cuts_no_character = |text: &str| text.is_char_boundary((regex.min_offset as usize).min(text.len()));
    if !is_utf || text.is_some_and(cuts_no_character) {
        assert_eq!(whole, pieces, "{regex:?}");
    }
});
