//! The command line: keepalived's flags, with its spelling, beside subcommands of our own.
//!
//! keepalived takes no positional arguments, so `mainstay -n -l -f FILE` and `mainstay check FILE` live side by side,
//! and a link named `keepalived` needs no special case.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::frames::Ipvs;
use crate::logging::Facility;

/// Where keepalived looks, and so do we.
pub const DEFAULT_CONFIG: &str = "/etc/keepalived/keepalived.conf";

/// Keeps a virtual IP alive and a load balancer honest.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, disable_version_flag = true, args_conflicts_with_subcommands = true)]
#[command(after_help = "Without a command: run, with keepalived's flags.")]
pub struct Cli {
    /// What to do instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run.
    #[command(flatten)]
    pub daemon: DaemonOptions,
    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// Commands of our own.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon (the same as no command)
    Run(Box<DaemonOptions>),
    /// Say everything there is to say about a configuration file
    Check(CheckOptions),
    /// Show what it does on this machine: two nodes, five failures, and what each cost
    Demo(crate::demo::Options),
    /// Say what the state of everything is
    Status(crate::control::Where),
    /// Say what led to the state of an instance, a group, a tracker or a server
    Why(crate::control::WhyOptions),
    /// Say what happened
    Events(crate::control::EventsOptions),
    /// Print the digest of a page, for `digest` in a `url` block (also `-T`, or a link named `genhash`)
    Genhash(crate::genhash::Options),
    /// One of the children of the supervisor; not for people
    #[command(hide = true, name = "child")]
    Child(ChildOptions),
    /// Read standard input to its end; not for people
    #[command(hide = true, name = "drain")]
    Drain,
}

