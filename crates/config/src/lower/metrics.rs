//! Metrics (`RTAX_*`) and tunnels (`encap`) of a route.

use mainstay_core::address::{Encapsulation, Family, Route, RouteMetric};

use super::Lowering;
use super::routes::{expected, plain};
use super::values::{address, any_base, boolean, following};
use crate::tree::Word;

const RTAX_RTT: u8 = 4;
const RTAX_RTTVAR: u8 = 5;
const RTAX_FEATURES: u8 = 12;
const RTAX_RTO_MIN: u8 = 13;
const RTAX_QUICKACK: u8 = 15;
const RTAX_CC_ALGO: u8 = 16;

/// `RTAX_FEATURE_ECN`.
const FEATURE_ECN: u32 = 1;

/// The number of a metric by its word.
pub(crate) fn number_of(word: &str) -> Option<u8> {
    Some(match word {
        "mtu" => 2,
        "window" => 3,
        "rtt" => RTAX_RTT,
        "rttvar" => RTAX_RTTVAR,
        "ssthresh" => 6,
        "cwnd" => 7,
        "advmss" => 8,
        "reordering" => 9,
        "hoplimit" => 10,
        "initcwnd" => 11,
        "features" => RTAX_FEATURES,
        "rto_min" => RTAX_RTO_MIN,
        "initrwnd" => 14,
        "quickack" => RTAX_QUICKACK,
        "congctl" => RTAX_CC_ALGO,
        "fastopen_no_cookie" => 17,
        _ => return None,
    })
}

/// `WORD [lock] VALUE`.
pub(crate) fn metric(
    lowering: &mut Lowering<'_>,
    route: &mut Route,
    number: u8,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<()> {
    let mut value = following(&mut lowering.report, word, words, "its value")?;
    let locked = value.text == "lock";
    if locked {
        value = following(&mut lowering.report, word, words, "its value")?;
    }
    if number == RTAX_CC_ALGO {
        route.congestion_control = Some((value.text.clone(), locked));
        return Some(());
    }
    let text = value.text.as_str();
    let parsed = match number {
        // The kernel counts in 1/8 ms and 1/4 ms; a bare number is already in that unit for iproute2's `raw` form.
        RTAX_RTT => milliseconds(text, 8),
        RTAX_RTTVAR => milliseconds(text, 4),
        RTAX_RTO_MIN => milliseconds(text, 1),
        RTAX_FEATURES => (text == "ecn").then_some(FEATURE_ECN),
        // DIFFERS: keepalived only takes 0 and 1, its manual says BOOL.
        RTAX_QUICKACK => boolean(text).map(u32::from).or_else(|| small(text)),
        _ => any_base(text).and_then(|value| u32::try_from(value).ok()),
    };
    let parsed = expected(lowering, parsed, value, "the value of this metric")?;
    route.metrics.retain(|metric| metric.number != number);
    route.metrics.push(RouteMetric { number, value: parsed, locked });
    Some(())
}

fn small(text: &str) -> Option<u32> {
    text.parse().ok().filter(|value| *value <= 1)
}

/// `100`, `100ms`, `1.5s` as a multiple of 1/`parts` ms.
fn milliseconds(text: &str, parts: u32) -> Option<u32> {
    let (number, unit) = if let Some(number) = text.strip_suffix("ms") {
        (number, f64::from(parts))
    } else if let Some(number) = text.strip_suffix('s') {
        (number, f64::from(parts) * 1000.0)
    } else {
        return text.parse().ok();
    };
    let value = number.parse::<f64>().ok().filter(|value| (0.0..=1e9).contains(value))? * unit;
    // In range by the filter above: at most 8e12 would not fit.
    (value <= f64::from(u32::MAX)).then_some(value.round() as u32)
}

/// `encap mpls LABELS | ip|ip6 OPTION VALUE .. | ila LOCATOR`.
pub(crate) fn encapsulation(
    lowering: &mut Lowering<'_>,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<Encapsulation> {
    let kind = following(&mut lowering.report, word, words, "mpls, ip, ip6 or ila")?;
    match kind.text.as_str() {
        "mpls" => {
            let value = following(&mut lowering.report, kind, words, "its labels")?;
            let labels: Option<Vec<u32>> = value
                .text
                .split('/')
                .map(|label| label.parse().ok().filter(|label| *label < 1 << 20))
                .collect();
            expected(lowering, labels, value, "labels up to 1048575 joined by /").map(Encapsulation::Mpls)
        }
        "ila" => {
            let value = following(&mut lowering.report, kind, words, "a locator")?;
            expected(lowering, locator(&value.text), value, "a locator as in 1:2:3:4").map(Encapsulation::Ila)
        }
        "ip" => tunnel(lowering, Family::V4, words),
        "ip6" => tunnel(lowering, Family::V6, words),
        _ => expected(lowering, None, kind, "mpls, ip, ip6 or ila"),
    }
}

/// The options of `encap ip|ip6`, up to the first word that is none of them.
fn tunnel(
    lowering: &mut Lowering<'_>,
    family: Family,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<Encapsulation> {
    let (mut id, mut destination, mut source, mut tos, mut ttl, mut flags) =
        (None, None, None, None, None, None);
    while let Some(option) = words.as_slice().first() {
        if !matches!(option.text.as_str(), "id" | "dst" | "src" | "tos" | "tc" | "ttl" | "hoplimit" | "flags")
        {
            break;
        }
        words.next();
        if matches!(option.text.as_str(), "dst" | "src") {
            let value = following(&mut lowering.report, option, words, "an address")?;
            let found = address(&value.text).filter(|address| Family::of(*address) == family);
            let found = expected(lowering, found, value, &format!("an {family} address"))?;
            if option.text == "dst" {
                destination = Some(found)
            } else {
                source = Some(found)
            }
            continue;
        }
        if option.text == "id" {
            let value = following(&mut lowering.report, option, words, "a number")?;
            id = Some(expected(lowering, any_base(&value.text), value, "a number of 64 bits")?);
            continue;
        }
        let place = option;
        let value = plain(lowering, option, words)?;
        match option.text.as_str() {
            "flags" => flags = Some(expected(lowering, u16::try_from(value).ok(), place, "16 bits")?),
            "tos" | "tc" => tos = Some(expected(lowering, u8::try_from(value).ok(), place, "8 bits")?),
            _ => ttl = Some(expected(lowering, u8::try_from(value).ok(), place, "8 bits")?),
        }
    }
    Some(Encapsulation::Ip { family, id, destination, source, tos, ttl, flags })
}

/// Four groups of 16 bits, `a:b:c:d`.
fn locator(text: &str) -> Option<u64> {
    let groups: Option<Vec<u64>> =
        text.split(':').map(|group| u16::from_str_radix(group, 16).ok().map(u64::from)).collect();
    let groups = groups.filter(|groups| groups.len() == 4)?;
    Some(groups.iter().fold(0, |locator, group| locator << 16 | group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(milliseconds("100", 8), Some(100));
        assert_eq!(milliseconds("100ms", 8), Some(800));
        assert_eq!(milliseconds("1.5s", 4), Some(6000));
        assert_eq!(milliseconds("x", 4), None);
        assert_eq!(milliseconds("1e99s", 8), None);
    }

    #[test]
    fn a_locator_has_four_groups() {
        assert_eq!(locator("1:2:3:4"), Some(0x0001_0002_0003_0004));
        assert_eq!(locator("1:2:3"), None);
    }
}
