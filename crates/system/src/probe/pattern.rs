//! `regex`: a PCRE2 expression searched in a body that comes in pieces.
//!
//! The body is not kept. After each piece PCRE2 says whether it found a match, or the beginning of one that goes on
//! beyond the piece (a partial match); everything before that beginning is thrown away, except what the expression may
//! look back at. So a page of any size costs a few kilobytes, unless the expression itself is greedy; then
//! [`LONGEST_MATCH`] is the end. How hard PCRE2 may work is limited too: it runs on the thread of all other probes.
//!
//! The interpreter does it, not PCRE2's JIT compiler: a JIT needs memory that is writable and executable, which a daemon
//! should not have, and its matches cannot be limited as well. `regex_stack`, the stack of the JIT, is therefore
//! accepted and has no effect.
//!
//! DIFFERS: `regex_min_offset` is where a match may begin at the earliest, to the byte. keepalived 2.2.7 was seen to find a
//! match that begins one byte before it.

use std::ptr;

use mainstay_core::director::probe::{BodyRegex, RegexOption};
use pcre2_sys as pcre2;

/// Longest beginning of a match that is kept while the rest has not come, in bytes.
const LONGEST_MATCH: usize = 1024 * 1024;
/// `pcre2_set_match_limit`: how often it may backtrack in one search. About 50 ms of work.
const MATCH_LIMIT: u32 = 1_000_000;
/// `pcre2_set_heap_limit` in KiB.
const HEAP_LIMIT_KIB: u32 = 16 * 1024;

/// An expression, the part of the body it still needs, and what it has found.
#[derive(Debug)]
pub(super) struct Search<'a> {
    regex: &'a BodyRegex,
    compiled: Compiled,
    /// What is kept of the body.
    kept: Vec<u8>,
    /// Where in the body `kept` begins.
    kept_from: u64,
    /// Where in the body the next search begins.
    next: u64,
    found: Found,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    NotYet,
    Match,
    /// It cannot match any more: it would begin too late.
    Never,
    /// PCRE2 gave up.
    Error(Box<str>),
}

impl<'a> Search<'a> {
    /// Compiles the expression.
    ///
    /// # Errors
    /// PCRE2's words about it. (The configuration was checked, so this is rare.)
    pub(super) fn new(regex: &'a BodyRegex) -> Result<Self, Box<str>> {
        let compiled = Compiled::new(&regex.pattern, &regex.options)?;
        let next = u64::from(regex.min_offset);
        Ok(Self { regex, compiled, kept: Vec::new(), kept_from: 0, next, found: Found::NotYet })
    }

    /// Takes the next piece of the body.
    pub(super) fn take(&mut self, piece: &[u8]) {
        if self.found != Found::NotYet {
            return;
        }
        self.kept.extend_from_slice(piece);
        self.search(pcre2::PCRE2_PARTIAL_HARD);
    }

    /// The body has ended. Whether it is as wanted.
    ///
    /// # Errors
    /// It is not; in words.
    pub(super) fn finish(mut self) -> Result<(), Box<str>> {
        if self.found == Found::NotYet {
            self.search(0);
        }
        match (self.found, self.regex.must_not_match) {
            (Found::Match, false) | (Found::NotYet | Found::Never, true) => Ok(()),
            (Found::Match, true) => Err("the body matches the regex".into()),
            (Found::NotYet | Found::Never, false) => Err("the body does not match the regex".into()),
            (Found::Error(words), _) => Err(words),
        }
    }

    /// Searches in what is there, and throws away what is needed no more.
    fn search(&mut self, options: u32) {
        let is_last = options == 0;
        // A character that is not complete yet waits for the next piece.
        let end = if is_last {
            self.kept.len()
        } else {
            self.compiled.boundary_before(&self.kept, self.kept.len())
        };
        let Some(start) = usize::try_from(self.next - self.kept_from).ok().filter(|&start| start <= end)
        else {
            // Everything so far is before `regex_min_offset`.
            self.forget(end);
            return;
        };
        let start = self.compiled.boundary_after(&self.kept[..end], start);
        match self.compiled.find(&self.kept[..end], start, options) {
            Finding::Match { at } => {
                self.found = if self.is_too_late(at) { Found::Never } else { Found::Match };
            }
            Finding::Partial { at } if self.is_too_late(at) => self.found = Found::Never,
            Finding::Partial { at } => self.forget(at),
            Finding::None if self.is_too_late(end) => self.found = Found::Never,
            Finding::None => self.forget(end),
            Finding::Error(words) => self.found = Found::Error(words),
        }
        if self.found != Found::NotYet {
            self.kept = Vec::new();
        } else if self.kept.len() > LONGEST_MATCH {
            self.kept = Vec::new();
            self.found = Found::Error("the regex needs more than 1 MiB of the body at once".into());
        }
    }

