//! TypeScript declarations of a world's imports and exports, with the JavaScript values that componentize-qjs uses.
//!
//! Declarations that were written for other tools mislead: there a `u64` is a `bigint`, which this one traps on, and an
//! `option` is `undefined`, where this one says `null`.

#![expect(clippy::indexing_slicing, reason = "an id of a `Resolve` is an index into its own tables")]

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use wit_parser::{Docs, Function, FunctionKind, Handle, InterfaceId, Resolve, Type, TypeDefKind, TypeId, TypeOwner};
use wit_parser::{WorldId, WorldItem, WorldKey};

use crate::names::{camel, parameter, pascal};

/// The declarations of the world `world` of the package at `wit`.
///
/// # Errors
/// The WIT cannot be read, or the world has what plugins with synchronous hooks cannot have.
pub(crate) fn declarations(wit: &Path, world: &str) -> anyhow::Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).with_context(|| format!("cannot read {}", wit.display()))?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut printer = Printer { resolve: &resolve, out: String::new() };
    printer.line(0, "// Written by `guest-tools typescript-types` from the WIT: do not edit.")?;
    for (_, item) in &resolve.worlds[world].imports {
        match item {
            WorldItem::Interface { id, .. } => printer.interface(*id)?,
            // A name for an interface's type, for the exports to use.
            WorldItem::Type { .. } => {}
            WorldItem::Function(function) => bail!("`{}` is imported outside of an interface", function.name),
        }
    }
    printer.exports(world)?;
    Ok(printer.out)
}

