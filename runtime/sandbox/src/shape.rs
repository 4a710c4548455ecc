//! The shapes of the hooks. They serve to name the field or case in which a component's hook differs, because the engine only says that
//! it does.
//!
//! They are those of `wit/session-hooks.wit`, which never change within a version. The tests compare them with components that are built
//! from it.

use lastword_events::Hook;
use wasmparser::PrimitiveValType;
use wasmparser::component_types::{ComponentDefinedType, ComponentFuncType, ComponentValType};
use wasmparser::names::KebabString;
use wasmparser::types::TypesRef;

enum Shape {
    Text,
    Bool,
    U32,
    List(&'static Self),
    Pair(&'static Self, &'static Self),
    Option(&'static Self),
    Record(&'static [(&'static str, Self)]),
    Variant(&'static [(&'static str, Option<Self>)]),
    Enum(&'static [&'static str]),
    /// A result whose ok case has no value.
    Result(&'static Self),
}

use Shape::{Bool, Enum, List, Pair, Record, Text, U32, Variant};

const OPTIONAL_TEXT: Shape = Shape::Option(&Text);
const OPTIONAL_U32: Shape = Shape::Option(&U32);
const ATTRIBUTES: Shape = List(&Pair(&Text, &Text));

const TRANSCRIPT: Shape = Record(&[("uri", Text), ("archived", Bool)]);

const SESSION: Shape = Record(&[
    ("tenant", Text),
    ("id", Text),
    ("generation", U32),
    ("key", OPTIONAL_TEXT),
    ("agent-id", OPTIONAL_TEXT),
    ("owner-kind", OPTIONAL_TEXT),
    ("cwd", OPTIONAL_TEXT),
    ("transcript", Shape::Option(&TRANSCRIPT)),
    ("started-at", OPTIONAL_TEXT),
    ("attributes", ATTRIBUTES),
]);

const DELIVERY: Shape = Record(&[("id", Text), ("attempt", U32), ("remaining-ms", U32), ("late", Bool)]);

const END_REASON: Shape = Variant(&[
    ("new", None),
    ("reset", None),
    ("idle", None),
    ("daily", None),
    ("compaction", None),
    ("deleted", None),
    ("shutdown", None),
    ("restart", None),
    ("clear", None),
    ("resume", None),
    ("logout", None),
    ("user-exit", None),
    ("completed", None),
    ("aborted", None),
    ("error", None),
    ("timeout", None),
    ("crashed", None),
    ("unknown", None),
    ("other", Some(Text)),
]);

const START: Shape = Record(&[
    ("session", SESSION),
    ("delivery", DELIVERY),
    ("source", OPTIONAL_TEXT),
    ("resumed-from", OPTIONAL_TEXT),
    ("attributes", ATTRIBUTES),
]);

const END: Shape = Record(&[
    ("session", SESSION),
    ("delivery", DELIVERY),
    ("reason", END_REASON),
    ("raw-reason", OPTIONAL_TEXT),
    ("ended-at", Text),
    ("duration-ms", OPTIONAL_U32),
    ("message-count", OPTIONAL_U32),
    ("next-session-id", OPTIONAL_TEXT),
    ("next-session-key", OPTIONAL_TEXT),
    ("attributes", ATTRIBUTES),
]);

const COMPACTION: Shape = Record(&[
    ("session", SESSION),
    ("delivery", DELIVERY),
    ("phase", Enum(&["before", "after"])),
    ("message-count", OPTIONAL_U32),
    ("compacted-count", OPTIONAL_U32),
    ("token-count", OPTIONAL_U32),
    ("previous-session-id", OPTIONAL_TEXT),
    ("attributes", ATTRIBUTES),
]);

const ANSWER: Shape = Shape::Result(&Variant(&[("retry", Some(Text)), ("fatal", Some(Text))]));

/// The first difference of `function` from the contract's `hook`. `None` when there is none. Names of parameters do not matter.
pub(crate) fn difference(types: TypesRef<'_>, function: &ComponentFuncType, hook: Hook) -> Option<String> {
    let event = match hook {
        Hook::SessionStart => &START,
        Hook::SessionEnd => &END,
        Hook::SessionCompaction => &COMPACTION,
    };
    let [(_, parameter)] = &*function.params else {
        return Some(format!(
            "it takes {} parameters, and the contract's takes the event alone",
            function.params.len()
        ));
    };
    let answer = || match &function.result {
        Some(result) => differs(types, *result, &ANSWER, "its answer"),
        None => Some("it answers nothing, and the contract's answers result<_, hook-error>".to_owned()),
    };
    differs(types, *parameter, event, "event").or_else(answer)
}

