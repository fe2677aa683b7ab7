//! What is told without being asked: notifications, which agents and managers call traps.
//!
//! Those of KEEPALIVED-MIB name their objects without an index, as keepalived's do: who listens for them looks for these
//! very names.

use std::net::IpAddr;

use mainstay_agentx::pdu::Binding;
use mainstay_agentx::{Oid, Value};
use mainstay_core::router::{Event, Notification, NotifyObject, NotifyState, Reason, State, Subject};
use mainstay_core::vrrp::packet::Rejection;
use serde::{Deserialize, Serialize};

use super::keepalived;
use super::snapshot::{Instance, Snapshot, initial};
use super::{rfc2787, rfc6527};

/// Something that managers may want to be told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// An instance or a sync group changed its state.
    State(Notification),
    /// A packet for an instance was not accepted.
    Rejected {
        /// Name of the instance.
        instance: String,
        /// Who sent it.
        source: IpAddr,
        /// Why it was not.
        rejection: Rejection,
    },
}

impl Change {
    /// What of an event concerns managers.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let (Subject::Instance(instance), Reason::PacketsRejected { source, rejection, .. }) =
            (&event.subject, &event.reason)
        else {
            return None;
        };
        let change = Self::Rejected { instance: instance.clone(), source: *source, rejection: *rejection };
        (auth_error(*rejection).is_some() || protocol_error(*rejection).is_some()).then_some(change)
    }
}

/// A notification: its name and what belongs to it.
pub type Trap = (Oid, Vec<Binding>);

/// What is told of a change, in keepalived's order.
pub fn traps(snapshot: &Snapshot, change: &Change) -> Vec<Trap> {
    if !snapshot.model.snmp.traps {
        return Vec::new();
    }
    match change {
        Change::State(Notification { object: NotifyObject::Instance(name), state, .. }) => {
            let Some(state) = state_number(*state) else { return Vec::new() };
            instance_changed(snapshot, name, state)
        }
        Change::State(Notification { object: NotifyObject::Group(name), state, .. }) => {
            let Some(state) = state_number(*state) else { return Vec::new() };
            group_changed(snapshot, name, state).into_iter().collect()
        }
        Change::Rejected { instance, source, rejection } => rejected(snapshot, instance, *source, *rejection),
    }
}

/// `VrrpState`, with shutdown(5) and deleted(6); `None` for what is no state.
const fn state_number(state: NotifyState) -> Option<i32> {
    match state {
        NotifyState::Backup => Some(1),
        NotifyState::Master => Some(MASTER),
        NotifyState::Fault => Some(3),
        NotifyState::Stop => Some(5),
        NotifyState::Deleted => Some(6),
        NotifyState::MasterRxLowerPriority | NotifyState::MasterPriority | NotifyState::BackupPriority => {
            None
        }
    }
}

const MASTER: i32 = 2;

fn binding(name: Vec<u32>, value: Value) -> Binding {
    Binding { name: Oid::new(&name), value }
}

fn router_id(snapshot: &Snapshot) -> Binding {
    binding(keepalived::name(&[1, 2, 0]), Value::text(&snapshot.model.process.router_id))
}

fn instance_changed(snapshot: &Snapshot, name: &str, state: i32) -> Vec<Trap> {
    let snmp = &snapshot.model.snmp;
    let mut traps = Vec::new();
    let instance = snapshot.instances().find(|instance| instance.plan.name == name);
    if snmp.vrrp {
        // Also of one that has just ended or left the file.
        let plans = &snapshot.model.router.instances;
        let initial = plans.iter().find(|plan| plan.name == name).map_or(State::Backup, initial);
        let column = |column| keepalived::name(&[2, 3, 1, column]);
        let objects = vec![
            binding(column(2), Value::text(name)),
            binding(column(4), Value::Integer(state)),
            binding(column(5), Value::Integer(keepalived::state(initial))),
            router_id(snapshot),
        ];
        traps.push((Oid::new(&keepalived::name(&[2, 10, 0, 2])), objects));
    }
    if let Some(instance) = instance.filter(|_| state == MASTER) {
        traps.extend(new_master(snapshot, &instance));
    }
    traps
}

