//! The daemon: three processes of one binary, and the commands beside it.
//!
//! Read in this order: [`frames`] (what the processes say to each other), then the roles.

pub mod demo;
pub mod frames;
pub mod lab;

// The router process is `router::run(Channel<ToRouter, FromRouter>)`, called by `main` for its hidden role: it reads
// `ToRouter::Start` itself.
