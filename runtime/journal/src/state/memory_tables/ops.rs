//! The `op_id`s of requests.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use lastword_events::{Hook, Identity, Scope};

use super::rows::Row;
use crate::RETAINED_OP_IDS;

/// A request: its session without the scope, its kind, and its `op_id`.
pub(super) type Op = (Identity, Hook, Arc<str>);

/// The newest `op_id`s.
#[derive(Clone, Debug, Default)]
pub(super) struct Ops {
    /// The generation of each request's session, by the scope of the session.
    lines: HashMap<Op, Vec<(Scope, u32)>>,
    order: VecDeque<(Op, Scope)>,
}

impl Ops {
    /// Looks an `op_id` up. An identity without a scope may be of any session of its id.
    pub(super) fn generation(&self, identity: &Identity, kind: Hook, op_id: &str) -> Option<u32> {
        let lines = self.lines.get(&(identity.unscoped().into_owned(), kind, op_id.into()))?;
        let is_meant = |scope: &str| identity.scope.is_empty() || *scope == *identity.scope;
        lines.iter().rev().find(|(scope, _)| is_meant(scope)).map(|(_, generation)| *generation)
    }

    pub(super) fn insert(&mut self, identity: &Identity, kind: Hook, op_id: Arc<str>, generation: u32) {
        self.restore((identity.unscoped().into_owned(), kind, op_id), identity.scope.clone(), generation);
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

    /// In their order, so that [`restore`](Self::restore) makes the same of them.
    pub(super) fn into_rows(self) -> impl Iterator<Item = Row> + Send {
        let Self { lines, order } = self;
        order.into_iter().filter_map(move |(op, scope)| {
            let (_, generation) = lines.get(&op)?.iter().find(|(of, _)| *of == scope)?;
            let (id, kind, op_id) = op;
            Some(Row::OpId { id, kind, op_id, scope, generation: *generation })
        })
    }

    pub(super) fn restore(&mut self, op: Op, scope: Scope, generation: u32) {
        self.lines.entry(op.clone()).or_default().push((scope.clone(), generation));
        self.order.push_back((op, scope));
    }
}
