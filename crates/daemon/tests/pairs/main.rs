//! Real daemons with real sockets in real (if small) networks: pairs of Mainstay, keepalived and FRR.
//!
//! Needs the right to make network namespaces, and the Debian packages keepalived, frr, snmpd, tcpdump and tshark; `cargo
//! xtask test` sees to that. Read in this order: [`scene`] (the stage), [`takeover`] and [`matrix`] (what every pairing
//! must do), then the files about one thing each.

mod scene;

mod takeover;

mod matrix;

mod tracking;

mod bfd;

mod notify;

mod mail;

mod dumps;

mod snmp;

mod reload;

mod crash;

mod paths;

mod vmac;

mod accept;

mod lease;

mod kernel;

mod bad_packets;

mod alarms;

mod auth;

mod signature;

mod record;

mod tutorials;

mod lab_itself;