fn group_changed(snapshot: &Snapshot, name: &str, state: i32) -> Option<Trap> {
    let column = |column| keepalived::name(&[2, 1, 1, column]);
    let objects = vec![
        binding(column(2), Value::text(name)),
        binding(column(3), Value::Integer(state)),
        router_id(snapshot),
    ];
    snapshot.model.snmp.vrrp.then(|| (Oid::new(&keepalived::name(&[2, 10, 0, 1])), objects))
}

/// `vrrpTrapNewMaster` and `vrrpv3NewMaster`.
fn new_master(snapshot: &Snapshot, instance: &Instance<'_>) -> Vec<Trap> {
    let snmp = &snapshot.model.snmp;
    let mut traps = Vec::new();
    if snmp.rfc2787
        && let Some(index) = rfc2787::index(snapshot, instance)
        && let Some(IpAddr::V4(master)) = rfc2787::master(snapshot, instance)
    {
        let name = rfc2787::name(&[&[1, 3, 1, 7][..], &index].concat());
        let objects = vec![binding(name, Value::IpAddress(master))];
        traps.push((Oid::new(&rfc2787::name(&[0, 1])), objects));
    }
    if snmp.rfc6527
        && let Some(index) = rfc6527::index(snapshot, instance)
    {
        let column = |column: &[u32]| rfc6527::name(&[column, &index].concat());
        let objects = vec![
            binding(column(&[1, 1, 1, 1, 3]), rfc6527::master_of(snapshot, instance)),
            binding(column(&[1, 2, 5, 1, 2]), rfc6527::why_master(instance)),
        ];
        traps.push((Oid::new(&rfc6527::name(&[0, 1])), objects));
    }
    traps
}

/// `vrrpTrapAuthFailure` and `vrrpv3ProtoError`.
fn rejected(snapshot: &Snapshot, name: &str, source: IpAddr, rejection: Rejection) -> Vec<Trap> {
    let snmp = &snapshot.model.snmp;
    let mut traps = Vec::new();
    if snmp.rfc2787
        && let Some(error) = auth_error(rejection)
        && let IpAddr::V4(source) = source
    {
        let objects = vec![
            binding(rfc2787::name(&[1, 5, 0]), Value::IpAddress(source)),
            binding(rfc2787::name(&[1, 6, 0]), Value::Integer(error)),
        ];
        traps.push((Oid::new(&rfc2787::name(&[0, 2])), objects));
    }
    let instance = snapshot.instances().find(|instance| instance.plan.name == name);
    if snmp.rfc6527
        && let Some(error) = protocol_error(rejection)
        && let Some(index) = instance.and_then(|instance| rfc6527::index(snapshot, &instance))
    {
        let name = rfc6527::name(&[&[1, 2, 5, 1, 6][..], &index].concat());
        traps.push((Oid::new(&rfc6527::name(&[0, 2])), vec![binding(name, Value::Integer(error))]));
    }
    traps
}

/// invalidAuthType(1), authTypeMismatch(2), authFailure(3).
const fn auth_error(rejection: Rejection) -> Option<i32> {
    match rejection {
        Rejection::AuthTypeUnknown => Some(1),
        Rejection::AuthTypeMismatch => Some(2),
        Rejection::AuthFailed => Some(3),
        _ => None,
    }
}

/// ipTtlError(1), versionError(2), checksumError(3).
const fn protocol_error(rejection: Rejection) -> Option<i32> {
    match rejection {
        Rejection::Ttl => Some(1),
        Rejection::Version => Some(2),
        Rejection::Checksum => Some(3),
        _ => None,
    }
}
