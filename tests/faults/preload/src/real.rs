//! The functions behind ours: the next ones of that name, in the order in which libraries were loaded.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// `real!(fsync as extern "C" fn(c_int) -> c_int)`: nothing when there is none.
macro_rules! real {
    ($name:ident as $signature:ty) => {{
        static FOUND: $crate::real::Next = $crate::real::Next::new();
        let found = FOUND.find($crate::real::name(concat!(stringify!($name), "\0")));
        // SAFETY: a function of C's library, and the signature is the one in its manual.
        found.map(|at| unsafe { std::mem::transmute::<std::ptr::NonNull<std::ffi::c_void>, $signature>(at) })
    }};
}
pub(crate) use real;

pub(crate) struct Next(AtomicPtr<c_void>);

impl Next {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn find(&self, name: &CStr) -> Option<ptr::NonNull<c_void>> {
        let mut at = self.0.load(Ordering::Relaxed);
        if at.is_null() {
            // Two threads may look at once, and find the same.
            // SAFETY: the name ends with a zero.
            at = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
            self.0.store(at, Ordering::Relaxed);
        }
        ptr::NonNull::new(at)
    }
}

/// `concat!` makes no C string.
pub(crate) fn name(with_zero: &'static str) -> &'static CStr {
    CStr::from_bytes_with_nul(with_zero.as_bytes()).unwrap_or_default()
}
