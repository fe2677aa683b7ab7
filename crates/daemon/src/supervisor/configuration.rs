//! Reading the configuration for the daemon: every complaint goes to the log, and one question is answered: may it be
//! used?

use std::collections::BTreeSet;

use mainstay_config::exit::exit_code;
use mainstay_config::{Diagnostic, Loaded, Model, Options, Severity, Sources};
use mainstay_core::director::plan::AtStop;
use mainstay_core::router::RouterPlan;

use crate::check::COMPLAINTS;
use crate::cli::DaemonOptions;
use crate::host::LinuxHost;

/// Exit status when there is no configuration file (keepalived's `EXIT_NO_CONFIG`).
const NO_CONFIGURATION: u8 = 6;

/// What it is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// There is nothing to go on with: like keepalived, start with whatever can be understood.
    Start,
    /// There is a configuration in force, with these errors: a file with another error changes nothing. (With the same
    /// ones it is taken: whoever started with a misspelt line must be able to change another one.)
    Reload(&'a Errors),
}

/// The errors of a configuration, each by its code and message: lines move, errors stay the same.
pub type Errors = BTreeSet<(&'static str, String)>;

/// A configuration that may be used.
#[derive(Debug)]
pub struct Accepted {
    /// What it means.
    pub model: Model,
    /// What it leaves out, and why.
    pub errors: Errors,
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
/// When there is no file; when it has an error that the configuration in force has not; with `--strict-config` when
/// anything is wrong.
pub fn read(options: &DaemonOptions, purpose: Purpose<'_>) -> Result<Accepted, Refused> {
    let reading = Options { config_id: options.config_id.clone() };
    let loaded = mainstay_config::load(&options.use_file, &reading, &LinuxHost);
    for diagnostic in &loaded.diagnostics {
        log(diagnostic, &loaded.sources);
    }
    let errors = errors(&loaded.diagnostics);
    judge(&loaded, &errors, options.strict_config, purpose)?;
    let mut model = loaded.model;
    model.router.settings.keep_addresses_on_exit |= options.dont_release_vrrp;
    model.router.settings.without_bfd |= options.no_bfd;
    if options.check {
        let RouterPlan { settings, bfd, .. } = model.router;
        model.router = RouterPlan { settings, bfd, ..RouterPlan::default() };
    }
    if options.snmp {
        let snmp = &mut model.snmp;
        (snmp.vrrp, snmp.rfc2787, snmp.rfc6527, snmp.servers) = (true, true, true, true);
    }
    if let Some(socket) = &options.snmp_agent_socket {
        model.snmp.socket = Some(socket.clone());
    }
    if options.dont_release_ipvs {
        model.director.settings.at_stop = AtStop::Leave;
    }
    if options.dump_conf {
        tracing::info!("Configuration: {model:#?}");
    }
    Ok(Accepted { model, errors })
}

fn errors(diagnostics: &[Diagnostic]) -> Errors {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(|diagnostic| (diagnostic.code, diagnostic.message.clone())).collect()
}

fn judge(loaded: &Loaded, errors: &Errors, strict: bool, purpose: Purpose<'_>) -> Result<(), Refused> {
    if loaded.sources.files.is_empty() {
        let why = loaded.diagnostics.first().map_or("there is no configuration", |first| &first.message);
        return Err(Refused { why: why.into(), status: NO_CONFIGURATION });
    }
    let status = match exit_code(&loaded.diagnostics) {
        0 => COMPLAINTS,
        status => status,
    };
    let complaints = loaded.diagnostics.iter().filter(|one| one.severity >= Severity::Warning).count();
    if strict && complaints > 0 {
        return Err(Refused {
            why: format!("{} and --strict-config", count(complaints, "complaint")),
            status,
        });
    }
    let new = match purpose {
        Purpose::Start => 0,
        Purpose::Reload(in_force) => errors.difference(in_force).count(),
    };
    match new {
        0 => Ok(()),
        new => Err(Refused { why: count(new, "new error"), status }),
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
fn line(diagnostic: &Diagnostic, sources: &Sources) -> String {
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

    fn judged(diagnostics: Vec<Diagnostic>, strict: bool, purpose: Purpose<'_>) -> Result<(), Refused> {
        let found = errors(&diagnostics);
        judge(&loaded(diagnostics), &found, strict, purpose)
    }

    #[test]
    fn a_start_goes_on_with_errors_and_a_reload_does_not() {
        let clean = Errors::new();
        assert_eq!(judged(vec![warning(), error()], false, Purpose::Start), Ok(()));
        let refused = judged(vec![warning(), error()], false, Purpose::Reload(&clean)).expect_err("refused");
        assert_eq!(refused, Refused { why: "1 new error".into(), status: 5 });
        assert_eq!(judged(vec![warning()], false, Purpose::Reload(&clean)), Ok(()));
    }

    #[test]
    fn a_reload_with_no_other_errors_than_those_in_force_goes_on() {
        let in_force = errors(&[error()]);
        assert_eq!(judged(vec![error()], false, Purpose::Reload(&in_force)), Ok(()));
        let other = Diagnostic::error(Class::Complaint, "test", "also wrong");
        assert!(judged(vec![error(), other], false, Purpose::Reload(&in_force)).is_err());
    }

    #[test]
    fn strict_refuses_a_warning_and_overlooks_a_note() {
        assert!(judged(vec![warning()], true, Purpose::Start).is_err());
        assert_eq!(judged(vec![Diagnostic::note("test", "fine")], true, Purpose::Start), Ok(()));
    }

    #[test]
    fn an_absent_file_is_refused_with_keepalived_s_exit_status() {
        let options = DaemonOptions { use_file: PathBuf::from("/nonexistent/x.conf"), ..Default::default() };
        let refused = read(&options, Purpose::Start).expect_err("absent");
        assert_eq!(refused.status, 6);
        assert!(refused.why.contains("/nonexistent/x.conf"), "{}", refused.why);
    }

    #[test]
    fn the_flags_of_snmp_switch_everything_on_and_say_where() {
        let file = std::env::temp_dir().join(format!("mainstay-snmp-{}.conf", std::process::id()));
        std::fs::write(&file, "global_defs {\n    snmp_socket unix:/run/agentx\n}\n").expect("writes");
        let snmp = |flags: DaemonOptions| {
            let options = DaemonOptions { use_file: file.clone(), ..flags };
            read(&options, Purpose::Start).expect("accepted").model.snmp
        };
        let without = snmp(DaemonOptions::default());
        assert!(!without.is_wanted());
        assert_eq!(without.socket.as_deref(), Some("unix:/run/agentx"));
        let socket = Some("tcp:127.0.0.1:705".to_owned());
        let with =
            snmp(DaemonOptions { snmp: true, snmp_agent_socket: socket.clone(), ..Default::default() });
        assert!(with.vrrp && with.rfc2787 && with.rfc6527 && with.servers && !with.traps);
        assert_eq!(with.socket, socket, "as with keepalived, the command line's word counts");
        std::fs::remove_file(&file).expect("removes");
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
