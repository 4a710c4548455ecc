//! Plugins that somebody has installed keep working: a released version of the contract does not change.

use wit_component::{OutputToString, WitPrinter};
use wit_parser::Resolve;

const RELEASED: &str = include_str!("../../../wit/0.1.0.shape");

#[test]
fn the_contract_does_not_change_without_a_new_version() {
    let mut resolve = Resolve::default();
    let wit = include_str!("../../../wit/session-hooks.wit");
    let package = resolve.push_source("session-hooks.wit", wit).unwrap();
    let version = resolve.packages[package].name.version.clone().unwrap();
    assert_eq!(
        version.to_string(),
        "0.1.0",
        "a new version needs a wit/<version>.shape of its own, beside the old one"
    );

    // Only the shape: documentation may get better at any time.
    let mut printer = WitPrinter::new(OutputToString::default());
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).unwrap();
    let shape = printer.output.to_string();
    let released: String = RELEASED.lines().filter(|l| !l.starts_with("//")).map(|l| format!("{l}\n")).collect();
    assert_eq!(
        shape, released,
        "the shape of lastword:hooks@0.1.0 changed, and component types are compared structurally: every plugin built \
         before would be refused. Undo it, or give the package a new version that is served beside 0.1.0. \
         (If an upgrade of wit-component only prints the same shape differently, write the left side to wit/0.1.0.shape.)"
    );
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let mut resolve = Resolve::default();
    resolve.push_source("session-hooks.wit", include_str!("../../../wit/session-hooks.wit")).unwrap();
    let mut bare = Vec::new();
    let mut check = |what: String, docs: &wit_parser::Docs| {
        if docs.contents.is_none() {
            bare.push(what);
        }
    };
    for (_, ty) in &resolve.types {
        // Without a name: made on the way, e.g. `option<string>`. Owned by a world: a `use`.
        let (Some(name), wit_parser::TypeOwner::Interface(_)) = (&ty.name, ty.owner) else { continue };
        check(name.clone(), &ty.docs);
        match &ty.kind {
            wit_parser::TypeDefKind::Record(r) => {
                r.fields.iter().for_each(|f| check(format!("{name}.{}", f.name), &f.docs));
            }
            wit_parser::TypeDefKind::Variant(v) => {
                v.cases.iter().for_each(|c| check(format!("{name}.{}", c.name), &c.docs));
            }
            wit_parser::TypeDefKind::Enum(e) => {
                e.cases.iter().for_each(|c| check(format!("{name}.{}", c.name), &c.docs));
            }
            _ => {}
        }
    }
    for (_, world) in &resolve.worlds {
        check(world.name.clone(), &world.docs);
        for item in world.exports.values() {
            if let wit_parser::WorldItem::Function(f) = item {
                check(format!("{}.{}", world.name, f.name), &f.docs);
            }
        }
    }
    assert_eq!(bare, Vec::<String>::new());
}
