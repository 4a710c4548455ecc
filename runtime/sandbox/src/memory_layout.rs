//! How much address space a guest's memory has.

/// How much address space each linear memory has. Code that is compiled for one layout does not run in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemoryLayout {
    /// 4 GiB, all that a guest can address. The addresses beyond its memory are not mapped, so compiled code needs no bounds checks.
    Wide,
    /// This many bytes. Compiled code checks each access, and is a little slower. For machines that do not give the process the address
    /// space.
    Narrow(u64),
}
