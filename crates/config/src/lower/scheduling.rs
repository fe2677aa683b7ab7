//! How the processes run: titles, priorities, processors, buffers, file modes.

use super::Lowering;
use super::report::Report;
use super::values::{integer, number, required};
use crate::model::{Realtime, Scheduling};
use crate::tree::Statement;

/// Longest process title (`TASK_COMM_LEN` without its terminator).
const LONGEST_TITLE: usize = 15;

/// Room for a v3 advert of a full list of addresses with its headers, for the policy ADVERT.
const ADVERT_BYTES: u32 = 1500;

/// Lowers the words about processes; says whether it was one.
pub(crate) fn word(lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
    let keyword = statement.keyword();
    match keyword {
        "process_names" => {
            let process = &mut lowering.model.process;
            process.supervisor_name.get_or_insert_with(|| "keepalived".to_owned());
            process.router.name.get_or_insert_with(|| "keepalived_vrrp".to_owned());
            process.director.name.get_or_insert_with(|| "keepalived_ipvs".to_owned());
        }
        "process_name" => {
            if let Some(title) = title(&mut lowering.report, statement) {
                lowering.model.process.supervisor_name = Some(title);
            }
        }
        "max_auto_priority" => {
            lowering.model.process.max_auto_priority = match statement.arguments().first() {
                None => Some(99),
                // -1 only silences a hint of keepalived: off.
                Some(word) => integer(&mut lowering.report, word, -1..=99)
                    .and_then(|priority| u8::try_from(priority).ok())
                    .filter(|priority| *priority > 0),
            };
        }
        _ => {
            let Some((process, rest)) = keyword.split_once('_') else { return false };
            let (report, model) = (&mut lowering.report, &mut lowering.model.process);
            return match process {
                "vrrp" => of_process(report, &mut model.router, statement, rest),
                "checker" | "lvs" => of_process(report, &mut model.director, statement, rest),
                // There is no BFD process; its words are checked all the same.
                "bfd" => of_process(report, &mut Scheduling::default(), statement, rest),
                _ => false,
            };
        }
    }
    true
}

/// Lowers one word of one process, without the name of the process in front; says whether it was one.
fn of_process(report: &mut Report, process: &mut Scheduling, statement: &Statement, word: &str) -> bool {
    match word {
        "process_name" => {
            if let Some(title) = title(report, statement) {
                process.name = Some(title);
            }
        }
        "priority" => {
            if let Some(word) = required(report, statement, "a number")
                && let Some(nice) = number(report, word, -20..=19)
            {
                process.nice = Some(nice);
            }
        }
        "no_swap" => process.lock_memory = true,
        "rt_priority" => {
            if let Some(word) = required(report, statement, "a number")
                && let Some(wanted) = integer(report, word, i64::from(i32::MIN)..=i64::from(i32::MAX))
            {
                let priority = u8::try_from(wanted.clamp(1, 99)).unwrap_or(1);
                if i64::from(priority) != wanted {
                    report
                        .complain("number-out-of-range", word.span, format!("`{word}` is out of range"))
                        .because(format!("expected 1 to 99; {priority} is used"));
                }
                process.realtime_priority = Some(priority);
            }
        }
        "cpu_affinity" => {
            if statement.arguments().is_empty() {
                report
                    .complain("missing-value", statement.span(), "no processors are named")
                    .because("it is ignored");
            }
            let cpus =
                statement.arguments().iter().map_while(|word| number(report, word, 0..=8191)).collect();
            process.cpu_affinity = cpus;
        }
        "rlimit_rttime" | "rlimit_rtime" => {
            if let Some(word) = required(report, statement, "microseconds")
                && let Some(limit) = number(report, word, 1..=i64::from(u32::MAX))
            {
                process.rttime_us = Some(limit);
            }
        }
        _ => return false,
    }
    true
}

fn title(report: &mut Report, statement: &Statement) -> Option<String> {
    let word = required(report, statement, "a title")?;
    if word.text.len() <= LONGEST_TITLE {
        return Some(word.text.clone());
    }
    report
        .complain("title-too-long", word.span, format!("`{word}` is too long for a process title"))
        .because(format!("the first {LONGEST_TITLE} bytes are used"));
    let end = (0..=LONGEST_TITLE).rev().find(|end| word.text.is_char_boundary(*end)).unwrap_or(0);
    Some(word.text[..end].to_owned())
}

