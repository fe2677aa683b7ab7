//! IPVS in the guest's kernel: our bytes against `ipvsadm`, our table in memory against the kernel's, and traffic.

mod against_ipvsadm;
mod daemons;
mod model;
mod reconciliation;
mod scale;
mod traffic;
mod words;
