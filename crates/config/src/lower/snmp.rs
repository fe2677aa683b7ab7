//! What is told by SNMP, and where the SNMP agent of the machine is.

use super::Lowering;
use super::global::complained;
use crate::tree::Statement;

/// Takes in one statement of `global_defs`; says whether it was one about SNMP.
pub(crate) fn word(lowering: &mut Lowering<'_>, statement: &Statement) -> bool {
    let snmp = &mut lowering.model.snmp;
    match statement.keyword() {
        "enable_snmp_vrrp" | "enable_snmp_keepalived" => snmp.vrrp = true,
        "enable_snmp_rfc" => (snmp.rfc2787, snmp.rfc6527) = (true, true),
        "enable_snmp_rfcv2" => snmp.rfc2787 = true,
        "enable_snmp_rfcv3" => snmp.rfc6527 = true,
        "enable_snmp_checker" => {
            snmp.servers = true;
            // Virtual servers come later, which is still to be said.
            return false;
        }
        "enable_traps" => snmp.traps = true,
        "snmp_socket" => {
            if let Some(word) = complained(lowering, statement, "a path, or proto:address") {
                let socket = word.text.clone();
                lowering.model.snmp.socket = Some(socket);
            }
        }
        _ => return false,
    }
    true
}
