//! What compiled code depends on besides the component: the engine's configuration, and the full version of wasmtime.

use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, ModuleVersionStrategy};

/// The version string in compiled code. By default it is the major version only, so that code from a miscompiling 48.0.x
/// would be taken by a patched 48.0.y.
pub(crate) fn code_version() -> String {
    // Hashed, because the full version cannot be read: wasmtime exports no constant of it.
    let mut hasher = DigestHasher(Sha256::new());
    ModuleVersionStrategy::WasmtimeVersion.hash(&mut hasher);
    format!("lastword-{:x}", hasher.0.finalize())
}

/// Everything besides the component that compiled code depends on.
pub(crate) fn fingerprint(engine: &Engine) -> [u8; 32] {
    let mut hasher = DigestHasher(Sha256::new());
    code_version().hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// Gives what implements `Hash` all 256 bits.
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

    fn engine() -> Engine {
        Engine::new(wasmtime::Config::new().consume_fuel(true)).unwrap()
    }

    #[test]
    fn another_configuration_has_another_fingerprint() {
        assert_eq!(fingerprint(&engine()), fingerprint(&engine()));
        assert_ne!(fingerprint(&engine()), fingerprint(&Engine::default()));
    }
}
