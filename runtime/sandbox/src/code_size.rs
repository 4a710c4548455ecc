//! The size of a component's code, which bounds its compilation in this process.

use wasmparser::{CompositeInnerType, Encoding, Parser, Payload, TypeSectionReader};

/// The cost of a function beside its body, in bytes of a body. The host may call it through code of its own.
const OF_EACH_FUNCTION: u64 = 64;
/// The cost of each of its parameters and results, in the same unit.
const OF_EACH_PARAMETER: u64 = 8;
/// The cost of a function that is lifted or lowered between components, because its values are copied.
const OF_EACH_ADAPTER: u64 = 1024;

/// The functions of a component, in bytes of their bodies. Other sections cost the compiler little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeSize {
    pub(crate) all: u64,
    /// The largest function: the compiler's time for one grows faster than its size.
    pub(crate) largest: u64,
}

impl CodeSize {
    /// The sizes in the readable part of `bytes`. The compiler refuses a component that cannot be read to its end.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut size = Self::default();
        // The numbers of parameters and results of the current module's types. A module contains no other module.
        let mut types = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            let Ok(payload) = payload else { break };
            match payload {
                Payload::Version { encoding: Encoding::Module, .. } => types.clear(),
                Payload::TypeSection(section) => types = parameters(section),
                Payload::FunctionSection(functions) => {
                    for index in functions.into_iter().map_while(Result::ok) {
                        let parameters = usize::try_from(index).ok().and_then(|index| types.get(index)).unwrap_or(&0);
                        let bytes = OF_EACH_FUNCTION.saturating_add(OF_EACH_PARAMETER.saturating_mul(*parameters));
                        size.add(bytes);
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    size.add(OF_EACH_ADAPTER.saturating_mul(u64::from(section.count())));
                }
                Payload::CodeSectionEntry(body) => {
                    let bytes = u64::try_from(body.range().len()).unwrap_or(u64::MAX);
                    size.add(bytes);
                    size.largest = size.largest.max(bytes);
                }
                _ => (),
            }
        }
        size
    }

    fn add(&mut self, bytes: u64) {
        self.all = self.all.saturating_add(bytes);
    }
}

/// The number of parameters and results of each type of a module.
fn parameters(types: TypeSectionReader<'_>) -> Vec<u64> {
    let groups = types.into_iter().map_while(Result::ok);
    let of = |inner: &CompositeInnerType| match inner {
        CompositeInnerType::Func(function) => function.params().len() + function.results().len(),
        _ => 0,
    };
    let types = groups
        .flat_map(|group| group.into_types().map(|of_group| of(&of_group.composite_type.inner)).collect::<Vec<_>>());
    types.map(|count| u64::try_from(count).unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use lastword_test_guests::{bombs, component};

    use super::*;

    #[test]
    fn the_functions_of_all_modules_count_and_nothing_else() {
        let good = CodeSize::of(&component("good"));
        assert_eq!(CodeSize::of(&bombs::padded(1 << 20)), good);
        let (one, ten) = (CodeSize::of(&bombs::many_functions(1)), CodeSize::of(&bombs::many_functions(10)));
        assert_eq!(ten.all - good.all, 10 * (one.all - good.all));
        assert!(ten.largest == one.largest && one.largest > good.largest, "{one:?} {ten:?}");
    }

    #[test]
    fn a_function_counts_with_its_parameters_and_an_adapter_by_itself() {
        let good = CodeSize::of(&component("good"));
        let beside_good = |bytes: Vec<u8>| CodeSize::of(&bytes).all - good.all;
        let wide = |count, parameters| beside_good(bombs::wide_functions(count, parameters));
        assert_eq!(wide(7, 1_000) - wide(7, 1), 7 * 999 * OF_EACH_PARAMETER);
        // A parameter and a result, and the body.
        assert_eq!(wide(7, 1) - wide(6, 1), OF_EACH_FUNCTION + 2 * OF_EACH_PARAMETER + 4);
        let adapters = |count| beside_good(bombs::many_adapters(count));
        assert_eq!(adapters(9) - adapters(2), 7 * OF_EACH_ADAPTER);
    }
}
