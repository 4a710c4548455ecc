//! Limits the bytes of all request bodies that the server holds at once.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use parking_lot::Mutex;

use super::problem::Problem;

/// The room for all held bodies, and for those of each tenant.
#[derive(Debug)]
pub(crate) struct Bodies {
    room: Arc<Room>,
}

#[derive(Debug)]
struct Room {
    most: usize,
    most_of_tenant: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    /// Bytes of each tenant that holds any.
    of: HashMap<Arc<str>, usize>,
}

/// A body, or data made of it. Dropping it frees its room.
#[derive(Debug)]
pub(crate) struct HeldBody {
    room: Arc<Room>,
    /// `None` for a caller of every tenant.
    tenant: Option<Arc<str>>,
    /// The bytes charged: the allocated capacity.
    counted: usize,
    bytes: Vec<u8>,
}

impl Bodies {
    pub(crate) fn new(most: usize, most_of_tenant: usize) -> Self {
        Self { room: Arc::new(Room { most, most_of_tenant, held: Mutex::default() }) }
    }

    /// Begins an empty body.
    pub(super) fn begin(&self, tenant: Option<Arc<str>>) -> HeldBody {
        HeldBody { room: self.room.clone(), tenant, counted: 0, bytes: Vec::new() }
    }
}

impl HeldBody {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a piece, if there is room.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Problem> {
        let needs = self.bytes.len().saturating_add(piece.len());
        if needs > self.bytes.capacity() {
            // Doubles the capacity, so that a body of many small pieces is not moved for each.
            let most = self.room.most.min(self.room.most_of_tenant);
            let wanted = self.bytes.capacity().saturating_mul(2).min(most).max(needs);
            self.room.take(self.tenant.as_ref(), wanted - self.counted)?;
            self.counted = wanted;
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

impl Room {
    fn take(&self, tenant: Option<&Arc<str>>, more: usize) -> Result<(), Problem> {
        let mut held = self.held.lock();
        if held.bytes.saturating_add(more) > self.most {
            let detail = "the bodies of requests take all the room that they may: try it again";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_bodies", detail));
        }
        if let Some(tenant) = tenant {
            let has = held.of.get(tenant).copied().unwrap_or(0).saturating_add(more);
            if has > self.most_of_tenant {
                let detail = "the bodies of this tenant's requests take all the room that they may: try it again";
                return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_bodies", detail));
            }
            held.of.insert(tenant.clone(), has);
        }
        held.bytes += more;
        Ok(())
    }

    fn give_back(&self, tenant: Option<&Arc<str>>, bytes: usize) {
        let mut held = self.held.lock();
        held.bytes = held.bytes.saturating_sub(bytes);
        let Some(tenant) = tenant else { return };
        let left = held.of.get(tenant).copied().unwrap_or(0).saturating_sub(bytes);
        if left == 0 {
            held.of.remove(tenant);
        } else {
            held.of.insert(tenant.clone(), left);
        }
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.room.give_back(self.tenant.as_ref(), self.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn status(refused: Result<(), Problem>) -> u16 {
        refused.unwrap_err().into_response().status().as_u16()
    }

    #[test]
    fn bodies_have_so_much_room_together_and_a_tenant_leaves_the_others_theirs() {
        let bodies = Bodies::new(100, 60);
        let of = |tenant: &str| bodies.begin(Some(tenant.into()));
        let (mut a, mut also_a, mut b) = (of("a"), of("a"), of("b"));
        a.push(&[0; 50]).unwrap();
        assert_eq!(status(also_a.push(&[0; 20])), 429);
        b.push(&[0; 40]).unwrap();
        assert_eq!(status(bodies.begin(None).push(&[0; 20])), 503);
        drop(a);
        also_a.push(&[0; 20]).unwrap();
        assert_eq!(also_a.bytes(), [0; 20]);
        drop((also_a, b));
        let held = bodies.room.held.lock();
        assert!(held.bytes == 0 && held.of.is_empty(), "{held:?}");
    }

    #[test]
    fn a_body_of_single_bytes_counts_for_what_is_allocated() {
        let bodies = Bodies::new(1 << 20, 1 << 20);
        let mut body = bodies.begin(None);
        for byte in 0..100_u8 {
            body.push(&[byte]).unwrap();
        }
        assert_eq!(body.bytes(), (0..100).collect::<Vec<u8>>());
        assert!(body.bytes.capacity() <= body.counted && body.counted <= 200, "{}", body.counted);
        assert_eq!(bodies.room.held.lock().bytes, body.counted);
    }
}
