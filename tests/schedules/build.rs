//! Says `cfg(shuttle)` to this package alone. In `RUSTFLAGS` it would compile wasmtime a second time.

fn main() {
    println!("cargo::rustc-cfg=shuttle");
    println!("cargo::rerun-if-changed=build.rs");
}
