//! `HTTP_GET` and `SSL_GET`.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::director::probe::{BodyRegex, HttpRequest, HttpVersion, RegexOption, Tls};
use mainstay_core::director::{CheckerKind, CheckerPlan, ProbeKind};

use super::super::Lowering;
use super::super::values::{number, required, switch};
use super::checker::{Around, Connection, finish, left_out};
use super::timing::{Customs, Timing};
use crate::tree::{Statement, Word};

/// Customs of HTTP checkers.
const CUSTOMS: Customs = Customs { retry: 1, delay_before_retry: Some(Duration::from_secs(3)) };

/// Status codes that are good unless said.
const GOOD: RangeInclusive<u16> = 200..=299;

/// What a checker says for all its urls.
#[derive(Debug, Default)]
struct Common {
    version: HttpVersion,
    host: Option<String>,
    /// `enable_sni` or `sni_name`.
    sni: bool,
    sni_name: Option<String>,
    fast_recovery: bool,
    close_notify: bool,
    verify: bool,
}

/// Lowers one; `None` if it has nothing to ask.
pub(super) fn lower(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    around: Around<'_>,
) -> Option<CheckerPlan> {
    let mut connection = Connection::default();
    let mut timing = Timing::default();
    let mut common = Common { host: around.host.map(str::to_owned), ..Common::default() };
    for statement in block.children() {
        if !connection.word(lowering, statement) && !timing.word(&mut lowering.report, statement) {
            common.word(lowering, statement);
        }
    }
    let timing = timing.within(around.timing);
    let secure = block.keyword() == "SSL_GET";
    let urls = block.children().iter().filter(|statement| statement.keyword() == "url");
    let requests: Vec<_> = urls.filter_map(|url| request(lowering, url, &common, secure)).collect();
    let mut probes: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let kind = ProbeKind::Http(Arc::new(request));
            connection.clone().probe(lowering, block, around, &timing, kind)
        })
        .collect();
    let kind = match probes.len() {
        0 => {
            left_out(lowering, block, "has no `url` with a `path`");
            return None;
        }
        1 => CheckerKind::Exchange(probes.remove(0)),
        _ => CheckerKind::Urls { urls: probes.into(), fast_recovery: common.fast_recovery },
    };
    Some(finish(lowering, kind, &timing, CUSTOMS))
}

impl Common {
    fn word(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) {
        let first = statement.arguments().first();
        let report = &mut lowering.report;
        match statement.keyword() {
            "virtualhost" => self.host = first.map(|word| word.text.clone()),
            "http_protocol" => {
                self.version = match first.map(|word| word.text.as_str()) {
                    Some("1.0") => HttpVersion::V10,
                    Some("1.0C" | "1.0c") => HttpVersion::V10Close,
                    Some("1.1") => HttpVersion::V11,
                    Some(_) | None => {
                        report
                            .complain(
                                "unknown-version",
                                first.map_or(statement.span(), |word| word.span),
                                "this is not a version of HTTP that is spoken here",
                            )
                            .because("expected 1.0, 1.0C or 1.1; 1.0 is used");
                        HttpVersion::V10
                    }
                }
            }
            "enable_sni" => self.sni = switch(report, statement).unwrap_or(false),
            "sni_name" => {
                self.sni = true;
                self.sni_name = first.map(|word| word.text.clone());
            }
            "fast_recovery" => self.fast_recovery = switch(report, statement).unwrap_or(false),
            "tls_compliant" => self.close_notify = switch(report, statement).unwrap_or(false),
            "tls_verify" => self.verify = switch(report, statement).unwrap_or(false),
            _ => {}
        }
    }
}

/// One `url`; `None` without a path.
fn request(
    lowering: &mut Lowering<'_>,
    block: &Statement,
    common: &Common,
    secure: bool,
) -> Option<HttpRequest> {
    let mut path = None;
    let mut host = common.host.clone();
    let mut status = Vec::new();
    let mut digest = None;
    let mut close_notify = common.close_notify;
    let mut regex = Regex::default();
    for statement in block.children() {
        let first = statement.arguments().first();
        match statement.keyword() {
            "path" => path = first.map(|word| word.text.clone()),
            "virtualhost" => host = first.map(|word| word.text.clone()),
            "status_code" => {
                status.extend(statement.arguments().iter().filter_map(|word| codes(lowering, word)));
            }
            "digest" => digest = first.and_then(|word| md5(lowering, word)),
            "tls_compliant" => {
                close_notify = switch(&mut lowering.report, statement).unwrap_or(close_notify);
            }
            _ => regex.word(lowering, statement),
        }
    }
    let Some(path) = path else {
        left_out(lowering, block, "has no `path`");
        return None;
    };
    if status.is_empty() {
        status.push(GOOD);
    }
    let name = common.sni_name.as_ref().or(host.as_ref()).filter(|_| common.sni);
    let server_name = name.map(|name| lowering.servers.name(name));
    let tls = secure.then_some(Tls { server_name, verify: common.verify, close_notify });
    let regex = regex.finish(lowering, block);
    Some(HttpRequest { tls, version: common.version, path, host, status, digest, regex })
}

