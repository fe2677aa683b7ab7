//! `mainstay check FILE` and keepalived's `-t`: everything there is to say about a configuration, and nothing started.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use mainstay_config::exit::exit_code;
use mainstay_config::{Diagnostics, Loaded, Options, Severity, load, read_tree, render};

use crate::cli::{CheckOptions, DaemonOptions, Format};
use crate::host::LinuxHost;

/// Exit status for complaints: what `--strict` makes of warnings keepalived says nothing about.
pub const COMPLAINTS: u8 = 5;

/// `mainstay check`.
#[must_use]
pub fn run(options: &CheckOptions) -> ExitCode {
    let reading = Options { config_id: options.config_id.clone() };
    let mut out = io::stdout().lock();
    if options.show {
        let (statements, _) = read_tree(&options.file, &reading, &LinuxHost, &mut Diagnostics::default());
        print(&mut out, &render::show(&statements));
    }
    let loaded = load(&options.file, &reading, &LinuxHost);
    match options.format {
        // Apart from what `--show` prints, so that it can be used as a file.
        Format::Human if options.show => {
            print(&mut io::stderr().lock(), &human(&loaded, io::stderr().is_terminal()))
        }
        Format::Human => {
            let color = out.is_terminal();
            print(&mut out, &human(&loaded, color));
        }
        Format::Json => print(&mut out, &render::json(&loaded.diagnostics, &loaded.sources)),
    }
    let complaints = loaded.diagnostics.iter().any(|one| one.severity >= Severity::Warning);
    match exit_code(&loaded.diagnostics) {
        0 if options.strict && complaints => ExitCode::from(COMPLAINTS),
        status => ExitCode::from(status),
    }
}

/// `-t` and `--config-test[=FILE]`.
#[must_use]
pub fn config_test(options: &DaemonOptions, log: Option<&Path>) -> ExitCode {
    let loaded = load(&options.use_file, &Options { config_id: options.config_id.clone() }, &LinuxHost);
    match log.map(|path| (path, File::create(path))) {
        Some((_, Ok(mut file))) => print(&mut file, &human(&loaded, false)),
        Some((path, Err(error))) => {
            eprintln!("mainstay: {}: {error}", path.display());
            print(&mut io::stderr().lock(), &human(&loaded, false));
        }
        None => print(&mut io::stderr().lock(), &human(&loaded, io::stderr().is_terminal())),
    }
    ExitCode::from(exit_code(&loaded.diagnostics))
}

fn human(loaded: &Loaded, color: bool) -> String {
    render::human(&loaded.diagnostics, &loaded.sources, color)
}

fn print(out: &mut dyn Write, text: &str) {
    // A reader that has seen enough (`| head`) is no failure: the exit status says what was found.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
