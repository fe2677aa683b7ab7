//! Probes against real servers and against servers that misbehave.
//!
//! Every test has a loopback address of its own, so they can run at once, and with everything else on the machine.

mod connection;
mod datagrams;
mod dns;
mod grpc;
mod harness;
mod http;
mod misbehaving;
mod smtp;
mod tls;
