//! What may lower a priority: verdicts of scripts, files and processes, and the arithmetic of weights.

use alloc::string::String;

use crate::router::input::ScriptOutcome;
use crate::router::plan::{ProcessPlan, ScriptPlan, Tracker};
use crate::time::Instant;

/// The lowest sum of weights that still is a priority; less is a fault.
const LOWEST_WEIGHT: i64 = -253;

/// A `vrrp_script`: when it runs next, and what its results come to.
///
/// keepalived's counter: `rise` successes in a row bring it up, `fall` failures in a row bring it down; the very first
/// result decides at once.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its plan.
    pub plan: ScriptPlan,
    verdict: Option<bool>,
    /// Successes in a row while down, or failures in a row while up.
    contrary: u32,
    next_run: Instant,
    running: bool,
    /// The verdict is another command's: the first result replaces it at once.
    presumed: bool,
}

impl Script {
    /// A script that runs for the first time at `now`. With `init_fail` it counts as failed until then.
    #[must_use]
    pub fn new(now: Instant, plan: ScriptPlan) -> Self {
        let verdict = plan.init_fail.then_some(false);
        Self { plan, verdict, contrary: 0, next_run: now, running: false, presumed: false }
    }

    /// Takes up the verdict of a predecessor of this process.
    pub const fn resume(&mut self, up: bool) {
        self.verdict = Some(up);
    }

    /// Takes this for its verdict until its first result: that of the command it replaces, whose weight must not be
    /// missing for a moment.
    pub fn presume(&mut self, verdict: Option<bool>) {
        self.presumed = verdict.is_some();
        self.verdict = verdict.or(self.verdict);
    }

    /// Good, bad, or not known before the first run.
    #[must_use]
    pub const fn verdict(&self) -> Option<bool> {
        self.verdict
    }

    /// When it is to run next.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.next_run
    }

    /// Whether a run is to start now. A run that is due while the last one is alive is skipped.
    pub fn take_due(&mut self, now: Instant) -> bool {
        if now < self.next_run {
            return false;
        }
        let in_step = self.next_run + self.plan.interval;
        self.next_run = if in_step > now { in_step } else { now + self.plan.interval };
        !core::mem::replace(&mut self.running, true)
    }

    /// Takes in a result; true if the verdict changed.
    pub fn finished(&mut self, outcome: &ScriptOutcome) -> bool {
        self.running = false;
        let success = outcome.is_success();
        let changed = match self.verdict {
            None => true,
            Some(up) if core::mem::take(&mut self.presumed) => up != success,
            Some(up) if up == success => {
                self.contrary = 0;
                false
            }
            Some(up) => {
                self.contrary += 1;
                self.contrary >= if up { self.plan.fall } else { self.plan.rise }
            }
        };
        if changed {
            self.verdict = Some(success);
            self.contrary = 0;
        }
        changed
    }

    /// Takes up changed parameters of the same command: the verdict stays.
    pub fn replan(&mut self, now: Instant, plan: ScriptPlan) {
        self.next_run = self.next_run.min(now + plan.interval);
        self.plan = plan;
    }
}

/// A `vrrp_track_process`: whether enough processes run, believed only after its delay.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its plan.
    pub plan: ProcessPlan,
    count: Option<u32>,
    verdict: Option<bool>,
    change_at: Option<Instant>,
}

impl Process {
    /// A process tracker that has not counted yet.
    #[must_use]
    pub const fn new(plan: ProcessPlan) -> Self {
        Self { plan, count: None, verdict: None, change_at: None }
    }

    /// Takes up the verdict of a predecessor of this process.
    pub const fn resume(&mut self, up: bool) {
        self.verdict = Some(up);
    }

    /// Good, bad, or not known before the first count.
    #[must_use]
    pub const fn verdict(&self) -> Option<bool> {
        self.verdict
    }

