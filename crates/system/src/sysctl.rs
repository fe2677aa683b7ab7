//! The few kernel settings per link that Mainstay reads or writes. Of the namespace of the calling thread.

use std::fs;
use std::io;

use mainstay_core::address::Family;

use crate::error::{Error, Result};

/// Lets the kernel keep the other addresses of a subnet when the first one is removed.
///
/// # Errors
/// When there is no such link, or the process may not.
pub fn promote_secondaries(link: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv4/conf/{}/promote_secondaries", component(link));
    fs::write(path, "1").map_err(Error::of("set promote_secondaries of", link))
}

/// Whether a link forwards IPv6 packets; false if nobody knows.
#[must_use]
pub fn forwards_ipv6(link: &str) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{}/forwarding", component(link));
    fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}

/// Reads a number in `net.ipv4.conf` (or `net.ipv6.conf`) of a link, of `all` or of `default`.
///
/// # Errors
/// When there is no such link, or no such setting.
pub fn read(family: Family, link: &str, setting: &str) -> Result<i32> {
    let number = |text: String| text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
    fs::read_to_string(path(family, link, setting))
        .and_then(number)
        .map_err(Error::of("read a setting of the kernel:", format!("{setting} of {link}")))
}

/// Writes one; one that has the value already is left alone, so that a read-only `/proc/sys` is no obstacle.
///
/// # Errors
/// When there is no such link or setting, or the process may not.
pub fn write(family: Family, link: &str, setting: &str, value: i32) -> Result<()> {
    if read(family, link, setting).is_ok_and(|now| now == value) {
        return Ok(());
    }
    fs::write(path(family, link, setting), value.to_string())
        .map_err(Error::of("change a setting of the kernel:", format!("{setting} of {link} to {value}")))
}

/// The links that have settings of IPv4: all but `all`; `default` is what new ones begin with.
///
/// # Errors
/// When there is no `/proc/sys`.
pub fn links_and_default() -> Result<Vec<String>> {
    let names = |folder: fs::ReadDir| -> io::Result<Vec<String>> {
        folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let mut links = fs::read_dir("/proc/sys/net/ipv4/conf")
        .and_then(names)
        .map_err(Error::of("list", "the settings of links"))?;
    links.retain(|link| link != "all");
    Ok(links)
}

fn path(family: Family, link: &str, setting: &str) -> String {
    let version = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    format!("/proc/sys/net/{version}/conf/{}/{setting}", component(link))
}

/// A link's name as one component of a path: the kernel allows neither a slash nor dots alone, a configuration might.
fn component(link: &str) -> &str {
    if link.contains('/') || link == "." || link == ".." { "" } else { link }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab;

    #[test]
    fn settings_are_those_of_the_link_in_our_namespace() {
        lab::in_new_namespace(|| {
            lab::link("x0.5");
            let read =
                || fs::read_to_string("/proc/sys/net/ipv4/conf/x0.5/promote_secondaries").expect("reads");
            fs::write("/proc/sys/net/ipv4/conf/x0.5/promote_secondaries", "0").expect("writes");
            promote_secondaries("x0.5").expect("sets");
            assert_eq!(read().trim(), "1");
            assert!(!forwards_ipv6("x0.5"));
            fs::write("/proc/sys/net/ipv6/conf/x0.5/forwarding", "1").expect("writes");
            assert!(forwards_ipv6("x0.5"));
        });
    }

    #[test]
    fn a_link_that_is_not_there_is_an_error_with_its_name() {
        for link in ["system-none", "../all"] {
            let error = promote_secondaries(link).expect_err("no such link");
            assert!(
                error.to_string().starts_with(&format!("cannot set promote_secondaries of {link}")),
                "{error}"
            );
        }
        assert!(!forwards_ipv6("../all"));
    }
}
