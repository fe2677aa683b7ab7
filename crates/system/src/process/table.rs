//! The processes of this machine, as `/proc` shows them.

use std::fs;
use std::io::Read;

/// Longest command line that is looked at, in bytes.
const LONGEST: u64 = 32 << 10;

/// What a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The kernel's short name, at most 15 bytes.
    pub comm: String,
    /// Its command line; empty for kernel threads.
    pub arguments: Vec<String>,
}

/// The ids of all processes (not threads), unsorted.
#[must_use]
pub fn list() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// What a process is; `None` if there is none, or only a zombie. The command line is read only if asked for.
#[must_use]
pub fn look(pid: i32, with_arguments: bool) -> Option<Seen> {
    let comm = living_comm(&read(pid, "stat")?)?;
    let arguments = match with_arguments {
        true => split_arguments(&read(pid, "cmdline")?),
        false => Vec::new(),
    };
    Some(Seen { comm, arguments })
}

fn read(pid: i32, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/{name}")).ok()?;
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// `12 (name) S ...`: the name may hold anything, parentheses too; zombies and the dead do not live.
fn living_comm(stat: &[u8]) -> Option<String> {
    let stat = String::from_utf8_lossy(stat);
    let (before, after) = stat.rsplit_once(')')?;
    let (_, comm) = before.split_once('(')?;
    let state = after.trim_start().chars().next()?;
    (!matches!(state, 'Z' | 'X' | 'x')).then(|| comm.to_owned())
}

fn split_arguments(bytes: &[u8]) -> Vec<String> {
    let mut words: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    // The last word ends with a NUL too.
    if words.last().is_some_and(|last| last.is_empty()) {
        words.pop();
    }
    words.into_iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses_and_a_zombie_does_not_live() {
        assert_eq!(living_comm(b"12 (a) b (c) S 1 12").as_deref(), Some("a) b (c"));
        assert_eq!(living_comm(b"12 (gone) Z 1 12"), None);
        assert_eq!(living_comm(b"nonsense"), None);
    }

    #[test]
    fn empty_arguments_are_kept() {
        assert_eq!(split_arguments(b"sh\0-c\0\0x\0"), ["sh", "-c", "", "x"]);
        assert_eq!(split_arguments(b""), [""; 0]);
    }

    #[test]
    fn we_are_in_the_table() {
        let ourselves = i32::try_from(std::process::id()).expect("small");
        assert!(list().contains(&ourselves));
        let seen = look(ourselves, true).expect("we live");
        assert_eq!(seen.arguments.first().cloned(), std::env::args().next());
    }
}
