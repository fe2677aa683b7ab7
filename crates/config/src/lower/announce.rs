//! Gratuitous ARPs and neighbour advertisements: `vrrp_garp_*` of the node, `garp_*` of an instance.

use std::time::Duration;

use mainstay_core::router::plan::AnnouncePlan;

use super::Lowering;
use super::report::Report;
use super::values::{LONGEST_TIMER, number, required, seconds, switch};
use crate::tree::Statement;

/// What `global_defs` says about announcements; `None` is keepalived's default.
#[derive(Debug, Default)]
pub(crate) struct AnnounceDefaults {
    said: Said,
    /// `vrrp_min_garp`.
    least: bool,
}

/// The words an instance and the node have in common.
#[derive(Debug, Default)]
pub(crate) struct Said {
    delay: Option<Duration>,
    repeat: Option<u32>,
    refresh: Option<Duration>,
    refresh_repeat: Option<u32>,
    lower_priority_delay: Option<Duration>,
    pub(crate) lower_priority_repeat: Option<u32>,
    extra: Option<(Duration, bool)>,
}

impl AnnounceDefaults {
    /// The defaults of every instance.
    ///
    /// `vrrp_min_garp` only touches what was not said. Lower-priority announcements follow the others.
    pub(crate) fn plan(&self) -> AnnouncePlan {
        let said = &self.said;
        let mut plan = AnnouncePlan::default();
        if self.least {
            plan.repeat = 1;
            plan.delay = Duration::ZERO;
        }
        plan.delay = said.delay.unwrap_or(plan.delay);
        plan.repeat = said.repeat.unwrap_or(plan.repeat);
        plan.lower_priority_delay = plan.delay;
        plan.lower_priority_repeat = plan.repeat;
        said.over(plan)
    }
}

impl Said {
    /// `plan` with what was said here.
    pub(crate) fn over(&self, plan: AnnouncePlan) -> AnnouncePlan {
        AnnouncePlan {
            repeat: self.repeat.unwrap_or(plan.repeat),
            delay: self.delay.unwrap_or(plan.delay),
            refresh: self.refresh.unwrap_or(plan.refresh),
            refresh_repeat: self.refresh_repeat.unwrap_or(plan.refresh_repeat),
            lower_priority_repeat: self.lower_priority_repeat.unwrap_or(plan.lower_priority_repeat),
            lower_priority_delay: self.lower_priority_delay.unwrap_or(plan.lower_priority_delay),
            extra_interface: self.extra.map_or(plan.extra_interface, |(period, _)| period),
            extra_interface_all: self.extra.map_or(plan.extra_interface_all, |(_, all)| all),
        }
    }

    /// Takes in `garp_WORD`; says whether it was one. `shortest_extra` is the least period of `garp_extra_if`.
    pub(crate) fn word(
        &mut self,
        report: &mut Report,
        statement: &Statement,
        word: &str,
        shortest_extra: i64,
    ) -> bool {
        match word {
            "garp_master_delay" => set(&mut self.delay, whole(report, statement)),
            "garp_master_repeat" => set(&mut self.repeat, positive(report, statement)),
            "garp_master_refresh" => set(&mut self.refresh, whole(report, statement)),
            "garp_master_refresh_repeat" => set(&mut self.refresh_repeat, positive(report, statement)),
            "garp_lower_prio_delay" => set(&mut self.lower_priority_delay, whole(report, statement)),
            "garp_lower_prio_repeat" => set(&mut self.lower_priority_repeat, count(report, statement)),
            "garp_extra_if" | "vmac_garp_intvl" => {
                set(&mut self.extra, extra(report, statement, shortest_extra));
            }
            _ => return false,
        }
        true
    }
}

/// Lowers a word of `global_defs`; says whether it was one about announcements.
pub(crate) fn global_word(lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
    let Some(word) = statement.keyword().strip_prefix("vrrp_") else { return false };
    match word {
        "min_garp" => {
            if let Some(least) = switch(&mut lowering.report, statement) {
                lowering.defaults.said.least = least;
            }
        }
        "garp_interval" | "gna_interval" => {
            if let Some(interval) = interval(&mut lowering.report, statement) {
                let settings = &mut lowering.model.router.settings;
                if word == "garp_interval" {
                    settings.garp_interval = interval;
                } else {
                    settings.na_interval = interval;
                }
            }
        }
        _ => return lowering.defaults.said.said.word(&mut lowering.report, statement, word, 1),
    }
    true
}

/// Time between two announcements, in microseconds; zero is refused although it is the default.
fn interval(report: &mut Report, statement: &Statement) -> Option<Duration> {
    let word = required(report, statement, "seconds")?;
    seconds(report, word, Duration::from_micros(1)..=LONGEST_TIMER)
}

fn set<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

fn count(report: &mut Report, statement: &Statement) -> Option<u32> {
    let word = required(report, statement, "a number")?;
    number(report, word, 0..=i64::from(u32::MAX))
}

fn whole(report: &mut Report, statement: &Statement) -> Option<Duration> {
    count(report, statement).map(|seconds| Duration::from_secs(seconds.into()))
}

fn positive(report: &mut Report, statement: &Statement) -> Option<u32> {
    let found = count(report, statement)?;
    if found == 0 {
        report
            .complain(
                "must-be-positive",
                statement.span(),
                format!("`{}` must be more than 0", statement.keyword()),
            )
            .because("1 is used");
    }
    Some(found.max(1))
}

/// `[all] SECONDS`.
fn extra(report: &mut Report, statement: &Statement, shortest: i64) -> Option<(Duration, bool)> {
    let mut word = required(report, statement, "seconds")?;
    let all = word.text == "all";
    if all {
        let Some(next) = statement.arguments().get(1) else {
            report.abort("missing-parameter", word.span, "`all` is missing its seconds");
            return None;
        };
        word = next;
    }
    let period = number::<u64>(report, word, shortest..=86400)?;
    Some((Duration::from_secs(period), all))
}
