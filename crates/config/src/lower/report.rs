//! Collects what lowering has to say.

use crate::diagnostic::{Class, Diagnostic, Severity};
use crate::tree::Span;

/// The diagnostics of one run, in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// The daemon starts, but keepalived complains too: exit 5.
    pub(crate) fn complain(
        &mut self,
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Said<'_> {
        self.say(Severity::Warning, Class::Complaint, code, span.into(), message.into())
    }

    /// The object is left out; keepalived complains too: exit 5.
    pub(crate) fn refuse(
        &mut self,
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Said<'_> {
        self.say(Severity::Error, Class::Complaint, code, span.into(), message.into())
    }

    /// Scripts run without the protection of `enable_script_security`: exit 6.
    pub(crate) fn script_security(
        &mut self,
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Said<'_> {
        self.say(Severity::Warning, Class::ScriptSecurity, code, span.into(), message.into())
    }

    /// keepalived stops reading here: exit 2.
    pub(crate) fn abort(
        &mut self,
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Said<'_> {
        self.say(Severity::Error, Class::Abort, code, span.into(), message.into())
    }

    /// keepalived says nothing, but the reader should know.
    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Said<'_> {
        self.say(Severity::Warning, Class::Silent, code, span.into(), message.into())
    }

    /// Worth knowing.
    pub(crate) fn note(
        &mut self,
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Said<'_> {
        self.say(Severity::Note, Class::Silent, code, span.into(), message.into())
    }

    /// A keyword that is understood and comes with a later version of Mainstay.
    ///
    /// `instead` is what happens today. keepalived is content, so the exit code is unchanged.
    pub(crate) fn not_yet(&mut self, span: Span, keyword: &str, instead: &str) {
        self.warn("not-in-this-version", span, format!("not in this version: `{keyword}`")).because(instead);
    }

    /// Whether something was said for which keepalived stops before it looks at the scripts of VRRP.
    pub(crate) fn stops_keepalived(&self) -> bool {
        const STOPS: [&str; 7] = [
            "unknown-interface",
            "missing-interface",
            "loopback",
            "missing-vrid",
            "duplicate-vrid",
            "no-address",
            "strict-unicast",
        ];
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error && STOPS.contains(&diagnostic.code))
    }

    /// Everything said.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    fn say(
        &mut self,
        severity: Severity,
        class: Class,
        code: &'static str,
        span: Option<Span>,
        message: String,
    ) -> Said<'_> {
        self.diagnostics.push(Diagnostic {
            severity,
            class,
            code,
            message,
            span,
            note: None,
            suggestion: None,
        });
        let last = self.diagnostics.len() - 1;
        Said { diagnostic: &mut self.diagnostics[last] }
    }
}

/// A diagnostic just said, to be completed.
pub(crate) struct Said<'a> {
    diagnostic: &'a mut Diagnostic,
}

impl Said<'_> {
    /// What was expected, or what happens instead.
    pub(crate) fn because(self, note: impl Into<String>) -> Self {
        self.diagnostic.note = Some(note.into());
        self
    }

    /// What to write in place of the words marked.
    pub(crate) fn suggest(self, suggestion: impl Into<String>) -> Self {
        self.diagnostic.suggestion = Some(suggestion.into());
        self
    }
}
