//! Plays what a real daemon recorded (`@mainstay record PATH`) once more, through the same core.

use std::path::Path;

use anyhow::{Context, Result};
use mainstay_core::recording::{Replay, Replayed};
use mainstay_core::router::{Action, Input};
use mainstay_core::time::Instant;

/// Replays a recording; with `trace` every step is printed. True if each ordered what it ordered then.
///
/// # Errors
/// It cannot be read, or holds what this version does not understand.
pub fn play(path: &Path, trace: bool) -> Result<bool> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut replay = Replay::new(&bytes).with_context(|| path.display().to_string())?;
    println!("{}: recorded by Mainstay {}", path.display(), replay.version());
    let (mut steps, mut orders, mut begin, mut last) = (0, 0, None, Instant::ZERO);
    while let Some(step) = replay.step() {
        let step = step?;
        let begin = *begin.get_or_insert(step.step.now);
        last = step.step.now;
        steps = step.number;
        orders += step.actions.len();
        let differs = !step.is_as_recorded();
        if trace || differs {
            print_step(begin, &step);
        }
        if differs {
            println!("DIFFERENT: in step {steps} other orders were recorded than these");
            return Ok(false);
        }
    }
    let seconds = last.saturating_since(begin.unwrap_or_default()).as_secs_f64();
    println!("{steps} steps in {seconds:.3} s, {orders} orders, all as recorded; in the end:");
    for instance in &replay.router.report().instances {
        println!("{instance:#?}");
    }
    Ok(true)
}

fn print_step(begin: Instant, step: &Replayed<'_>) {
    let at = step.step.now.saturating_since(begin).as_secs_f64();
    println!("{at:14.6} #{} {}", step.number, tell(&step.step.input));
    for action in &step.actions {
        match action {
            Action::Tell(event) => println!("{:14}   {:?}: {}", "", event.subject, event.reason),
            other => println!("{:14}   {other:?}", ""),
        }
    }
}

fn tell(input: &Input<'_>) -> String {
    match input {
        Input::PacketReceived(packet) => {
            let bytes: String = packet.payload.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("packet from {} to {}, TTL {}: {bytes}", packet.source, packet.destination, packet.ttl)
        }
        Input::Reloaded(plan) => format!("reloaded with {} instances", plan.instances.len()),
        other => format!("{other:?}"),
    }
}