/// `@mainstay realtime on|off|PRIORITY`.
pub(crate) fn realtime(lowering: &mut Lowering<'_>, statement: &Statement) {
    /// Above the shells of administrators, below the kernel's own threads.
    const CUSTOMARY: u8 = 50;
    let report = &mut lowering.report;
    lowering.model.process.realtime = match statement.arguments().first() {
        None => Some(Realtime::Priority(CUSTOMARY)),
        Some(word) => match super::values::boolean(&word.text) {
            Some(true) => Some(Realtime::Priority(CUSTOMARY)),
            Some(false) => Some(Realtime::Off),
            None => number(report, word, 1..=99).map(Realtime::Priority),
        },
    };
}

/// `umask NUMBER` or `IRUSR|IWGRP|..`.
pub(crate) fn umask(lowering: &mut Lowering<'_>, statement: &Statement) {
    let Some(first) = required(&mut lowering.report, statement, "a mask") else { return };
    if first.text.starts_with(|character: char| character.is_ascii_digit()) {
        match super::values::any_base(&first.text).and_then(|mask| u32::try_from(mask).ok()) {
            Some(mask) if mask <= 0o777 => lowering.model.process.umask = Some(mask),
            _ => {
                lowering
                    .report
                    .complain("bad-umask", first.span, format!("`{first}` is not a mask"))
                    .because("expected a number up to 0777");
            }
        }
        return;
    }
    let mut mask = 0;
    for word in statement.arguments() {
        for bit in word.text.split('|').filter(|bit| !bit.is_empty()) {
            match mode_bits(bit) {
                Some(bits) => mask |= bits,
                None => {
                    lowering
                        .report
                        .complain("bad-umask", word.span, format!("`{bit}` is not a mode bit"))
                        .because("expected IRUSR, IWGRP, IXOTH, IRWXG and the like, joined by |");
                    return;
                }
            }
        }
    }
    lowering.model.process.umask = Some(mask);
}

fn mode_bits(name: &str) -> Option<u32> {
    let name = name.strip_prefix("S_").unwrap_or(name);
    Some(match name {
        "IRUSR" => 0o400,
        "IWUSR" => 0o200,
        "IXUSR" => 0o100,
        "IRWXU" => 0o700,
        "IRGRP" => 0o040,
        "IWGRP" => 0o020,
        "IXGRP" => 0o010,
        "IRWXG" => 0o070,
        "IROTH" => 0o004,
        "IWOTH" => 0o002,
        "IXOTH" => 0o001,
        "IRWXO" => 0o007,
        _ => return None,
    })
}

/// `vrrp_rx_bufs_policy` and `vrrp_rx_bufs_multiplier`.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    policy: Option<Policy>,
    multiplier: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Policy {
    Mtu,
    Advert,
    Bytes(u32),
}

impl ReceiveBuffer {
    /// Takes in one of the two words.
    pub(crate) fn word(&mut self, report: &mut Report, statement: &Statement) {
        let Some(word) = required(report, statement, "its value") else { return };
        if statement.keyword() == "vrrp_rx_bufs_multiplier" {
            self.multiplier = number(report, word, 1..=i64::from(u32::MAX));
            return;
        }
        self.policy = match word.text.as_str() {
            "MTU" => Some(Policy::Mtu),
            "ADVERT" => Some(Policy::Advert),
            _ => number(report, word, 0..=i64::from(u32::MAX)).map(Policy::Bytes),
        };
    }

    /// Bytes to ask for; `None` leaves the choice to Mainstay.
    pub(crate) fn bytes(&self) -> Option<u32> {
        let multiplier = self.multiplier.unwrap_or(3);
        match self.policy? {
            Policy::Bytes(bytes) => Some(bytes),
            // An advert is never longer than the MTU: one size serves both.
            Policy::Mtu | Policy::Advert => Some(ADVERT_BYTES.saturating_mul(multiplier)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_bits_have_the_names_of_stat() {
        assert_eq!(mode_bits("IRWXG"), Some(0o070));
        assert_eq!(mode_bits("S_IXUSR"), Some(0o100));
        assert_eq!(mode_bits("abc"), None);
    }
}