/// The first difference of a type from its shape. `at` is the place of the type.
fn differs(types: TypesRef<'_>, ty: ComponentValType, shape: &Shape, at: &str) -> Option<String> {
    let within = |ty: ComponentValType, shape: &Shape, what: &str| differs(types, ty, shape, &format!("{at}{what}"));
    let defined = match ty {
        ComponentValType::Primitive(primitive) => &ComponentDefinedType::Primitive(primitive),
        ComponentValType::Type(id) => types.get(id)?,
    };
    match (shape, defined) {
        (Text, ComponentDefinedType::Primitive(PrimitiveValType::String))
        | (Bool, ComponentDefinedType::Primitive(PrimitiveValType::Bool))
        | (U32, ComponentDefinedType::Primitive(PrimitiveValType::U32)) => None,
        (List(shape), ComponentDefinedType::List { element, .. }) => within(*element, shape, "[]"),
        (Shape::Option(shape), ComponentDefinedType::Option { ty, .. }) => within(*ty, shape, ""),
        (Pair(first, second), ComponentDefinedType::Tuple(tuple)) => match *tuple.types {
            [one, two] => within(one, first, ".0").or_else(|| within(two, second, ".1")),
            ref others => Some(format!("{at} has {} parts, and 2 in the contract", others.len())),
        },
        (Record(fields), ComponentDefinedType::Record(record)) => {
            let theirs: Vec<&str> = record.fields.keys().map(KebabString::as_str).collect();
            let ours: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
            let inner = || {
                let both = record.fields.values().zip(fields.iter());
                both.into_iter().find_map(|(ty, (name, shape))| within(*ty, shape, &format!(".{name}")))
            };
            names(&theirs, &ours, "field", at).or_else(inner)
        }
        (Variant(cases), ComponentDefinedType::Variant(variant)) => {
            let theirs: Vec<&str> = variant.cases.keys().map(KebabString::as_str).collect();
            let ours: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
            let inner = || {
                let both = variant.cases.values().zip(cases.iter());
                both.into_iter().find_map(|(case, (name, shape))| match (case.ty, shape) {
                    (None, None) => None,
                    (Some(ty), Some(shape)) => within(ty, shape, &format!(".{name}")),
                    (Some(_), None) => Some(format!("{at}.{name} has a value, and none in the contract")),
                    (None, Some(_)) => Some(format!("{at}.{name} has no value, and one in the contract")),
                })
            };
            names(&theirs, &ours, "case", at).or_else(inner)
        }
        (Enum(cases), ComponentDefinedType::Enum(theirs)) => {
            let theirs: Vec<&str> = theirs.iter().map(KebabString::as_str).collect();
            names(&theirs, cases, "case", at)
        }
        (Shape::Result(error), ComponentDefinedType::Result { ok: None, err: Some(err), .. }) => {
            within(*err, error, "'s error")
        }
        (Shape::Result(_), ComponentDefinedType::Result { ok: Some(_), .. }) => {
            Some(format!("{at} has a value when all is well, and none in the contract"))
        }
        (Shape::Result(_), ComponentDefinedType::Result { err: None, .. }) => {
            Some(format!("{at} has no error, and hook-error in the contract"))
        }
        (shape, other) => Some(format!("{at} is {}, and {} in the contract", kind(other), shape.kind())),
    }
}

/// The first difference of two lists of names: one that is missing, one too many, or their order.
fn names(theirs: &[&str], ours: &[&str], what: &str, at: &str) -> Option<String> {
    let missing = ours.iter().find(|name| !theirs.contains(name));
    let added = theirs.iter().find(|name| !ours.contains(name));
    match (missing, added) {
        (Some(missing), Some(added)) => {
            Some(format!("{at} has no {what} `{missing}`, and one `{added}` that the contract has not"))
        }
        (Some(missing), None) => Some(format!("{at} has no {what} `{missing}`")),
        (None, Some(added)) => Some(format!("{at} has a {what} `{added}` that the contract has not")),
        (None, None) => {
            let (theirs, ours) = theirs.iter().zip(ours).find(|(theirs, ours)| theirs != ours)?;
            Some(format!("{at} has the {what} `{theirs}` where the contract has `{ours}`: their order counts"))
        }
    }
}

impl Shape {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Bool => "bool",
            Self::U32 => "u32",
            Self::List(_) => "a list",
            Self::Pair(..) => "a tuple",
            Self::Option(_) => "an option",
            Self::Record(_) => "a record",
            Self::Variant(_) => "a variant",
            Self::Enum(_) => "an enum",
            Self::Result(_) => "a result",
        }
    }
}

fn kind(ty: &ComponentDefinedType) -> String {
    let kind = match ty {
        ComponentDefinedType::Primitive(primitive) => return primitive.to_string(),
        ComponentDefinedType::List { .. } | ComponentDefinedType::FixedLengthList { .. } => "a list",
        ComponentDefinedType::Tuple(_) => "a tuple",
        ComponentDefinedType::Option { .. } => "an option",
        ComponentDefinedType::Record(_) => "a record",
        ComponentDefinedType::Variant(_) => "a variant",
        ComponentDefinedType::Enum(_) => "an enum",
        ComponentDefinedType::Flags(_) => "flags",
        ComponentDefinedType::Result { .. } => "a result",
        ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => "a resource",
        _ => "of another kind",
    };
    kind.to_owned()
}
