//! Any bytes at all as a VRRP message: nothing panics, and what is accepted keeps the parser's promises.
//!
//! The first byte of the input chooses version, family and checks; the rest is the payload after the IP header.

#![no_main]

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mainstay_core::address::Family;
use mainstay_core::router::plan::{Authentication, Version};
use mainstay_core::secret::Password;
use mainstay_core::vrrp::ah::{self, Envelope, Outside};
use mainstay_core::vrrp::packet::{AuthType, Emit, Message, ParseContext, emit, parse, peek_vrid};
use mainstay_core::vrrp::signature::{AntiReplay, Mode, NumberedKey, SignaturePlan, Signed, Stamp};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, payload)) = input.split_first() else { return };
    let context = context(choice);
    let _ = peek_vrid(payload);
    if let Some(outside) = Outside::of(context.source, context.destination, choice, 1) {
        assert_eq!(ah::verify(outside, &Password::from(*b"any key\0"), payload), None);
        let _ = Envelope::Ah { identification: 1 }.message(payload);
    }
    let Ok(message) = parse(payload, context) else { return };

    let addresses: Vec<IpAddr> = message.addresses().collect();
    assert!(!addresses.is_empty() && !message.interval.is_zero());
    assert!(message.lists(&addresses));
    let authentication = match (message.auth_type, message.auth_data) {
        (AuthType::Pass, Some(data)) => Authentication::Pass((*data).into()),
        (AuthType::Ah, Some(data)) => Authentication::Ah((*data).into()),
        (AuthType::None | AuthType::Pass | AuthType::Ah, _) => Authentication::None,
    };
    assert_eq!(message.authenticate(&authentication), Ok(()));

    if let Some(signature) = message.signature {
        let Message { version, vrid, unsigned, .. } = message;
        let signed = Signed { version, vrid, source: context.source, message: unsigned };
        assert!(plan().verify(signed, signature, Stamp::default()).is_err(), "nobody guesses a signature");
        let signature = plan().sign(signed, Stamp::default());
        assert_eq!(plan().verify(signed, &signature, Stamp::default()), Ok(Stamp::default()));
    }

    // What was understood can be said again, and is then understood as the same.
    let again = emit(&Emit {
        version: message.version,
        vrid: message.vrid,
        priority: message.priority,
        interval: message.interval,
        addresses: &addresses,
        authentication: &authentication,
        source: context.source,
        destination: context.destination,
        without_pseudo_header: message.is_in_rfc9568_form(),
    });
    let again = parse(&again, ParseContext { verify: true, ..context }).expect("our own message");
    assert_eq!((again.vrid, again.priority), (message.vrid, message.priority));
    assert_eq!(again.interval, message.interval);
    assert!(again.addresses().eq(addresses));
});

/// With one key.
fn plan() -> SignaturePlan {
    let key = NumberedKey { id: NonZeroU8::MIN, secret: vec![7; 32].into() };
    SignaturePlan {
        keys: vec![key],
        active: NonZeroU8::MIN,
        window: Duration::from_secs(5),
        anti_replay: AntiReplay::Monotonic,
        mode: Mode::Enforce,
    }
}

fn context(choice: u8) -> ParseContext {
    let (family, source, destination): (_, &str, &str) = if choice & 1 == 0 {
        (Family::V4, "192.0.2.251", "224.0.0.18")
    } else {
        (Family::V6, "fe80::c8", "ff02::12")
    };
    ParseContext {
        version: if choice & 2 == 0 { Version::V3 } else { Version::V2 },
        family,
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
        // A checksum stops nearly all random input, so half of the inputs go without.
        verify: choice & 4 != 0,
        strict: choice & 8 != 0,
        may_be_signed: choice & 16 != 0,
    }
}