/// How the daemon runs. Letters and long names are keepalived's.
#[derive(Debug, Clone, Default, Args)]
pub struct DaemonOptions {
    /// Read this configuration file
    #[arg(short = 'f', long = "use-file", value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub use_file: PathBuf,
    /// Only run VRRP
    #[arg(short = 'P', long)]
    pub vrrp: bool,
    /// Only run the health checks
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Do not run BFD
    #[arg(short = 'B', long = "no_bfd")]
    pub no_bfd: bool,
    /// Start all processes even without configuration for them
    #[arg(long)]
    pub all: bool,
    /// Logging.
    #[command(flatten)]
    pub log: LogOptions,
    /// File mode creation mask, octal
    #[arg(short = 'u', long, value_name = "MODE", value_parser = parse_umask)]
    pub umask: Option<u32>,
    /// Drop virtual addresses on SIGTERM before ending (always done)
    #[arg(short = 'X', long = "release-vips")]
    pub release_vips: bool,
    /// Leave virtual addresses and routes in place at the end
    #[arg(short = 'V', long = "dont-release-vrrp")]
    pub dont_release_vrrp: bool,
    /// Leave the IPVS table in place at the end
    #[arg(short = 'I', long = "dont-release-ipvs")]
    pub dont_release_ipvs: bool,
    /// Which IPVS table is programmed: the kernel's, one in memory (for tests), or none
    #[arg(long, value_enum, default_value = "kernel", hide_short_help = true)]
    pub ipvs: Ipvs,
    /// Do not restart a child that died: end instead
    #[arg(short = 'R', long = "dont-respawn")]
    pub dont_respawn: bool,
    /// Stay in the foreground
    #[arg(short = 'n', long = "dont-fork")]
    pub dont_fork: bool,
    /// Log the configuration
    #[arg(short = 'd', long = "dump-conf")]
    pub dump_conf: bool,
    /// Process id file of the supervisor
    #[arg(short = 'p', long, value_name = "FILE")]
    pub pid: Option<PathBuf>,
    /// Process id file of the router
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE")]
    pub vrrp_pid: Option<PathBuf>,
    /// Process id file of the director
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE")]
    pub checkers_pid: Option<PathBuf>,
    /// Process id file of keepalived's BFD process (the router does BFD: no file is written)
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    pub bfd_pid: Option<PathBuf>,
    /// Log every address that comes or goes (not in this version)
    #[arg(short = 'a', long = "address-monitoring")]
    pub address_monitoring: bool,
    /// Answer for all objects of SNMP there are, through the SNMP agent of this machine
    #[arg(short = 'x', long)]
    pub snmp: bool,
    /// Where the SNMP agent listens for sub-agents
    #[arg(short = 'A', long = "snmp-agent-socket", value_name = "SOCKET")]
    pub snmp_agent_socket: Option<String>,
    /// Run in this network namespace
    #[arg(short = 's', long, value_name = "NETNS")]
    pub namespace: Option<String>,
    /// Write a core file when a process crashes
    #[arg(short = 'm', long = "core-dump")]
    pub core_dump: bool,
    /// The same, with this pattern for its name
    #[arg(short = 'M', long = "core-dump-pattern", value_name = "PATTERN", num_args = 0..=1, require_equals = true)]
    pub core_dump_pattern: Option<Option<String>>,
    /// Complain about every configuration file that is missing (always done)
    #[arg(short = 'e', long = "all-config")]
    pub all_config: bool,
    /// keepalived's debugging switches of this name; accepted, without effect
    #[arg(long, value_name = "SWITCHES", num_args = 0..=1, require_equals = true, hide = true)]
    pub debug: Option<Option<String>>,
    /// keepalived's performance data; accepted, without effect
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, hide = true)]
    pub perf: Option<Option<String>>,
    /// The id for `@id` lines
    #[arg(short = 'i', long = "config-id", value_name = "ID")]
    pub config_id: Option<String>,
    /// Print the number of the signal for STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON or TDATA
    #[arg(long, value_name = "NAME")]
    pub signum: Option<String>,
    /// Check the configuration, print what is wrong (to FILE) and end with keepalived's exit code
    #[arg(short = 't', long = "config-test", value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub config_test: Option<Option<PathBuf>>,
    /// Passed between keepalived's processes; accepted and without effect
    #[arg(long = "config-fd", value_name = "FD", hide = true)]
    pub config_fd: Option<i32>,
    /// Do not end on SIGINT
    #[arg(long = "ignore-sigint")]
    pub ignore_sigint: bool,
    /// Refuse to start or reload with a configuration anything is wrong with
    #[arg(long = "strict-config")]
    pub strict_config: bool,
    /// keepalived's memory checker; accepted and without effect
    #[arg(long = "no-mem-check", hide = true)]
    pub no_mem_check: bool,
    /// keepalived's memory checker; accepted and without effect
    #[arg(short = 'L', long = "mem-check-log", hide = true)]
    pub mem_check_log: bool,
}

/// Where the log goes and how much of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct LogOptions {
    /// Log to the terminal as well
    #[arg(short = 'l', long = "log-console")]
    pub log_console: bool,
    /// Log more
    #[arg(short = 'D', long = "log-detail")]
    pub log_detail: bool,
    /// Syslog facility: 0 to 7 for local0 to local7, or a name
    #[arg(short = 'S', long = "log-facility", value_name = "FACILITY", default_value = "daemon")]
    pub log_facility: Facility,
    /// Log to this file as well
    #[arg(short = 'g', long = "log-file", value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub log_file: Option<Option<PathBuf>>,
    /// Flush the log file after every line (always done)
    #[arg(long = "flush-log-file")]
    pub flush_log_file: bool,
    /// Do not log to syslog
    #[arg(short = 'G', long = "no-syslog")]
    pub no_syslog: bool,
}

/// `mainstay check`.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// The configuration file
    #[arg(default_value = DEFAULT_CONFIG)]
    pub file: PathBuf,
    /// For people or for programs
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Print the effective configuration after expansion
    #[arg(long)]
    pub show: bool,
    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
    /// The id for `@id` lines
    #[arg(short = 'i', long = "config-id", value_name = "ID")]
    pub config_id: Option<String>,
}

/// For whom diagnostics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Source lines with the place marked.
    Human,
    /// One JSON document.
    Json,
}

