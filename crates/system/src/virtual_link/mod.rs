//! Links for virtual addresses ([`mainstay_core::link`]): making one with everything that belongs to it, and taking it
//! away.
//!
//! A macvlan with a virtual MAC address must say nothing while another router is master, or the switches send the
//! master's packets to us. So before it is brought up it gets no address that it would announce, and `hush` has its
//! multicast reports leave with the parent's MAC address. It must also be the only link that answers for its
//! addresses (`settings`).

mod hush;
mod settings;

#[cfg(test)]
mod tests;

use mainstay_core::link::{FoundSetting, VirtualKind, VirtualLink};

use crate::error::{Error, Result};
use crate::netlink::{Description, Writer};

/// `MACVLAN_MODE_PRIVATE` of `linux/if_link.h`.
const PRIVATE: u32 = 1;

/// What came of making a link.
#[derive(Debug, Default)]
pub struct Made {
    /// What was changed for it on other links, as it was before.
    pub found: Vec<FoundSetting>,
    /// What could not be done, and is no reason to do without the link.
    pub complaints: Vec<Error>,
}

/// Makes the link and brings it up. One of this name and kind on this parent is adopted.
///
/// # Errors
/// When the parent is missing (`ENODEV`), something else has the name (`EEXIST`), or the kernel refuses.
pub fn make(writer: &mut Writer, link: &VirtualLink) -> Result<Made> {
    let failed = |operation| Error::of(operation, link.to_string());
    let missing = || std::io::Error::from_raw_os_error(libc::ENODEV);
    let parent = writer.describe(&link.parent).and_then(|parent| parent.ok_or_else(missing));
    let parent = parent.map_err(failed("find what carries"))?;
    let there = match writer.describe(&link.name).map_err(failed("look for"))? {
        Some(there) if is_like(&there, link, &parent) => there,
        Some(_) => return Err(failed("make")(std::io::Error::from_raw_os_error(libc::EEXIST))),
        None => {
            writer.create(link, &parent).map_err(failed("make"))?;
            let made = writer.describe(&link.name).and_then(|made| made.ok_or_else(missing));
            made.map_err(failed("find"))?
        }
    };
    let index = there.link.index.0;
    let mut made = Made::default();
    if let VirtualKind::Macvlan { mac } = link.kind {
        if there.link.mac != Some(mac) {
            writer.readdress(index, mac).map_err(failed("change the MAC address of"))?;
        }
        settings::apply(link, &mut made);
        if let Some(of_parent) = parent.link.mac
            && let Err(error) = hush::begin(&link.name, of_parent)
        {
            made.complaints.push(error);
        }
    }
    writer.bring_up(index).map_err(failed("bring up"))?;
    Ok(made)
}

/// Removes the link, if it is the one that was made; one that is gone is no error.
///
/// # Errors
/// When the kernel refuses.
pub fn remove(writer: &mut Writer, link: &VirtualLink) -> Result<()> {
    let failed = |operation| Error::of(operation, link.to_string());
    let there = writer.describe(&link.name).map_err(failed("look for"))?;
    let has_kind = |there: &Description| there.kind == kind(link);
    let removed = match there.filter(has_kind) {
        Some(_) => writer.delete(&link.name).map_err(failed("remove")),
        None => Ok(()),
    };
    // Where there are no nftables there is nothing to be ended.
    let _ = hush::end(&link.name);
    removed
}

/// Whether there is a macvlan in private mode of this name, on this parent and with this MAC address.
#[must_use]
pub fn is_macvlan(name: &str, parent: &str, mac: [u8; 6]) -> bool {
    let Ok(mut writer) = Writer::open() else { return false };
    let mut describe = |name: &str| writer.describe(name).ok().flatten();
    let (Some(there), Some(parent)) = (describe(name), describe(parent)) else { return false };
    there.kind == "macvlan"
        && there.mode == Some(PRIVATE)
        && there.link.parent == Some(parent.link.index)
        && there.link.mac == Some(mac)
}

/// Gives settings back their values. A link that is gone has none; whatever else fails is returned.
pub fn restore(found: &[FoundSetting]) -> Vec<Error> {
    settings::restore(found)
}

fn is_like(there: &Description, link: &VirtualLink, parent: &Description) -> bool {
    let same_mode = match link.kind {
        VirtualKind::Macvlan { .. } => there.mode == Some(PRIVATE),
        VirtualKind::Ipvlan(_) => true,
    };
    there.kind == kind(link) && there.link.parent == Some(parent.link.index) && same_mode
}

const fn kind(link: &VirtualLink) -> &'static str {
    match link.kind {
        VirtualKind::Macvlan { .. } => "macvlan",
        VirtualKind::Ipvlan(_) => "ipvlan",
    }
}
