//! Bytes and messages, side by side.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

/// The open message net-snmp itself sends looks like this: `1.3.6.1.4.1.8072` is written with the prefix 4.
#[test]
fn an_open_message_has_the_bytes_of_the_rfc() {
    let body =
        Body::Open { timeout_s: 5, id: Oid::new(&[1, 3, 6, 1, 4, 1, 8072]), description: b"abcde".to_vec() };
    let pdu = Pdu { session: 0, transaction: 1, packet: 2, context: None, body };
    let expected = [
        1, 1, 0x10, 0, // version, Open, big endian
        0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, // session, transaction, packet
        0, 0, 0, 28, // payload
        5, 0, 0, 0, // timeout
        2, 4, 0, 0, 0, 0, 0, 1, 0, 0, 31, 136, // two numbers after 1.3.6.1.4
        0, 0, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 0, // a text with its padding
    ];
    assert_eq!(emit(&pdu), expected);
    assert_eq!(parse(&expected), Ok(pdu));
}

#[test]
fn little_endian_is_read_too() {
    let get_next = [
        1, 6, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 20, 0, 0, 0, //
        1, 2, 1, 0, 68, 0, 0, 0, // from 1.3.6.1.2.68, included
        2, 2, 0, 0, 68, 0, 0, 0, 1, 0, 0, 0, // to 1.3.6.1.2.68.1
    ];
    let range = Range {
        start: Oid::new(&[1, 3, 6, 1, 2, 68]),
        include: true,
        end: Oid::new(&[1, 3, 6, 1, 2, 68, 1]),
    };
    let body = Body::GetNext(vec![range]);
    assert_eq!(parse(&get_next), Ok(Pdu { session: 9, transaction: 1, packet: 2, context: None, body }));
}

#[test]
fn what_is_cut_short_or_too_long_is_refused() {
    let pdu =
        Pdu { session: 1, transaction: 2, packet: 3, context: Some(b"ctx".to_vec()), body: some_response() };
    let whole = emit(&pdu);
    assert_eq!(parse(&whole), Ok(pdu));
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "{length} bytes");
    }
    let mut longer = whole.clone();
    longer.extend([0; 4]);
    assert_eq!(parse(&longer), Err(ParseError::Length));
    let mut header = [0; HEADER];
    header.copy_from_slice(&whole[..HEADER]);
    header[16] = 0xff;
    assert!(matches!(total_length(&header), Err(ParseError::TooLong(_))));
    header[0] = 2;
    assert_eq!(total_length(&header), Err(ParseError::Version(2)));
}

fn some_response() -> Body {
    let values = [
        Value::Integer(-5),
        Value::Octets(vec![1, 2, 3]),
        Value::Null,
        Value::Oid(Oid::new(&[1, 3, 6, 1, 4])),
        Value::IpAddress(Ipv4Addr::new(192, 0, 2, 1)),
        Value::Counter32(u32::MAX),
        Value::Gauge32(7),
        Value::TimeTicks(8),
        Value::Opaque(vec![9]),
        Value::Counter64(u64::MAX - 1),
        Value::NoSuchObject,
        Value::NoSuchInstance,
        Value::EndOfMibView,
    ];
    let name = Oid::new(&[1, 3, 6, 1, 300, 2]);
    let bindings = values.map(|value| Binding { name: name.clone(), value }).to_vec();
    Body::Response { uptime: 1, error: 5, index: 2, bindings }
}

#[test]
fn a_name_of_exactly_the_prefix_is_not_shortened() {
    for numbers in [&[1, 3, 6, 1][..], &[1, 3, 6, 1, 0, 4], &[1, 3, 6, 1, 256], &[], &[1, 3, 6]] {
        let body = Body::Get(vec![Oid::new(numbers)]);
        let pdu = Pdu { session: 1, transaction: 1, packet: 1, context: None, body };
        assert_eq!(parse(&emit(&pdu)), Ok(pdu));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_what_was_read_is_written_back(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 1u8..20, little in any::<bool>()) {
        let payload = bytes.len() / 4 * 4;
        let mut message = vec![1, kind, if little { 0 } else { 0x10 }, 0];
        message.extend([0; 12]);
        let length = u32::try_from(payload).expect("short");
        message.extend(if little { length.to_le_bytes() } else { length.to_be_bytes() });
        message.extend(&bytes[..payload]);
        if let Ok(pdu) = parse(&message)
            && !matches!(pdu.body, Body::Other(_))
        {
            prop_assert_eq!(parse(&emit(&pdu)), Ok(pdu));
        }
    }

    #[test]
    fn names_survive(numbers in prop::collection::vec(any::<u32>(), 0..=128), with_prefix in any::<bool>()) {
        let mut name = if with_prefix { vec![1, 3, 6, 1, 4] } else { Vec::new() };
        name.extend(numbers);
        let body = Body::GetNext(vec![Range { start: Oid::new(&name), include: true, end: Oid::default() }]);
        let pdu = Pdu { session: 1, transaction: 1, packet: 1, context: None, body };
        prop_assert_eq!(parse(&emit(&pdu)), Ok(pdu));
    }
}