/// How the supervisor starts its children. Their standard input is their end of the socket pair.
#[derive(Debug, Args)]
pub struct ChildOptions {
    /// Which one.
    #[arg(value_enum)]
    pub role: Role,
    /// Logging, as the supervisor's.
    #[command(flatten)]
    pub log: LogOptions,
}

/// A child of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// VRRP, BFD, tracking, addresses.
    Router,
    /// Checks, IPVS, windows.
    Director,
    /// Mail.
    Mailer,
}

impl Role {
    /// Its name, as on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Director => "director",
            Self::Mailer => "mailer",
        }
    }
}

impl LogOptions {
    /// These options as arguments for a child.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![OsString::from(format!("--log-facility={}", self.log_facility))];
        let flags = [
            (self.log_console, "--log-console"),
            (self.log_detail, "--log-detail"),
            (self.flush_log_file, "--flush-log-file"),
            (self.no_syslog, "--no-syslog"),
        ];
        arguments.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| OsString::from(flag)));
        match &self.log_file {
            Some(Some(path)) => {
                let mut argument = OsString::from("--log-file=");
                argument.push(path);
                arguments.push(argument);
            }
            Some(None) => arguments.push("--log-file".into()),
            None => {}
        }
        arguments
    }
}

/// Reads the command line. Prints help, version or a complaint and ends the process where clap does.
#[must_use]
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Cli {
    let arguments: Vec<OsString> = arguments.collect();
    if let Some(text) = keepalived_version(&arguments) {
        // Where keepalived writes it too.
        eprint!("{text}");
        std::process::exit(0);
    }
    Cli::parse_from(name_genhash(arguments.into_iter().map(attach_optional_value).collect()))
}

/// The version of keepalived whose language, files and signals these are.
const KEEPALIVED: &str = "2.4.3";

/// `keepalived -v`, for exporters and agents: they look in the first line for the version of keepalived, to know what the
/// files it writes look like. `None` if something else is asked for.
fn keepalived_version(arguments: &[OsString]) -> Option<String> {
    let called = Path::new(arguments.first()?).file_name()?;
    let asks = arguments.get(1).is_some_and(|first| first == "-v" || first == "--version");
    let ours = env!("CARGO_PKG_VERSION");
    (called == "keepalived" && asks).then(|| {
        format!("Keepalived v{KEEPALIVED} (Mainstay {ours})\n\nMainstay {ours}, called as keepalived\n")
    })
}

/// keepalived's `genhash` is a program of its own, or `keepalived -T`, or `keepalived --genhash`.
fn name_genhash(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_genhash = |path: &OsString| Path::new(path).file_name() == Some("genhash".as_ref());
    if arguments.first().is_some_and(is_genhash) {
        arguments.insert(1, "genhash".into());
    } else if arguments.get(1).is_some_and(|first| first == "-T" || first == "--genhash") {
        arguments[1] = "genhash".into();
    }
    arguments
}

/// getopt writes an optional value without `=`: `-t/tmp/log`. clap wants `-t=/tmp/log`.
fn attach_optional_value(argument: OsString) -> OsString {
    let Some(text) = argument.to_str() else { return argument };
    let mut letters = text.chars();
    let optional =
        letters.next() == Some('-') && letters.next().is_some_and(|letter| matches!(letter, 't' | 'g' | 'M'));
    match letters.next() {
        Some(next) if optional && next != '=' => format!("{}={}", &text[..2], &text[2..]).into(),
        _ => argument,
    }
}

