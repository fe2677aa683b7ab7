//! `authentication { auth_type auth_pass }` (RFC 2338).

use mainstay_core::address::Family;
use mainstay_core::router::plan::{Authentication, Version};
use mainstay_core::secret::Password;

use super::report::Report;
use super::values::required;
use crate::tree::{Span, Statement, Word};

/// Bytes of a password in a packet.
const PASSWORD_BYTES: usize = 8;

/// What an instance says about authentication.
#[derive(Debug, Default)]
pub(crate) struct Said {
    kind: Option<(Kind, Span)>,
    password: Option<Password>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pass,
    Ah,
}

impl Said {
    /// Takes in the block.
    pub(crate) fn block(&mut self, report: &mut Report, block: &Statement) {
        for statement in block.children() {
            match statement.keyword() {
                "auth_type" => {
                    let Some(word) = required(report, statement, "PASS or AH") else { continue };
                    match word.text.as_str() {
                        "PASS" => self.kind = Some((Kind::Pass, word.span)),
                        "AH" => self.kind = Some((Kind::Ah, word.span)),
                        _ => {
                            report
                                .complain(
                                    "unknown-auth-type",
                                    word.span,
                                    format!("there is no auth_type `{word}`"),
                                )
                                .because("expected PASS or AH; adverts are not authenticated")
                                .suggest(if word.text.eq_ignore_ascii_case("ah") { "AH" } else { "PASS" });
                        }
                    }
                }
                "auth_pass" => {
                    if let Some(word) = required(report, statement, "the password") {
                        self.password = password(report, word);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether `auth_type AH` was said: a master cannot start with it.
    pub(crate) fn is_ah(&self) -> bool {
        self.password.is_some() && self.kind.is_some_and(|(kind, _)| kind == Kind::Ah)
    }

    /// Where `auth_type` is said.
    pub(crate) fn span(&self) -> Option<Span> {
        self.kind.map(|(_, span)| span)
    }

    /// What is used with this version, in strict mode or not.
    pub(crate) fn finish(
        self,
        report: &mut Report,
        (version, family): (Version, Family),
        strict: bool,
    ) -> Authentication {
        let Some((kind, span)) = self.kind else { return Authentication::None };
        let Some(password) = self.password else {
            report
                .complain("auth-without-password", span, "`auth_type` is set, but there is no `auth_pass`")
                .because("adverts are not authenticated");
            return Authentication::None;
        };
        if version == Version::V3 || strict {
            let who = if strict { "strict mode" } else { "VRRP version 3" };
            report
                .complain("auth-not-supported", span, format!("{who} does not have this authentication"))
                .because("adverts are not authenticated");
            return Authentication::None;
        }
        if family == Family::V6 {
            report
                .complain(
                    "auth-not-supported",
                    span,
                    "VRRP version 2 over IPv6 does not have this authentication",
                )
                .because("adverts are not authenticated");
            return Authentication::None;
        }
        match kind {
            Kind::Pass => Authentication::Pass(password),
            Kind::Ah => Authentication::Ah(password),
        }
    }
}

fn password(report: &mut Report, word: &Word) -> Option<Password> {
    let bytes = word.text.as_bytes();
    if bytes.is_empty() {
        return None;
    }
    if bytes.len() > PASSWORD_BYTES {
        report
            .complain("password-too-long", word.span, format!("`auth_pass` has {} characters", bytes.len()))
            .because(format!("the packet has room for {PASSWORD_BYTES}; the first {PASSWORD_BYTES} are used, as in keepalived"));
    }
    let mut password = [0; PASSWORD_BYTES];
    let length = bytes.len().min(PASSWORD_BYTES);
    password[..length].copy_from_slice(&bytes[..length]);
    Some(password.into())
}
