//! The supervisor with real children, real scripts and a real (if lonely) network: one node, one virtual address.
//!
//! Needs the right to make network namespaces. Read in this order: [`stage`], then the files about one thing each.

mod children;
mod control;
mod metrics;
mod reload;
mod scripts;
mod stage;
mod startup;