fn parse_umask(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text.trim_start_matches("0o"), 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(format!("{text} is not an octal mode from 0 to 0777")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(line: &str) -> Cli {
        let words = line.split_whitespace().map(|word| attach_optional_value(word.into()));
        Cli::try_parse_from(name_genhash(words.collect())).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn keepalived_s_flags_are_taken_without_a_command() {
        let options =
            parsed("keepalived -nlDP -f /etc/a.conf -p /run/a.pid -r /run/b.pid -c /run/c.pid -i node1")
                .daemon;
        assert!(options.dont_fork && options.log.log_console && options.log.log_detail && options.vrrp);
        assert_eq!(options.use_file, PathBuf::from("/etc/a.conf"));
        assert_eq!(options.pid, Some("/run/a.pid".into()));
        assert_eq!(options.vrrp_pid, Some("/run/b.pid".into()));
        assert_eq!(options.checkers_pid, Some("/run/c.pid".into()));
        assert_eq!(options.config_id.as_deref(), Some("node1"));
    }

    #[test]
    fn long_names_have_keepalived_s_spelling() {
        let line = "keepalived --use-file=/a --vrrp --no_bfd --log-console --log-facility=local3 --dont-fork \
                    --vrrp_pid=/b --checkers_pid=/c --bfd_pid=/d --dont-release-vrrp --release-vips --snmp \
                    --address-monitoring --namespace=red --ignore-sigint --no-mem-check --dont-respawn --dump-conf \
                    --debug=DaEgM --perf";
        let options = parsed(line).daemon;
        assert_eq!(options.log.log_facility, Facility::local(3).expect("local3"));
        assert_eq!(options.namespace.as_deref(), Some("red"));
    }

    #[test]
    fn an_optional_value_is_attached_as_getopt_does() {
        assert_eq!(parsed("keepalived -t -f /a").daemon.config_test, Some(None));
        assert_eq!(parsed("keepalived -t/tmp/log").daemon.config_test, Some(Some("/tmp/log".into())));
        assert_eq!(
            parsed("keepalived --config-test=/tmp/log").daemon.config_test,
            Some(Some("/tmp/log".into()))
        );
        assert_eq!(parsed("keepalived").daemon.config_test, None);
    }

    #[test]
    fn called_as_keepalived_it_says_whose_place_it_takes() {
        let asked = |line: &str| keepalived_version(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        let first = asked("/usr/sbin/keepalived -v").expect("a version");
        // The second word without its first letter is what exporters parse.
        assert_eq!(first.lines().next().and_then(|line| line.split(' ').nth(1)), Some("v2.4.3"));
        assert_eq!(asked("keepalived --version"), Some(first));
        assert_eq!(asked("mainstay -v"), None);
        assert_eq!(asked("keepalived -n"), None);
    }

    #[test]
    fn genhash_goes_by_all_of_its_names() {
        for name in
            ["genhash", "/usr/bin/genhash", "keepalived -T", "keepalived --genhash", "mainstay genhash"]
        {
            let line = format!("{name} -S -I -s 2001:db8::1 -p 443 -u / -V a.example -P 1.0c -t 5 -m 7 -v");
            let Some(Command::Genhash(options)) = parsed(&line).command else { panic!("{name}") };
            assert_eq!(options.server, "2001:db8::1".parse::<std::net::IpAddr>().expect("an address"));
            assert_eq!(options.use_virtualhost.as_deref(), Some("a.example"));
            assert_eq!(options.timeout, std::time::Duration::from_secs(5));
            assert!(options.use_ssl && options.use_sni && options.verbose);
        }
    }

    #[test]
    fn the_same_flags_follow_the_run_command() {
        let Some(Command::Run(options)) = parsed("mainstay run -n -f /a").command else { panic!("run") };
        assert!(options.dont_fork);
    }

    #[test]
    fn log_options_survive_the_way_to_a_child() {
        let options = parsed("mainstay -l -D -S 5 -G -g/var/log/m.log").daemon.log;
        let line = std::iter::once("mainstay child router".to_owned())
            .chain(options.to_arguments().iter().map(|word| word.to_string_lossy().into_owned()))
            .collect::<Vec<_>>()
            .join(" ");
        let Some(Command::Child(child)) = parsed(&line).command else { panic!("child") };
        assert_eq!((child.role, child.log), (Role::Router, options));
    }

    #[test]
    fn a_umask_is_octal() {
        assert_eq!(parsed("mainstay -u 077").daemon.umask, Some(0o77));
        assert!(parse_umask("8").is_err() && parse_umask("1000").is_err());
    }
}
