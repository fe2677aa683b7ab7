//! `mainstay genhash`: what the `digest` of a `url` has to be. Options are those of keepalived's `genhash`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Args};
use mainstay_core::director::probe::HttpVersion;
use mainstay_system::probe::genhash::{Page, write};

/// What to fetch. Letters and long names are keepalived's.
#[derive(Debug, Clone, Args)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// Use TLS
    #[arg(short = 'S', long)]
    pub use_ssl: bool,
    /// Send the virtual host as the server name
    #[arg(short = 'I', long)]
    pub use_sni: bool,
    /// Address of the server
    #[arg(short, long, value_name = "IP")]
    pub server: IpAddr,
    /// Its port
    #[arg(short, long)]
    pub port: u16,
    /// Path of the page
    #[arg(short, long, value_name = "PATH")]
    pub url: String,
    /// The Host header; the address and port if not given
    #[arg(short = 'V', long, value_name = "HOST")]
    pub use_virtualhost: Option<String>,
    /// HTTP version: 1.0, 1.0c (with `Connection: close`) or 1.1
    #[arg(short = 'P', long, value_name = "VERSION", default_value = "1.0", value_parser = version)]
    pub protocol: HttpVersion,
    /// Mark of the packets
    #[arg(short = 'm', long, value_name = "MARK", default_value_t = 0)]
    pub fwmark: u32,
    /// Longest silence, in seconds
    #[arg(short, long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub timeout: Duration,
    /// Show the head and the body too
    #[arg(short, long)]
    pub verbose: bool,
    /// Print help
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Fetches the page and prints its digest.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let page = Page {
        server: SocketAddr::new(options.server, options.port),
        path: options.url.clone(),
        host: options.use_virtualhost.clone(),
        tls: options.use_ssl,
        sni: options.use_sni,
        version: options.protocol,
        fwmark: options.fwmark,
        timeout: options.timeout,
        verbose: options.verbose,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let written = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(write(&page, &mut io::stdout().lock())));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("genhash: {}: {words}", page.server);
            ExitCode::FAILURE
        }
    }
}

fn version(text: &str) -> Result<HttpVersion, String> {
    match text {
        "1.0" => Ok(HttpVersion::V10),
        "1.0c" | "1.0C" => Ok(HttpVersion::V10Close),
        "1.1" => Ok(HttpVersion::V11),
        _ => Err("one of 1.0, 1.0c, 1.1".to_owned()),
    }
}

/// A number of seconds, perhaps with decimals.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) | Err(_) => Err("more than 0 seconds".to_owned()),
    }
}
