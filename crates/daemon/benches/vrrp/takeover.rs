//! How long a takeover takes, at three advert intervals.

use std::time::Duration;

use anyhow::{Context, Result};

use super::common::report::{Report, Target};
use super::common::{Both, Contestants, median, range, seconds};
use super::pair::{Event, Pair, Sample};

/// The protocol's own time is most of a takeover; what a daemon may add to keepalived's is this.
const TARGET: Target = Target::Ratio(1.05);

/// Measures each event at each interval, `fast` times at the fast adverts, `slow` times at one second.
pub fn run(contestants: &Contestants, fast: usize, slow: usize, report: &mut Report) -> Result<()> {
    for (advert_ms, count) in [(1000, slow), (100, fast), (10, fast)] {
        let advert = Duration::from_millis(advert_ms);
        report.heading(&format!(
            "takeover, advert {} s, VRRPv3, priorities 100, nopreempt: median of {count} (smallest to greatest)",
            advert.as_secs_f64()
        ));
        let [(_, ours), (_, theirs)] = contestants.both();
        let mut pairs = [Pair::new("ours", ours, advert)?, Pair::new("theirs", theirs, advert)?];
        for (event, name) in
            [(Event::Kill, "kill -9"), (Event::Terminate, "SIGTERM"), (Event::LinkDown, "link down")]
        {
            let samples =
                compare(&mut pairs, event, count).with_context(|| format!("{name} at {advert:?}"))?;
            let address =
                samples.map(|s| seconds(&s.iter().map(|sample| sample.address).collect::<Vec<_>>()));
            let client = samples.map(|s| seconds(&s.iter().map(|sample| sample.client).collect::<Vec<_>>()));
            for (what, figures) in [("address on the other node", address), ("client answered by it", client)]
            {
                let note = format!("{}, {}", span(&figures.ours), span(&figures.theirs));
                let medians = figures.map(|figures| median(figures));
                report.line(&format!("{name:<10} {what}"), " s", 4, &medians, TARGET, &note);
            }
        }
        let [ours, theirs] = pairs;
        ours.end()?;
        theirs.end()?;
    }
    Ok(())
}

/// Both by turns, at the same points of the advert interval, spread evenly over it.
fn compare(pairs: &mut [Pair; 2], event: Event, count: usize) -> Result<Both<Vec<Sample>>> {
    let mut samples: Both<Vec<Sample>> = Both::default();
    for run in 0..count {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen runs at most")]
        let phase = (run as f64 + 0.5) / count as f64;
        for (index, pair) in pairs.iter_mut().enumerate() {
            let sample = pair.measure(event, phase).with_context(|| format!("run {run}\n{}", pair.logs()))?;
            if sample.address > pair.protocol(event) {
                let seconds = sample.address.as_secs_f64();
                println!("  late: {} took {seconds:.3} s: {}", ["ours", "theirs"][index], pair.explanation());
            }
            samples.side(index).push(sample);
        }
    }
    Ok(samples)
}

fn span(figures: &[f64]) -> String {
    let (low, high) = range(figures);
    format!("({low:.4}-{high:.4})")
}