    /// Whether a match there would begin behind `regex_max_offset`.
    fn is_too_late(&self, at: usize) -> bool {
        self.regex.max_offset.is_some_and(|max| self.kept_from + at as u64 > u64::from(max))
    }

    /// The next search begins at `next` of what is kept. What it cannot look back at goes.
    fn forget(&mut self, next: usize) {
        self.next = self.next.max(self.kept_from + next as u64);
        let needed = self.compiled.look_behind(&self.kept, next);
        self.kept.drain(..needed);
        self.kept_from += needed as u64;
    }
}

/// An expression as PCRE2 has it.
#[derive(Debug)]
struct Compiled {
    code: *mut pcre2::pcre2_code_8,
    found: *mut pcre2::pcre2_match_data_8,
    limits: *mut pcre2::pcre2_match_context_8,
    /// How far it may look back, in characters; at least one, so that `^` and `\A` know that something was before.
    look_behind: u32,
    utf: bool,
}

// SAFETY: the three objects are this value's alone, PCRE2 keeps no thread-local state about them, and every use that
// changes them goes through `&mut` or ends before the call returns.
unsafe impl Send for Compiled {}

#[derive(Debug)]
enum Finding {
    Match { at: usize },
    Partial { at: usize },
    None,
    Error(Box<str>),
}

impl Compiled {
    fn new(pattern: &str, options: &[RegexOption]) -> Result<Self, Box<str>> {
        let options = options.iter().fold(0, |bits, &option| bits | bits_of(option));
        let (mut error, mut offset) = (0, 0);
        // SAFETY: the pattern is given with its length, the two places for error and offset live until the call
        // returns, and a null context means the defaults.
        let code = unsafe {
            pcre2::pcre2_compile_8(
                pattern.as_ptr(),
                pattern.len(),
                options,
                &mut error,
                &mut offset,
                ptr::null_mut(),
            )
        };
        if code.is_null() {
            return Err(format!("regex: {} at character {offset}", message(error)).into());
        }
        // SAFETY: `code` was compiled above; null contexts mean the default memory functions.
        let (found, limits) = unsafe {
            (
                pcre2::pcre2_match_data_create_from_pattern_8(code, ptr::null_mut()),
                pcre2::pcre2_match_context_create_8(ptr::null_mut()),
            )
        };
        let mut this = Self { code, found, limits, look_behind: 1, utf: false };
        if this.found.is_null() || this.limits.is_null() {
            return Err("regex: no memory".into());
        }
        this.look_behind = this.info(pcre2::PCRE2_INFO_MAXLOOKBEHIND).max(1);
        this.utf = this.info(pcre2::PCRE2_INFO_ALLOPTIONS) & pcre2::PCRE2_UTF != 0;
        // SAFETY: `limits` is a match context of ours.
        unsafe {
            pcre2::pcre2_set_match_limit_8(this.limits, MATCH_LIMIT);
            pcre2::pcre2_set_heap_limit_8(this.limits, HEAP_LIMIT_KIB);
        }
        Ok(this)
    }

    /// Asks for one of the facts about an expression that are 32 bits.
    fn info(&self, what: u32) -> u32 {
        let mut value: u32 = 0;
        // SAFETY: both facts asked for here are written as one `uint32_t`, which is where the pointer points.
        unsafe { pcre2::pcre2_pattern_info_8(self.code, what, (&raw mut value).cast()) };
        value
    }

    fn find(&mut self, subject: &[u8], start: usize, options: u32) -> Finding {
        // SAFETY: code, match data and limits belong together and to us alone; the subject is given with its length,
        // and `start` is within it and at a character.
        let result = unsafe {
            pcre2::pcre2_match_8(
                self.code,
                subject.as_ptr(),
                subject.len(),
                start,
                options,
                self.found,
                self.limits,
            )
        };
        match result {
            // SAFETY: after a match, whole or partial, the first entry of the vector is where it begins. The vector has
            // at least one pair.
            0.. => Finding::Match { at: unsafe { *pcre2::pcre2_get_ovector_pointer_8(self.found) } },
            pcre2::PCRE2_ERROR_PARTIAL => {
                // SAFETY: as above.
                Finding::Partial { at: unsafe { *pcre2::pcre2_get_ovector_pointer_8(self.found) } }
            }
            pcre2::PCRE2_ERROR_NOMATCH => Finding::None,
            error => Finding::Error(format!("regex: {}", message(error)).into()),
        }
    }

