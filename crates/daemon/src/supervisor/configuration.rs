//! Reading the configuration for the daemon: every complaint goes to the log, and one question is answered: may it be
//! used?

use mainstay_config::{Diagnostic, Loaded, Model, Options, Severity, Sources};

use crate::check;
use crate::cli::DaemonOptions;
use crate::host::LinuxHost;

/// Exit status when there is no configuration file (keepalived's `EXIT_NO_CONFIG`).
const NO_CONFIGURATION: u8 = 6;

/// What it is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// There is nothing to go on with: like keepalived, start with whatever can be understood.
    Start,
    /// There is a configuration in force: a file with an error changes nothing.
    Reload,
}

/// A configuration that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why, one sentence without a full stop.
    pub why: String,
    /// Exit status if this is a start.
    pub status: u8,
}

/// Reads the file, logs what is wrong with it, and gives its model if it may be used.
///
/// # Errors
/// When there is no file; when an error was found and another configuration is in force; with `--strict-config` when
/// anything is wrong.
pub fn read(options: &DaemonOptions, purpose: Purpose) -> Result<Model, Refused> {
    let reading = Options { config_id: options.config_id.clone() };
    let loaded = mainstay_config::load(&options.use_file, &reading, &LinuxHost);
    for diagnostic in &loaded.diagnostics {
        log(diagnostic, &loaded.sources);
    }
    judge(&loaded, options.strict_config, purpose)?;
    let mut model = loaded.model;
    model.router.settings.keep_addresses_on_exit |= options.dont_release_vrrp;
    if options.dump_conf {
        tracing::info!("Configuration: {model:#?}");
    }
    Ok(model)
}

fn judge(loaded: &Loaded, strict: bool, purpose: Purpose) -> Result<(), Refused> {
    if loaded.sources.files.is_empty() {
        let why = loaded.diagnostics.first().map_or("there is no configuration", |first| &first.message);
        return Err(Refused { why: why.into(), status: NO_CONFIGURATION });
    }
    let worst = loaded.diagnostics.iter().map(|diagnostic| diagnostic.severity).max();
    let wrong = |limit| loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity >= limit).count();
    let refused = |why| Err(Refused { why, status: check::status(&loaded.diagnostics) });
    match worst {
        Some(Severity::Error | Severity::Warning) if strict => {
            refused(format!("{} and --strict-config", count(wrong(Severity::Warning), "complaint")))
        }
        Some(Severity::Error) if purpose == Purpose::Reload => {
            refused(count(wrong(Severity::Error), "error"))
        }
        Some(Severity::Error | Severity::Warning | Severity::Note) | None => Ok(()),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn log(diagnostic: &Diagnostic, sources: &Sources) {
    let line = line(diagnostic, sources);
    match diagnostic.severity {
        Severity::Error => tracing::error!("{line}"),
        Severity::Warning => tracing::warn!("{line}"),
        Severity::Note => tracing::debug!("{line}"),
    }
}

/// One line for a log, beginning with the place as keepalived writes it.
#[must_use]
pub fn line(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let place = diagnostic.span.and_then(|span| {
        let source = sources.files.get(usize::try_from(span.file).ok()?)?;
        Some(format!("({}: Line {}) ", source.path.display(), span.line))
    });
    let note = diagnostic.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
    let instead = diagnostic.suggestion.as_ref().map(|text| format!("; write: {text}")).unwrap_or_default();
    format!("{}{}{note}{instead}", place.unwrap_or_default(), diagnostic.message)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use mainstay_config::Class;
    use mainstay_config::source::Source;
    use mainstay_config::tree::Span;

    use super::*;

    fn loaded(diagnostics: Vec<Diagnostic>) -> Loaded {
        let source = Source { path: "/etc/a.conf".into(), text: "".into(), lossy: false };
        Loaded { model: Model::default(), diagnostics, sources: Sources { files: vec![source] } }
    }

    fn error() -> Diagnostic {
        Diagnostic::error(Class::Complaint, "test", "wrong")
    }

    fn warning() -> Diagnostic {
        Diagnostic::warning(Class::Complaint, "test", "odd")
    }

    #[test]
    fn a_start_goes_on_with_errors_and_a_reload_does_not() {
        let errors = loaded(vec![warning(), error()]);
        assert_eq!(judge(&errors, false, Purpose::Start), Ok(()));
        assert_eq!(judge(&errors, false, Purpose::Reload).expect_err("refused").why, "1 error");
        assert_eq!(judge(&loaded(vec![warning()]), false, Purpose::Reload), Ok(()));
    }

    #[test]
    fn strict_refuses_a_warning_and_overlooks_a_note() {
        assert!(judge(&loaded(vec![warning()]), true, Purpose::Start).is_err());
        assert_eq!(judge(&loaded(vec![Diagnostic::note("test", "fine")]), true, Purpose::Start), Ok(()));
    }

    #[test]
    fn an_absent_file_is_refused_with_keepalived_s_exit_status() {
        let options = DaemonOptions { use_file: PathBuf::from("/nonexistent/x.conf"), ..Default::default() };
        let refused = read(&options, Purpose::Start).expect_err("absent");
        assert_eq!(refused.status, 6);
        assert!(refused.why.contains("/nonexistent/x.conf"), "{}", refused.why);
    }

    #[test]
    fn a_log_line_begins_with_file_and_line() {
        let span = Span { file: 0, line: 8, column: 1, length: 3 };
        let diagnostic = error().at(span).suggest("right");
        assert_eq!(
            line(&diagnostic, &loaded(Vec::new()).sources),
            "(/etc/a.conf: Line 8) wrong; write: right"
        );
    }
}
