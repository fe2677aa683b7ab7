//! The gates of the VIP lease.

use super::Router;
use super::action::{Actions, Subject};
use super::reason::Reason;
use crate::time::Instant;

impl Router {
    /// The kernel would not make the gates: VRRP goes on without them.
    pub(super) fn gates_refused(&mut self, now: Instant, errno: i32, actions: &mut Actions) {
        let operation = "make the gates of the VIP lease".into();
        self.tell(now, Subject::Node, Reason::Refused { operation, errno }, actions);
    }
}