    /// Where the part begins that a search from `next` may look back at.
    fn look_behind(&self, bytes: &[u8], next: usize) -> usize {
        let mut at = next.min(bytes.len());
        for _ in 0..self.look_behind {
            at = self.boundary_before(bytes, at.saturating_sub(1));
        }
        at
    }

    /// The last place up to `at` where a character begins, or where the last complete one ends.
    fn boundary_before(&self, bytes: &[u8], at: usize) -> usize {
        if !self.utf {
            return at;
        }
        let Some(first) = (at.saturating_sub(3)..=at).rev().find(|&place| is_first(bytes, place)) else {
            return at;
        };
        // `at` may be the end of the bytes: then the last character must be complete.
        let Some(last) = (at.saturating_sub(4)..at).rev().find(|&place| is_first(bytes, place)) else {
            return first;
        };
        if at == bytes.len() && last + length_of(bytes[last]) > at { last } else { first }
    }

    /// The first place from `at` on where a character begins; none is farther than three bytes.
    fn boundary_after(&self, bytes: &[u8], at: usize) -> usize {
        if !self.utf {
            return at;
        }
        (at..=at + 3).find(|&place| is_first(bytes, place)).unwrap_or(at)
    }
}

/// Whether a character begins there; the end counts.
fn is_first(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| byte & 0xC0 != 0x80)
}

/// How long a character of UTF-8 is by its first byte.
fn length_of(first: u8) -> usize {
    match first {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => 1,
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        // SAFETY: each was made by PCRE2, is freed once, and may be null.
        unsafe {
            pcre2::pcre2_match_context_free_8(self.limits);
            pcre2::pcre2_match_data_free_8(self.found);
            pcre2::pcre2_code_free_8(self.code);
        }
    }
}

/// PCRE2's words for an error.
fn message(error: i32) -> String {
    let mut buffer = [0_u8; 256];
    // SAFETY: the buffer is given with its length; PCRE2 writes a terminated text into it.
    let length = unsafe { pcre2::pcre2_get_error_message_8(error, buffer.as_mut_ptr(), buffer.len()) };
    let length = usize::try_from(length).unwrap_or(0).min(buffer.len());
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn bits_of(option: RegexOption) -> u32 {
    match option {
        RegexOption::AllowEmptyClass => pcre2::PCRE2_ALLOW_EMPTY_CLASS,
        RegexOption::AltBsux => pcre2::PCRE2_ALT_BSUX,
        RegexOption::AltCircumflex => pcre2::PCRE2_ALT_CIRCUMFLEX,
        RegexOption::AltVerbnames => pcre2::PCRE2_ALT_VERBNAMES,
        RegexOption::AutoCallout => pcre2::PCRE2_AUTO_CALLOUT,
        RegexOption::Caseless => pcre2::PCRE2_CASELESS,
        RegexOption::DollarEndonly => pcre2::PCRE2_DOLLAR_ENDONLY,
        RegexOption::Dotall => pcre2::PCRE2_DOTALL,
        RegexOption::Dupnames => pcre2::PCRE2_DUPNAMES,
        RegexOption::Extended => pcre2::PCRE2_EXTENDED,
        RegexOption::Firstline => pcre2::PCRE2_FIRSTLINE,
        RegexOption::MatchUnsetBackref => pcre2::PCRE2_MATCH_UNSET_BACKREF,
        RegexOption::Multiline => pcre2::PCRE2_MULTILINE,
        RegexOption::NeverBackslashC => pcre2::PCRE2_NEVER_BACKSLASH_C,
        RegexOption::NeverUcp => pcre2::PCRE2_NEVER_UCP,
        RegexOption::NeverUtf => pcre2::PCRE2_NEVER_UTF,
        RegexOption::NoAutoCapture => pcre2::PCRE2_NO_AUTO_CAPTURE,
        RegexOption::NoAutoPossess => pcre2::PCRE2_NO_AUTO_POSSESS,
        RegexOption::NoDotstarAnchor => pcre2::PCRE2_NO_DOTSTAR_ANCHOR,
        RegexOption::NoStartOptimize => pcre2::PCRE2_NO_START_OPTIMIZE,
        RegexOption::Ucp => pcre2::PCRE2_UCP,
        RegexOption::Ungreedy => pcre2::PCRE2_UNGREEDY,
        RegexOption::UseOffsetLimit => pcre2::PCRE2_USE_OFFSET_LIMIT,
        // Bytes that are no UTF-8 match nothing; the rest of the page still counts.
        RegexOption::Utf => pcre2::PCRE2_UTF | pcre2::PCRE2_MATCH_INVALID_UTF,
    }
}

#[cfg(test)]
#[path = "pattern/tests.rs"]
mod tests;
