//! The limits of one guest call, and its use of them.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use crate::{account::Account, allow_list::AllowList, error::EgressError, limits::Limits};

/// One guest call's right to send requests. Shared by all its requests; drop it with the call.
#[derive(Debug)]
pub struct Allowance {
    account: Account,
    allow_list: Arc<AllowList>,
    limits: Limits,
    requests: AtomicU32,
    request_body_bytes: AtomicU64,
    /// Bytes of request bodies, sent or not, that [`Allowance::take_request_body`] has counted.
    taken_body_bytes: AtomicU64,
    too_much_taken: AtomicBool,
    response_body_bytes: AtomicU64,
    refusals: AtomicU32,
    first_refusal: OnceLock<String>,
}

/// A call's use so far, for its report and for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Requests within the limit, refused ones included.
    pub requests: u32,
    /// Bytes of request bodies that were passed on.
    pub request_body_bytes: u64,
    /// Bytes of response bodies that were passed on.
    pub response_body_bytes: u64,
    /// Requests that a rule forbade: [`EgressError::is_refusal`].
    pub refusals: u32,
    /// The message of the first refusal. Later ones are in the debug log, because a guest decides how many there are.
    pub first_refusal: Option<String>,
}

impl Allowance {
    /// Makes the allowance of one call.
    #[must_use]
    pub fn new(allow_list: Arc<AllowList>, limits: Limits) -> Self {
        Self {
            account: Account::default(),
            allow_list,
            limits,
            requests: AtomicU32::new(0),
            request_body_bytes: AtomicU64::new(0),
            taken_body_bytes: AtomicU64::new(0),
            too_much_taken: AtomicBool::new(false),
            response_body_bytes: AtomicU64::new(0),
            refusals: AtomicU32::new(0),
            first_refusal: OnceLock::new(),
        }
    }

    /// Charges the call to this account. Without one, requests share a default account of one plugin and one tenant.
    #[must_use]
    pub fn charged_to(self, account: Account) -> Self {
        Self { account, ..self }
    }

    /// Returns the account that the call is charged to.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Returns the granted destinations.
    #[must_use]
    pub fn allow_list(&self) -> &AllowList {
        &self.allow_list
    }

    /// Returns the limits of the call.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the use so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            requests: self.requests.load(Ordering::Relaxed),
            request_body_bytes: self.request_body_bytes.load(Ordering::Relaxed),
            response_body_bytes: self.response_body_bytes.load(Ordering::Relaxed),
            refusals: self.refusals.load(Ordering::Relaxed),
            first_refusal: self.first_refusal.get().cloned(),
        }
    }

    /// Counts bytes of a request's body that the caller takes from its guest. Callers that buffer bodies call this, so
    /// that the buffers have the same bound as the sent bodies.
    ///
    /// # Errors
    /// [`EgressError::RequestBodyTooLarge`] when all bodies of the call together exceed the limit. From then on every
    /// unsent body of the call ends with that error, because a cut body must not arrive as if it were complete.
    pub fn take_request_body(&self, bytes: usize) -> Result<(), EgressError> {
        let limit_bytes = self.limits.max_request_body_bytes;
        if add_within(&self.taken_body_bytes, bytes, limit_bytes) {
            return Ok(());
        }
        self.too_much_taken.store(true, Ordering::Release);
        Err(EgressError::RequestBodyTooLarge { limit_bytes })
    }

    /// Fails if more bytes were taken than can be sent.
    pub(crate) fn check_taken(&self) -> Result<(), EgressError> {
        let limit_bytes = self.limits.max_request_body_bytes;
        if self.too_much_taken.load(Ordering::Acquire) {
            Err(EgressError::RequestBodyTooLarge { limit_bytes })
        } else {
            Ok(())
        }
    }

    pub(crate) fn count_request(&self) -> Result<(), EgressError> {
        let limit = self.limits.max_requests;
        self.requests
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |made| made.checked_add(1).filter(|made| *made <= limit))
            .map(drop)
            .map_err(|_| EgressError::TooManyRequests { limit })
    }

    pub(crate) fn count_request_body(&self, bytes: usize) -> Result<(), EgressError> {
        let limit_bytes = self.limits.max_request_body_bytes;
        if add_within(&self.request_body_bytes, bytes, limit_bytes) {
            Ok(())
        } else {
            Err(EgressError::RequestBodyTooLarge { limit_bytes })
        }
    }

    pub(crate) fn count_response_body(&self, bytes: usize) -> Result<(), EgressError> {
        let limit_bytes = self.limits.max_response_body_bytes;
        if add_within(&self.response_body_bytes, bytes, limit_bytes) {
            Ok(())
        } else {
            Err(EgressError::ResponseBodyTooLarge { limit_bytes })
        }
    }

    pub(crate) fn note_refusal(&self, error: &EgressError) {
        tracing::debug!(%error, "request refused");
        self.refusals.fetch_add(1, Ordering::Relaxed);
        self.first_refusal.get_or_init(|| error.to_string());
    }
}

/// Adds to a counter unless the sum exceeds the limit. Requests of a call run at the same time, so the check and the
/// addition are one step.
fn add_within(counter: &AtomicU64, bytes: usize, limit: u64) -> bool {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    counter
        .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| used.checked_add(bytes).filter(|used| *used <= limit))
        .is_ok()
}
