//! Values of objects (RFC 2741 section 5.4).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::oid::Oid;

/// A value, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// INTEGER, Integer32, enumerations, `TruthValue`.
    Integer(i32),
    /// OCTET STRING, `DisplayString`, `InetAddress`.
    Octets(Vec<u8>),
    /// No value.
    Null,
    /// The name of another object.
    Oid(Oid),
    /// The old type for IPv4 addresses.
    IpAddress(Ipv4Addr),
    /// Counts up and wraps.
    Counter32(u32),
    /// Goes up and down; Unsigned32.
    Gauge32(u32),
    /// Hundredths of a second.
    TimeTicks(u32),
    /// Bytes of another encoding.
    Opaque(Vec<u8>),
    /// Counts up and wraps, later.
    Counter64(u64),
    /// There is no such object.
    NoSuchObject,
    /// There is such an object, and no such row of it.
    NoSuchInstance,
    /// Nothing follows.
    EndOfMibView,
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Octets(text.as_bytes().to_vec())
    }

    /// An `InetAddress` (RFC 4001): four or sixteen bytes.
    #[must_use]
    pub fn inet(address: IpAddr) -> Self {
        Self::Octets(match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        })
    }

    /// An `InetAddressType` (RFC 4001).
    #[must_use]
    pub const fn inet_type(address: IpAddr) -> Self {
        Self::Integer(if address.is_ipv4() { 1 } else { 2 })
    }

    /// A `TruthValue` (RFC 2579), and any enumeration that begins with `enabled(1), disabled(2)`.
    #[must_use]
    pub const fn truth(is_so: bool) -> Self {
        Self::Integer(if is_so { 1 } else { 2 })
    }

    /// Of a counter of 64 bits, what 32 hold: it wraps, as a Counter32 must.
    #[must_use]
    pub const fn counter32(count: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a Counter32 wraps")]
        Self::Counter32(count as u32)
    }

    /// A gauge, which stays at its greatest value rather than wrap (RFC 2578 section 7.1.7).
    #[must_use]
    pub fn gauge(number: impl TryInto<u32>) -> Self {
        Self::Gauge32(number.try_into().unwrap_or(u32::MAX))
    }

    /// A whole number; one that does not fit stays at the nearest end.
    #[must_use]
    pub fn integer(number: i64) -> Self {
        let end = if number < 0 { i32::MIN } else { i32::MAX };
        Self::Integer(i32::try_from(number).unwrap_or(end))
    }

    /// A time in hundredths of a second, which wraps after 497 days as `sysUpTime` does.
    #[must_use]
    pub const fn ticks(time: Duration) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "TimeTicks wrap")]
        Self::TimeTicks((time.as_millis() / 10) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_wrap_and_gauges_stay_at_their_greatest_value() {
        assert_eq!(Value::counter32((1 << 32) + 5), Value::Counter32(5));
        assert_eq!(Value::gauge(u64::MAX), Value::Gauge32(u32::MAX));
        assert_eq!(Value::integer(i64::MIN), Value::Integer(i32::MIN));
        assert_eq!(Value::integer(1 << 40), Value::Integer(i32::MAX));
        assert_eq!(Value::ticks(Duration::from_secs(1)), Value::TimeTicks(100));
        assert_eq!(Value::ticks(Duration::from_millis(((1 << 32) + 7) * 10)), Value::TimeTicks(7));
    }
}
