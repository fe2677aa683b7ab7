//! The daemon: three processes of one binary, and the commands beside it.
//!
//! Read in this order: [`cli`] (what can be asked for), [`frames`] (what the processes say to each other),
//! [`supervisor`] (the parent: configuration, scripts, signals), [`router`], [`director`], then the small services they share.

pub mod check;
pub mod cli;
pub mod control;
pub mod demo;
pub mod director;
pub mod frames;
pub mod genhash;
pub mod host;
pub mod lab;
pub mod logging;
pub mod mailer;
pub mod measures;
pub mod pidfile;
pub mod router;
pub mod service_manager;
pub mod signals;
pub mod snmp;
pub mod supervisor;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use crate::cli::{ChildOptions, DaemonOptions, Role};
use crate::frames::Channel;

/// No command, or `run`: the daemon, or one of the questions keepalived answers instead of running.
#[must_use]
pub fn daemon(options: DaemonOptions) -> ExitCode {
    if let Some(name) = &options.signum {
        return match signals::number_of(name) {
            Some(number) => {
                println!("{number}");
                ExitCode::SUCCESS
            }
            None => {
                eprintln!("mainstay: {name} is no name of a signal");
                ExitCode::FAILURE
            }
        };
    }
    match &options.config_test {
        Some(log) => check::config_test(&options, log.as_deref()),
        None => supervisor::run(options),
    }
}

/// `demo`.
#[must_use]
pub fn show(options: &demo::Options) -> ExitCode {
    match demo::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mainstay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One of the supervisor's children: its standard input is its end of the socket pair.
#[must_use]
pub fn child(options: &ChildOptions) -> ExitCode {
    // Some of them are the supervisor's; who sends one to everything that is called mainstay must end nobody.
    mainstay_system::process::ignore_realtime_signals_but(&[]);
    logging::start(&options.log, &format!("Mainstay_{}", options.role.name()));
    // Started through /proc/self/exe it would be called `exe`. Only `ps` and `pgrep` see it: a failure is no matter.
    let _ = nix::sys::prctl::set_name(c"mainstay");
    let run = || -> io::Result<ExitCode> {
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        match options.role {
            Role::Router => Ok(router::run(Channel::from_stream(stream)?)),
            Role::Director => director::run(stream).map(|()| ExitCode::SUCCESS),
            Role::Mailer => mailer::run(stream).map(|()| ExitCode::SUCCESS),
        }
    };
    match run() {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("the {} ends: {error}", options.role.name());
            ExitCode::FAILURE
        }
    }
}

/// Reads standard input to its end, so that whoever writes to it never finds nobody there.
#[must_use]
pub fn drain() -> ExitCode {
    let input = io::stdin();
    let fd = input.as_fd();
    // The pipe was read without waiting before; here waiting is all there is to do.
    let _ = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty()));
    match io::copy(&mut input.lock(), &mut io::sink()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