/// As [`declarations`], as if the imports were made that the world has in comments: the author who takes the slashes away
/// finds them declared, and what nobody imports is in nobody's way.
pub(crate) fn offered(wit: &Path, world: &str) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    copy(wit, folder.path(), &|text| text.replace("// import ", "import "))
        .with_context(|| format!("cannot copy {}", wit.display()))?;
    declarations(folder.path(), world)
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(&str) -> String) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let path = entry?.path();
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &to, change)?;
        } else {
            std::fs::write(&to, change(&std::fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}

struct Printer<'a> {
    resolve: &'a Resolve,
    out: String,
}

impl Printer<'_> {
    fn line(&mut self, depth: usize, text: impl std::fmt::Display) -> std::fmt::Result {
        writeln!(self.out, "{:width$}{text}", "", width = depth * 2)
    }

    fn docs(&mut self, depth: usize, docs: &Docs) -> std::fmt::Result {
        let Some(text) = &docs.contents else { return Ok(()) };
        let lines: Vec<_> = text.trim().lines().map(str::trim).collect();
        match lines.as_slice() {
            [one] => self.line(depth, format_args!("/** {one} */")),
            many => {
                self.line(depth, "/**")?;
                for line in many {
                    self.line(depth, format!(" * {line}").trim_end())?;
                }
                self.line(depth, " */")
            }
        }
    }

    fn interface(&mut self, id: InterfaceId) -> anyhow::Result<()> {
        let name = self.resolve.id_of(id).context("an interface without a name")?;
        let interface = &self.resolve.interfaces[id];
        self.line(0, "")?;
        self.docs(0, &interface.docs)?;
        self.line(0, format_args!("declare module \"{name}\" {{"))?;
        for id in interface.types.values() {
            self.definition(*id).with_context(|| format!("in {name}"))?;
        }
        for function in interface.functions.values().filter(|function| function.kind.resource().is_none()) {
            let signature = self.signature(function).with_context(|| format!("in {name}"))?;
            self.docs(1, &function.docs)?;
            self.line(1, format_args!("export function {}{signature};", camel(&function.name)))?;
        }
        // Without it every name that is declared here would be exported, also those that are only used.
        self.line(1, "export {};")?;
        self.line(0, "}")?;
        Ok(())
    }

    /// The hooks, as types of the functions that a plugin exports.
    fn exports(&mut self, id: WorldId) -> anyhow::Result<()> {
        let world = &self.resolve.worlds[id];
        let package = world.package.context("a world without a package")?;
        self.line(0, "")?;
        self.docs(0, &world.docs)?;
        self.line(0, format_args!("declare module \"{}\" {{", self.resolve.id_of_name(package, &world.name)))?;
        for (key, item) in world.imports.iter().chain(&world.exports) {
            match (key, item) {
                (WorldKey::Name(_), WorldItem::Type { id, .. }) => self.definition(*id)?,
                (_, WorldItem::Function(function)) => {
                    let arguments = self.arguments(function)?;
                    let result = self.result(function)?;
                    self.docs(1, &function.docs)?;
                    let name = pascal(&function.name);
                    self.line(1, format_args!("export type {name} = ({arguments}) => {result};"))?;
                }
                _ => {}
            }
        }
        self.line(1, "export {};")?;
        self.line(0, "}")?;
        Ok(())
    }

    fn definition(&mut self, id: TypeId) -> anyhow::Result<()> {
        let definition = &self.resolve.types[id];
        let name = pascal(definition.name.as_deref().context("a type without a name")?);
        if let TypeDefKind::Type(Type::Id(other)) = definition.kind
            && self.resolve.types[other].owner != definition.owner
            && let TypeOwner::Interface(from) = self.resolve.types[other].owner
        {
            return self.borrowed(from, other, &name);
        }
        self.docs(1, &definition.docs)?;
        match &definition.kind {
            TypeDefKind::Record(record) => {
                self.line(1, format_args!("export interface {name} {{"))?;
                for field in &record.fields {
                    self.docs(2, &field.docs)?;
                    let field = format!("{}: {};", camel(&field.name), self.ty(&field.ty)?);
                    self.line(2, field)?;
                }
                self.line(1, "}")?;
            }
            TypeDefKind::Flags(flags) => {
                self.line(1, format_args!("export interface {name} {{"))?;
                for flag in &flags.flags {
                    self.docs(2, &flag.docs)?;
                    self.line(2, format_args!("{}?: boolean;", camel(&flag.name)))?;
                }
                self.line(1, "}")?;
            }
            TypeDefKind::Variant(variant) => {
                self.line(1, format_args!("export type {name} ="))?;
                for case in &variant.cases {
                    self.docs(2, &case.docs)?;
                    let value = case.ty.as_ref().map(|ty| self.ty(ty)).transpose()?;
                    let value = value.map_or_else(String::new, |ty| format!("; val: {ty}"));
                    self.line(2, format_args!("| {{ tag: \"{}\"{value} }}", case.name))?;
                }
                self.line(2, ";")?;
            }
            TypeDefKind::Enum(cases) => {
                self.line(1, format_args!("export type {name} ="))?;
                for case in &cases.cases {
                    self.docs(2, &case.docs)?;
                    self.line(2, format_args!("| \"{}\"", case.name))?;
                }
                self.line(2, ";")?;
            }
            TypeDefKind::Resource => self.resource(id, &name)?,
            other => {
                let ty = self.structure(other)?;
                self.line(1, format_args!("export type {name} = {ty};"))?;
            }
        }
        Ok(())
    }

    /// `use other.{name}`.
    fn borrowed(&mut self, from: InterfaceId, id: TypeId, name: &str) -> anyhow::Result<()> {
        let module = self.resolve.id_of(from).context("an interface without a name")?;
        let theirs = pascal(self.resolve.types[id].name.as_deref().context("a type without a name")?);
        let renamed = if theirs == name { theirs } else { format!("{theirs} as {name}") };
        Ok(self.line(1, format_args!("import type {{ {renamed} }} from \"{module}\";"))?)
    }

    fn resource(&mut self, id: TypeId, name: &str) -> anyhow::Result<()> {
        let TypeOwner::Interface(owner) = self.resolve.types[id].owner else { bail!("a resource of a world") };
        self.line(1, format_args!("export class {name} {{"))?;
        let functions = self.resolve.interfaces[owner].functions.values();
        let own: Vec<_> = functions.filter(|function| function.kind.resource() == Some(id)).collect();
        if !own.iter().any(|function| matches!(function.kind, FunctionKind::Constructor(_))) {
            // Only the host makes them.
            self.line(2, "private constructor();")?;
        }
        for function in own {
            self.docs(2, &function.docs)?;
            let text = match function.kind {
                FunctionKind::Constructor(_) => format!("constructor({});", self.arguments(function)?),
                FunctionKind::Static(_) => {
                    format!("static {}{};", camel(function.item_name()), self.signature(function)?)
                }
                _ => format!("{}{};", camel(function.item_name()), self.signature(function)?),
            };
            self.line(2, text)?;
        }
        self.line(1, "}")?;
        Ok(())
    }

    fn signature(&self, function: &Function) -> anyhow::Result<String> {
        Ok(format!("({}): {}", self.arguments(function)?, self.result(function)?))
    }

    fn arguments(&self, function: &Function) -> anyhow::Result<String> {
        let this = usize::from(matches!(function.kind, FunctionKind::Method(_)));
        let arguments = function.params.iter().skip(this);
        let arguments: Vec<_> = arguments
            .map(|argument| anyhow::Ok(format!("{}: {}", parameter(&argument.name), self.ty(&argument.ty)?)))
            .collect::<Result<_, _>>()?;
        Ok(arguments.join(", "))
    }

    /// A `result` is what is returned, or an exception.
    fn result(&self, function: &Function) -> anyhow::Result<String> {
        ensure!(!function.kind.is_async(), "`{}` is async, which Lastword does not run", function.name);
        let Some(ty) = &function.result else { return Ok("void".to_owned()) };
        if let Type::Id(id) = ty
            && let TypeDefKind::Result(result) = &self.resolve.types[*id].kind
        {
            return result.ok.as_ref().map_or_else(|| Ok("void".to_owned()), |ok| self.ty(ok));
        }
        self.ty(ty)
    }

    fn ty(&self, ty: &Type) -> anyhow::Result<String> {
        Ok(match ty {
            Type::Bool => "boolean".to_owned(),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64 => {
                "number".to_owned()
            }
            Type::F32 | Type::F64 => "number".to_owned(),
            Type::Char | Type::String => "string".to_owned(),
            Type::ErrorContext => bail!("error-context is not part of WASI 0.2"),
            Type::Id(id) => {
                let definition = &self.resolve.types[*id];
                match &definition.name {
                    Some(name) => pascal(name),
                    None => self.structure(&definition.kind)?,
                }
            }
        })
    }

    fn structure(&self, kind: &TypeDefKind) -> anyhow::Result<String> {
        let value = |name: &str, ty: &Option<Type>| match ty {
            Some(ty) => anyhow::Ok(format!("{{ tag: \"{name}\"; val: {} }}", self.ty(ty)?)),
            None => Ok(format!("{{ tag: \"{name}\" }}")),
        };
        Ok(match kind {
            TypeDefKind::Type(ty) => self.ty(ty)?,
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => self.ty(&Type::Id(*id))?,
            TypeDefKind::List(Type::U8) => "Uint8Array".to_owned(),
            TypeDefKind::List(ty) => format!("Array<{}>", self.ty(ty)?),
            TypeDefKind::Tuple(tuple) => {
                let types: Vec<_> = tuple.types.iter().map(|ty| self.ty(ty)).collect::<Result<_, _>>()?;
                format!("[{}]", types.join(", "))
            }
            TypeDefKind::Option(ty) => {
                ensure!(!self.is_option(ty), "an option of an option has no value of its own in JavaScript");
                format!("{} | null", self.ty(ty)?)
            }
            TypeDefKind::Result(result) => format!("{} | {}", value("ok", &result.ok)?, value("err", &result.err)?),
            other => bail!("no declaration is known for a {}", other.as_str()),
        })
    }

    fn is_option(&self, ty: &Type) -> bool {
        let Type::Id(id) = ty else { return false };
        match &self.resolve.types[*id].kind {
            TypeDefKind::Type(ty) => self.is_option(ty),
            kind => matches!(kind, TypeDefKind::Option(_)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// What `text`, a package with a world `w`, is declared as.
    fn declared(text: &str) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("w.wit");
        std::fs::write(&file, text)?;
        declarations(&file, "w")
    }

    fn interface(items: &str) -> anyhow::Result<String> {
        declared(&format!("package a:b;\nworld w {{ import i; }}\ninterface i {{ {items} }}"))
    }

    #[test]
    fn the_examples_declarations_are_what_their_wit_says() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../guest-examples");
        type Declare = fn(&Path, &str) -> anyhow::Result<String>;
        let whole: [(_, Declare, _); 2] =
            [("typescript-session-summary", declarations, ""), ("skeletons/typescript", offered, " --offered")];
        for (example, declare, option) in whole {
            let folder = root.join(example);
            let kept = std::fs::read_to_string(folder.join("types/wit.d.ts")).unwrap();
            let now = declare(&folder.join("wit"), "plugin").unwrap();
            assert!(
                kept == now,
                "the WIT has changed. In guest-examples/{example}, type: cargo run -p xtask --features guest-tools \
                 --bin guest-tools -- typescript-types wit --world plugin{option} > types/wit.d.ts"
            );
        }
    }

    #[test]
    fn values_are_those_of_componentize_qjs() {
        for (wit, typescript) in [
            ("u64", "number"),
            ("list<u8>", "Uint8Array"),
            ("list<option<string>>", "Array<string | null>"),
            ("tuple<char, f32>", "[string, number]"),
            ("result<u8>", "{ tag: \"ok\"; val: number } | { tag: \"err\" }"),
        ] {
            let text = interface(&format!("type t = {wit};")).unwrap();
            assert!(text.contains(&format!("export type T = {typescript};\n")), "{wit}:\n{text}");
        }
    }

    #[test]
    fn an_error_is_thrown_and_not_returned() {
        let text = interface("f: func(in: u8) -> result<string, u32>;").unwrap();
        assert!(text.contains("export function f(in_: number): string;"), "{text}");
    }

    #[test]
    fn what_has_no_value_of_its_own_is_refused() {
        assert!(interface("type t = option<option<u8>>;").is_err());
        assert!(interface("f: async func();").is_err());
        assert!(interface("f: func() -> stream<u8>;").is_err());
    }
}
