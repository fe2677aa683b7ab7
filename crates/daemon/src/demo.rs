//! `mainstay demo`: failovers and a load balancer before your eyes, and a table of what each event cost.
//!
//! Everything is real: network namespaces with links and bridges between them, Mainstay's own processes, web services,
//! and a client that opens a hundred connections a second. Root is needed, or a kernel that lets users make user
//! namespaces. Nothing outside of the lab is touched.

pub mod balancing;
pub mod client;
pub mod failover;
pub mod pace;
pub mod screen;
pub mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use self::pace::Pace;
use crate::lab::Node;

/// What to do.
#[derive(Debug, Clone, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    /// Play one part only
    #[arg(long, value_name = "PART")]
    pub only: Option<Part>,
    /// Leave the lab of the last part standing at the end, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Show another program in our place, to compare: a path to keepalived
    #[arg(long, value_name = "PATH", conflicts_with = "only")]
    pub program: Option<PathBuf>,
    /// Be one of the small programs of the demo.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// A part of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Two nodes that share an address, and five failures.
    Failover,
    /// A load balancer with two web servers, one of which dies, is drained, and comes back.
    Balancing,
}

/// The small programs of the demo, which run in processes of their own so that they can die.
#[derive(Debug, Clone, Subcommand)]
pub enum Role {
    /// The web service of a node; not for people
    #[command(hide = true)]
    Web {
        /// Name of the node.
        name: String,
    },
    /// The check script; not for people
    #[command(hide = true)]
    Probe,
}

/// Shows the demo on the standard output, or plays one of its small parts.
///
/// # Errors
/// Fails if no lab can be built here, if Ctrl-C is pressed, or if something did not happen as it must.
pub fn run(options: &Options) -> Result<()> {
    match &options.role {
        Some(Role::Web { name }) => return web::serve(name),
        Some(Role::Probe) => return web::probe(),
        None => {}
    }
    crate::lab::user::enter()?;
    let interrupted = pace::notice_interrupts()?;
    let parts = options.parts();
    let mut result = Ok(());
    for part in parts {
        let pace = Pace::begin(Arc::clone(&interrupted));
        let keep = options.keep && parts.last() == Some(part);
        let played = match part {
            Part::Failover => failover::play(options.program.as_deref(), keep, pace),
            Part::Balancing => balancing::play(keep, pace),
        };
        // A takeover that was late on a busy machine is no reason not to show the rest.
        result = result.and(played);
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    result
}

impl Options {
    /// What is played. Another program is compared by its failovers.
    fn parts(&self) -> &[Part] {
        match self.only {
            Some(Part::Balancing) => &[Part::Balancing],
            Some(Part::Failover) => &[Part::Failover],
            None if self.program.is_some() => &[Part::Failover],
            None => &[Part::Failover, Part::Balancing],
        }
    }
}

/// How to get into these nodes from another terminal, one command a line.
fn entrances<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Vec<String> {
    let user = if nix::unistd::Uid::effective().is_root() && std::env::var_os("MAINSTAY_LAB_INSIDE").is_none()
    {
        String::new()
    } else {
        format!("--user --preserve-credentials --target {} ", std::process::id())
    };
    let entrance = |node: &Node| {
        let path = node.namespace().path();
        format!("nsenter {user}--net={}    # {}", path.display(), node.name())
    };
    nodes.into_iter().map(entrance).collect()
}
