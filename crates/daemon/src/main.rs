//! `mainstay`: which part of it is asked for. The parts are in the library of this package.

use std::process::ExitCode;

use mainstay::cli::{self, Command};

fn main() -> ExitCode {
    let cli = cli::parse(std::env::args_os());
    match cli.command {
        None => mainstay::daemon(cli.daemon),
        Some(Command::Run(options)) => mainstay::daemon(*options),
        Some(Command::Check(options)) => mainstay::check::run(&options),
        Some(Command::Demo(options)) => mainstay::show(&options),
        Some(Command::Status(to)) => mainstay::control::status(&to),
        Some(Command::Why(options)) => mainstay::control::why(&options),
        Some(Command::Events(options)) => mainstay::control::events(&options),
        Some(Command::Genhash(options)) => mainstay::genhash::run(&options),
        Some(Command::Child(options)) => mainstay::child(&options),
        Some(Command::Drain) => mainstay::drain(),
    }
}
