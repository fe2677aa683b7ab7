//! `mainstay check FILE` and keepalived's `-t`: everything there is to say about a configuration.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use mainstay_config::{Class, Diagnostic, Loaded, Options, Severity};

use crate::cli::{CheckOptions, DaemonOptions, Format};
use crate::host::LinuxHost;

/// keepalived's exit status for this list: 0 clean, 2 abort, 5 complaints, 6 script security.
#[must_use]
pub fn status(diagnostics: &[Diagnostic]) -> u8 {
    match diagnostics.iter().map(|diagnostic| diagnostic.class).max() {
        None | Some(Class::Silent) => 0,
        Some(Class::Complaint) => 5,
        Some(Class::ScriptSecurity) => 6,
        Some(Class::Abort) => 2,
    }
}

/// `mainstay check`.
#[must_use]
pub fn run(options: &CheckOptions) -> ExitCode {
    let loaded = load(&options.file, options.config_id.clone());
    let mut out = io::stdout().lock();
    let printed = match options.format {
        Format::Human => human(&mut out, &loaded),
        Format::Json => json(&mut out, &loaded),
    };
    // A reader that has seen enough (`| head`) is no failure.
    let _ = printed;
    let strict = options.strict && loaded.diagnostics.iter().any(|one| one.severity >= Severity::Warning);
    match status(&loaded.diagnostics) {
        0 if strict => ExitCode::from(5),
        status => ExitCode::from(status),
    }
}

/// `-t` and `--config-test[=FILE]`.
#[must_use]
pub fn config_test(options: &DaemonOptions, log: Option<&Path>) -> ExitCode {
    let loaded = load(&options.use_file, options.config_id.clone());
    let printed = match log {
        Some(path) => File::create(path).and_then(|mut file| human(&mut file, &loaded)),
        None => human(&mut io::stderr().lock(), &loaded),
    };
    if let Err(error) = printed {
        eprintln!("mainstay: {}: {error}", log.unwrap_or(Path::new("standard error")).display());
    }
    ExitCode::from(status(&loaded.diagnostics))
}

fn load(path: &Path, config_id: Option<String>) -> Loaded {
    mainstay_config::load(path, &Options { config_id }, &LinuxHost)
}

fn human(out: &mut dyn Write, loaded: &Loaded) -> io::Result<()> {
    for diagnostic in &loaded.diagnostics {
        writeln!(out, "{}", crate::supervisor::complaint(diagnostic, &loaded.sources))?;
    }
    Ok(())
}

fn json(out: &mut dyn Write, loaded: &Loaded) -> io::Result<()> {
    let list: Vec<serde_json::Value> = loaded
        .diagnostics
        .iter()
        .map(|diagnostic| {
            serde_json::json!({
                "severity": diagnostic.severity.name(),
                "code": diagnostic.code,
                "message": diagnostic.message,
                "line": diagnostic.span.map(|span| span.line),
                "column": diagnostic.span.map(|span| span.column),
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &list)?;
    writeln!(out)
}
