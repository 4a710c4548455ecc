//! A hash of everything that compiled code depends on besides the component: the engine's configuration, the processor, and the full
//! version of wasmtime.
//!
//! It needs no compiler, so that a program without one finds the code that another one has compiled. The engine itself checks that the
//! code is its own, each time that it loads it.

use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use wasmtime::ModuleVersionStrategy;

use crate::memory_layout::MemoryLayout;

/// The version string in compiled code. Wasmtime's default is the major version only, so a patched 48.0.y would take code from a
/// miscompiling 48.0.x.
pub(crate) fn code_version() -> String {
    // Hashed, because the full version cannot be read: wasmtime exports no constant of it.
    let mut hasher = DigestHasher(Sha256::new());
    ModuleVersionStrategy::WasmtimeVersion.hash(&mut hasher);
    format!("lastword-{:x}", hasher.0.finalize())
}

/// A hash of everything besides the component that compiled code depends on.
pub(crate) fn fingerprint(layout: MemoryLayout) -> [u8; 32] {
    let mut hasher = DigestHasher(Sha256::new());
    code_version().hash(&mut hasher);
    // The rest of the configuration belongs to this version, see `engine.rs`.
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    layout.hash(&mut hasher);
    (std::env::consts::ARCH, std::env::consts::OS).hash(&mut hasher);
    processor().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// The features of this processor that compiled code may use. Machines that share a cache may differ in them.
#[cfg(target_arch = "x86_64")]
fn processor() -> Vec<bool> {
    use std::arch::is_x86_feature_detected as has;
    vec![
        has!("cmpxchg16b"),
        has!("sse3"),
        has!("ssse3"),
        has!("sse4.1"),
        has!("sse4.2"),
        has!("popcnt"),
        has!("avx"),
        has!("avx2"),
        has!("fma"),
        has!("bmi1"),
        has!("bmi2"),
        has!("lzcnt"),
        has!("avx512bitalg"),
        has!("avx512dq"),
        has!("avx512f"),
        has!("avx512vl"),
        has!("avx512vbmi"),
    ]
}

/// The features of this processor that compiled code may use. Machines that share a cache may differ in them.
#[cfg(target_arch = "aarch64")]
fn processor() -> Vec<bool> {
    use std::arch::is_aarch64_feature_detected as has;
    vec![has!("lse"), has!("paca"), has!("fp16")]
}

/// Unknown on this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn processor() -> Vec<bool> {
    Vec::new()
}

/// A hasher that feeds values that implement `Hash` into a digest of 256 bits.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Unused: the digest is taken whole.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_layout_has_another_fingerprint() {
        let layouts = [MemoryLayout::Wide, MemoryLayout::Narrow(64 << 20), MemoryLayout::Narrow(128 << 20)];
        for (at, layout) in layouts.iter().enumerate() {
            for (other_at, other) in layouts.iter().enumerate() {
                assert_eq!(fingerprint(*layout) == fingerprint(*other), at == other_at);
            }
        }
    }
}