    /// When a change that lasts is to be believed.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.change_at
    }

    /// Takes in a count; true if the verdict changed at once.
    pub fn counted(&mut self, now: Instant, count: u32) -> bool {
        self.count = Some(count);
        let enough = self.is_enough(count);
        if self.verdict == Some(enough) {
            self.change_at = None;
            return false;
        }
        let delay = if enough { self.plan.fork_delay } else { self.plan.terminate_delay };
        if self.verdict.is_none() || delay.is_zero() {
            self.verdict = Some(enough);
            self.change_at = None;
            return true;
        }
        if self.change_at.is_none() {
            self.change_at = Some(now + delay);
        }
        false
    }

    /// Believes a change that has lasted; true if the verdict changed.
    pub fn take_due(&mut self, now: Instant) -> bool {
        if self.change_at.is_none_or(|at| now < at) {
            return false;
        }
        self.change_at = None;
        self.verdict = self.count.map(|count| self.is_enough(count));
        true
    }

    /// Takes up changed parameters; true if the verdict changed.
    pub fn replan(&mut self, now: Instant, plan: ProcessPlan) -> bool {
        self.plan = plan;
        self.count.is_some_and(|count| self.counted(now, count))
    }

    fn is_enough(&self, count: u32) -> bool {
        count >= self.plan.quorum && self.plan.quorum_max.is_none_or(|max| count <= max)
    }
}

/// What a tracker has to say to the instances that use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Unknown,
    /// Good or bad.
    Is(bool),
    /// A number (a tracked file).
    Value(i64),
}

/// What one use of a tracker does to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing is known yet and a failure would be a fault: the instance waits in INIT.
    Wait,
    /// A fault.
    Fault,
    /// So much is added to the priority.
    Weight(i64),
}

/// What this use of a tracker with this verdict does to an instance.
#[must_use]
pub fn effect(tracker: &Tracker, verdict: Verdict) -> Effect {
    let weight = i64::from(tracker.weight);
    let signed = if tracker.reverse { -weight } else { weight };
    match verdict {
        Verdict::Unknown if weight == 0 => Effect::Wait,
        Verdict::Unknown => Effect::Weight(0),
        Verdict::Is(up) if weight == 0 => {
            if up == tracker.reverse {
                Effect::Fault
            } else {
                Effect::Weight(0)
            }
        }
        // Positive weights are added while good, negative ones while bad; reverse flips what is added.
        Verdict::Is(up) => Effect::Weight(if up == (weight > 0) { signed } else { 0 }),
        Verdict::Value(value) if weight == 0 => {
            if (value != 0) == tracker.reverse {
                Effect::Weight(0)
            } else {
                Effect::Fault
            }
        }
        Verdict::Value(value) => {
            let product = value.saturating_mul(signed);
            if product < LOWEST_WEIGHT { Effect::Fault } else { Effect::Weight(product) }
        }
    }
}

/// The effective priority of a non-owner: base and weights, within 1 to 254.
#[must_use]
pub fn effective_priority(base: u8, weights: i64) -> u8 {
    u8::try_from(i64::from(base).saturating_add(weights).clamp(1, 254)).unwrap_or(254)
}