/// `N` or `A-B`, 100 to 599.
fn codes(lowering: &mut Lowering<'_>, word: &Word) -> Option<RangeInclusive<u16>> {
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| (100..=599).contains(code));
    let found = match word.text.split_once('-') {
        Some((first, last)) => code(first).zip(code(last)).map(|(first, last)| first..=last),
        None => code(&word.text).map(|code| code..=code),
    };
    let found = found.filter(|range| !range.is_empty());
    if found.is_none() {
        lowering
            .report
            .complain("bad-status-code", word.span, format!("`{word}` is not a status code"))
            .because("expected 100 to 599, or a range as in 200-299; it is left out");
    }
    found
}

/// 32 hexadecimal digits.
fn md5(lowering: &mut Lowering<'_>, word: &Word) -> Option<[u8; 16]> {
    let found = u128::from_str_radix(&word.text, 16).ok().filter(|_| word.text.len() == 32);
    if found.is_none() {
        lowering
            .report
            .complain("bad-digest", word.span, format!("`{word}` is not an MD5 digest"))
            .because("expected 32 hexadecimal digits, as `genhash` prints them; the body is not compared");
    }
    found.map(u128::to_be_bytes)
}

/// The words about a regular expression.
#[derive(Debug, Default)]
struct Regex {
    pattern: Option<String>,
    options: Vec<RegexOption>,
    must_not_match: bool,
    min_offset: u32,
    max_offset: Option<u32>,
    stack: Option<(u32, u32)>,
    /// The first word without which an expression makes no sense.
    place: Option<Word>,
}

impl Regex {
    fn word(&mut self, lowering: &mut Lowering<'_>, statement: &Statement) {
        let report = &mut lowering.report;
        let most = i64::from(u32::MAX);
        match statement.keyword() {
            "regex" => {
                self.pattern = statement.arguments().first().map(|word| word.text.clone());
                return;
            }
            "regex_no_match" => self.must_not_match = true,
            "regex_options" => {
                for word in statement.arguments() {
                    match RegexOption::ALL.iter().find(|option| option.name() == word.text) {
                        Some(option) => self.options.push(*option),
                        None => {
                            report
                                .complain(
                                    "unknown-option",
                                    word.span,
                                    format!("`{word}` is not an option of regex_options"),
                                )
                                .because("expected PCRE2's options in small letters; it is ignored");
                        }
                    }
                }
            }
            "regex_min_offset" | "regex_max_offset" => {
                if let Some(word) = required(report, statement, "a number") {
                    let offset = number(report, word, 0..=most);
                    match statement.keyword() {
                        "regex_min_offset" => self.min_offset = offset.unwrap_or(0),
                        _ => self.max_offset = offset,
                    }
                }
            }
            "regex_stack" => {
                if let [first, second, ..] = statement.arguments() {
                    self.stack = number(report, first, 1..=most).zip(number(report, second, 1..=most));
                }
            }
            _ => return,
        }
        self.place.get_or_insert_with(|| statement.words[0].clone());
    }

    fn finish(self, lowering: &mut Lowering<'_>, block: &Statement) -> Option<BodyRegex> {
        let Some(pattern) = self.pattern else {
            if let Some(word) = self.place {
                lowering
                    .report
                    .complain("regex-missing", word.span, format!("`{word}` without `regex`"))
                    .because("it has no effect");
            }
            return None;
        };
        if self.max_offset.is_some_and(|most| most < self.min_offset) {
            lowering
                .report
                .complain("empty-range", block.span(), "regex_max_offset is below regex_min_offset")
                .because("nothing can match; both are ignored");
            return Some(BodyRegex {
                pattern,
                options: self.options,
                must_not_match: self.must_not_match,
                min_offset: 0,
                max_offset: None,
                stack: self.stack,
            });
        }
        Some(BodyRegex {
            pattern,
            options: self.options,
            must_not_match: self.must_not_match,
            min_offset: self.min_offset,
            max_offset: self.max_offset,
            stack: self.stack,
        })
    }
}
