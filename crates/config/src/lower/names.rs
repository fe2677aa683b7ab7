//! The names iproute2 gives to numbers: routing tables, scopes, protocols, realms, service types.
//!
//! What is built into iproute2 is built in here; `/etc/iproute2` and `/usr/share/iproute2` (or the directories of
//! `iproute_etc_dir` and `iproute_usr_dir`) add to it and win.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::values::any_base;
use crate::Host;

/// One of iproute2's tables of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// `rt_tables`: routing tables, 32 bits.
    Tables,
    /// `rt_scopes`: 8 bits.
    Scopes,
    /// `rt_protos`: who installed a route, 8 bits.
    Protocols,
    /// `rt_realms`: 16 bits.
    Realms,
    /// `rt_dsfield`: type of service, 8 bits, hexadecimal.
    ServiceTypes,
    /// `group`: groups of links, 32 bits.
    LinkGroups,
}

impl Table {
    const ALL: [Self; 6] =
        [Self::Tables, Self::Scopes, Self::Protocols, Self::Realms, Self::ServiceTypes, Self::LinkGroups];

    const fn file(self) -> &'static str {
        match self {
            Self::Tables => "rt_tables",
            Self::Scopes => "rt_scopes",
            Self::Protocols => "rt_protos",
            Self::Realms => "rt_realms",
            Self::ServiceTypes => "rt_dsfield",
            Self::LinkGroups => "group",
        }
    }

    const fn largest(self) -> u32 {
        match self {
            Self::Tables | Self::LinkGroups => u32::MAX,
            Self::Scopes | Self::Protocols | Self::ServiceTypes => u8::MAX as u32,
            Self::Realms => u16::MAX as u32,
        }
    }

    const fn built_in(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Tables => &[("default", 253), ("main", 254), ("local", 255)],
            Self::Scopes => &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)],
            Self::Protocols => &[
                ("none", 0),
                ("redirect", 1),
                ("kernel", 2),
                ("boot", 3),
                ("static", 4),
                ("gated", 8),
                ("ra", 9),
                ("mrt", 10),
                ("zebra", 11),
                ("bird", 12),
                ("dnrouted", 13),
                ("xorp", 14),
                ("ntk", 15),
                ("dhcp", 16),
                ("mrouted", 17),
                ("keepalived", 18),
                ("babel", 42),
                ("bgp", 186),
                ("isis", 187),
                ("ospf", 188),
                ("rip", 189),
                ("eigrp", 192),
            ],
            Self::Realms => &[("cosmos", 0)],
            Self::ServiceTypes | Self::LinkGroups => &[("default", 0)],
        }
    }
}

/// All tables of one machine.
#[derive(Debug, Default)]
pub(crate) struct Names {
    tables: BTreeMap<&'static str, BTreeMap<String, u32>>,
}

impl Names {
    /// Reads the tables: distribution first, administrator last.
    pub(crate) fn read(host: &dyn Host, distribution: Option<&Path>, administrator: Option<&Path>) -> Self {
        let directories = [
            distribution.unwrap_or(Path::new("/usr/share/iproute2")),
            administrator.unwrap_or(Path::new("/etc/iproute2")),
        ];
        let mut names = Self::default();
        for table in Table::ALL {
            let entries = names.tables.entry(table.file()).or_default();
            entries.extend(table.built_in().iter().map(|(name, number)| ((*name).to_owned(), *number)));
            for directory in directories {
                for path in table_files(host, directory, table.file()) {
                    let text = host.read(&path, 1 << 20).unwrap_or_default();
                    entries.extend(String::from_utf8_lossy(&text).lines().filter_map(entry));
                }
            }
        }
        names
    }

    /// The number of a name, or of a number written out (any base); `None` if it is neither or too large.
    pub(crate) fn number(&self, table: Table, text: &str) -> Option<u32> {
        let number = match self.tables.get(table.file()).and_then(|entries| entries.get(text)) {
            Some(number) => *number,
            None => u32::try_from(any_base(text)?).ok()?,
        };
        (number <= table.largest()).then_some(number)
    }

    /// The number of a name that must fit in a byte.
    pub(crate) fn byte(&self, table: Table, text: &str) -> Option<u8> {
        self.number(table, text).and_then(|number| u8::try_from(number).ok())
    }

    /// `[from/]to` realms: upper and lower 16 bits.
    pub(crate) fn realms(&self, text: &str) -> Option<u32> {
        match text.split_once('/') {
            Some((from, to)) => {
                Some(self.number(Table::Realms, from)? << 16 | self.number(Table::Realms, to)?)
            }
            None => self.number(Table::Realms, text),
        }
    }
}

fn table_files(host: &dyn Host, directory: &Path, name: &str) -> Vec<PathBuf> {
    let mut files = vec![directory.join(name)];
    let fragments = host.list(&directory.join(format!("{name}.d")));
    files
        .extend(fragments.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "conf")));
    files
}

fn entry(line: &str) -> Option<(String, u32)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let number = u32::try_from(any_base(words.next()?)?).ok()?;
    Some((words.next()?.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    fn names() -> Names {
        let world = World::new()
            .with_text("/usr/share/iproute2/rt_tables", "100 uplink\n# 101 comment\n200 both")
            .with_text("/etc/iproute2/rt_tables", "0x12c both # three hundred\nnonsense\n")
            .with_text("/etc/iproute2/rt_tables.d/more.conf", "400 more\n")
            .with_text("/etc/iproute2/rt_tables.d/README", "500 readme\n")
            .with_text("/etc/iproute2/rt_dsfield", "0xb8 EF\n");
        Names::read(&world, None, None)
    }

    #[test]
    fn the_administrators_name_wins() {
        assert_eq!(names().number(Table::Tables, "uplink"), Some(100));
        assert_eq!(names().number(Table::Tables, "both"), Some(300));
        assert_eq!(names().number(Table::Tables, "comment"), None);
    }

    #[test]
    fn fragments_that_end_in_conf_are_read() {
        assert_eq!(names().number(Table::Tables, "more"), Some(400));
        assert_eq!(names().number(Table::Tables, "readme"), None);
    }

    #[test]
    fn names_of_iproute2_are_known_without_files() {
        let names = Names::read(&World::new(), None, None);
        assert_eq!(names.number(Table::Tables, "main"), Some(254));
        assert_eq!(names.byte(Table::Scopes, "link"), Some(253));
        assert_eq!(names.byte(Table::Protocols, "keepalived"), Some(18));
    }

    #[test]
    fn numbers_stand_for_themselves_up_to_what_the_kernel_takes() {
        assert_eq!(names().number(Table::Tables, "4294967295"), Some(u32::MAX));
        assert_eq!(names().byte(Table::Scopes, "256"), None);
        assert_eq!(names().byte(Table::ServiceTypes, "0x10"), Some(16));
        assert_eq!(names().byte(Table::ServiceTypes, "EF"), Some(0xb8));
    }

    #[test]
    fn realms_are_two_halves() {
        assert_eq!(names().realms("1/2"), Some(0x0001_0002));
        assert_eq!(names().realms("cosmos"), Some(0));
        assert_eq!(names().realms("1/70000"), None);
    }
}
