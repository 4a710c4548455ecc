//! The `op_id`s of requests.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use lastword_events::{Hook, Identity};

use crate::RETAINED_OP_IDS;

/// A request: its session without the scope, its kind, and its `op_id`.
type Op = (Identity, Hook, Arc<str>);

/// The newest `op_id`s.
#[derive(Debug, Default)]
pub(super) struct Ops {
    /// The generation of each request's session, by the scope of the session.
    lines: HashMap<Op, Vec<(Arc<str>, u32)>>,
    order: VecDeque<(Op, Arc<str>)>,
}

impl Ops {
    /// Looks an `op_id` up. An identity without a scope may be of any session of its id.
    pub(super) fn generation(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        let lines = self.lines.get(&(identity.unscoped(), kind, op_id.into()))?;
        let is_meant = |scope: &str| identity.scope.is_empty() || *scope == *identity.scope;
        lines.iter().rev().find(|(scope, _)| is_meant(scope)).map(|(_, generation)| *generation)
    }

    pub(super) fn insert(&mut self, identity: &Identity, kind: Hook, op_id: Arc<str>, generation: u32) {
        let (op, scope) = ((identity.unscoped(), kind, op_id), identity.scope.clone());
        self.lines.entry(op.clone()).or_default().push((scope.clone(), generation));
        self.order.push_back((op, scope));
        if self.order.len() > RETAINED_OP_IDS
            && let Some((oldest, scope)) = self.order.pop_front()
            && let Some(lines) = self.lines.get_mut(&oldest)
        {
            lines.retain(|(of, _)| *of != scope);
            if lines.is_empty() {
                self.lines.remove(&oldest);
            }
        }
    }
}