/// How the end of a script run reads in a log.
#[must_use]
pub fn describe_outcome(outcome: &ScriptOutcome) -> String {
    match outcome {
        ScriptOutcome::Exited(status) => alloc::format!("exited with status {status}"),
        ScriptOutcome::Signalled(signal) => alloc::format!("was ended by signal {signal}"),
        ScriptOutcome::TimedOut => String::from("ran longer than its timeout"),
        ScriptOutcome::NotStarted(why) => alloc::format!("could not be started: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::plan::TrackerTarget;
    use crate::time::Duration;

    fn script(rise: u32, fall: u32, init_fail: bool) -> Script {
        let plan = ScriptPlan {
            name: "chk".into(),
            identity: "/bin/true".into(),
            interval: Duration::from_secs(2),
            rise,
            fall,
            init_fail,
        };
        Script::new(Instant::ZERO, plan)
    }

    fn results(script: &mut Script, results: &[bool]) -> alloc::vec::Vec<Option<bool>> {
        results
            .iter()
            .map(|good| {
                let _ = script.finished(&ScriptOutcome::Exited(u8::from(!good)));
                script.verdict()
            })
            .collect()
    }

    #[test]
    fn the_first_result_decides_at_once_in_both_directions() {
        assert_eq!(results(&mut script(3, 3, false), &[true]), [Some(true)]);
        assert_eq!(results(&mut script(3, 3, false), &[false]), [Some(false)]);
    }

    #[test]
    fn rise_successes_in_a_row_bring_it_up_and_fall_failures_bring_it_down() {
        let mut chk = script(2, 3, false);
        assert_eq!(results(&mut chk, &[true, false, false]), [Some(true), Some(true), Some(true)]);
        assert_eq!(
            results(&mut chk, &[true, false, false, false]),
            [Some(true), Some(true), Some(true), Some(false)]
        );
        assert_eq!(
            results(&mut chk, &[true, false, true, true]),
            [Some(false), Some(false), Some(false), Some(true)]
        );
    }

    #[test]
    fn init_fail_starts_as_failed_and_needs_rise_successes() {
        let mut chk = script(2, 1, true);
        assert_eq!(chk.verdict(), Some(false));
        assert_eq!(results(&mut chk, &[true, true]), [Some(false), Some(true)]);
    }

    #[test]
    fn a_run_that_is_due_while_the_last_one_lives_is_skipped() {
        let mut chk = script(1, 1, false);
        assert!(chk.take_due(Instant::ZERO));
        assert!(!chk.take_due(Instant::ZERO + Duration::from_secs(2)), "still running");
        let _ = chk.finished(&ScriptOutcome::Exited(0));
        assert!(!chk.take_due(Instant::ZERO + Duration::from_secs(3)), "not due");
        assert!(chk.take_due(Instant::ZERO + Duration::from_secs(4)));
    }

    #[test]
    fn a_lost_process_is_believed_after_the_terminate_delay_only() {
        let mut process = Process::new(ProcessPlan {
            name: "p".into(),
            quorum: 1,
            quorum_max: None,
            terminate_delay: Duration::from_secs(2),
            fork_delay: Duration::ZERO,
        });
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        assert!(process.counted(at(0), 1));
        assert!(!process.counted(at(1), 0));
        assert!(!process.take_due(at(2)));
        assert!(process.take_due(at(3)));
        assert_eq!(process.verdict(), Some(false));
        assert!(process.counted(at(4), 1), "no delay on gain");
        assert!(!process.counted(at(5), 0));
        assert!(!process.counted(at(6), 1), "back in time");
        assert_eq!((process.deadline(), process.verdict()), (None, Some(true)));
    }

    #[test]
    fn weights_add_while_good_or_subtract_while_bad_and_reverse_flips_the_sign() {
        for (weight, reverse, up, expected) in [
            (10, false, true, Effect::Weight(10)),
            (10, false, false, Effect::Weight(0)),
            (-10, false, true, Effect::Weight(0)),
            (-10, false, false, Effect::Weight(-10)),
            (10, true, true, Effect::Weight(-10)),
            (-10, true, false, Effect::Weight(10)),
            (0, false, true, Effect::Weight(0)),
            (0, false, false, Effect::Fault),
            (0, true, true, Effect::Fault),
            (0, true, false, Effect::Weight(0)),
        ] {
            let tracker = Tracker { target: TrackerTarget::Script("x".into()), weight, reverse };
            assert_eq!(
                effect(&tracker, Verdict::Is(up)),
                expected,
                "weight {weight} reverse {reverse} up {up}"
            );
        }
    }

    #[test]
    fn a_files_value_is_multiplied_and_too_low_a_product_is_a_fault() {
        let file = |weight, reverse| Tracker { target: TrackerTarget::File("f".into()), weight, reverse };
        assert_eq!(effect(&file(2, false), Verdict::Value(-20)), Effect::Weight(-40));
        assert_eq!(effect(&file(1, false), Verdict::Value(-253)), Effect::Weight(-253));
        assert_eq!(effect(&file(1, false), Verdict::Value(-254)), Effect::Fault);
        assert_eq!(effect(&file(1, true), Verdict::Value(254)), Effect::Fault);
        assert_eq!(effect(&file(0, false), Verdict::Value(0)), Effect::Weight(0));
        assert_eq!(effect(&file(0, false), Verdict::Value(3)), Effect::Fault);
        assert_eq!(effect(&file(i32::MAX, false), Verdict::Value(i64::MAX)), Effect::Weight(i64::MAX));
    }

    #[test]
    fn an_effective_priority_stays_between_1_and_254() {
        assert_eq!(effective_priority(100, 0), 100);
        assert_eq!(effective_priority(100, -200), 1);
        assert_eq!(effective_priority(100, 1000), 254);
        assert_eq!(effective_priority(254, i64::MAX), 254);
    }
}
