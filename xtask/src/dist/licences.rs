//! The licences of packages, as one text.
//!
//! Many have the same text: it is there once, with a number, and the list of packages says which has which. What a package brings of
//! others, e.g. a C library, has texts further down in its folders. They are found as well.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::compiled_in::Package;

/// What the names of files with a licence begin with, in any case.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE", "COPYRIGHT"];
/// Folders whose files are all licences.
const FOLDERS: [&str; 2] = ["LICENSES", "LICENCES"];
/// What ends the names of files with code, which may begin with such a word.
const CODE: [&str; 5] = ["rs", "c", "h", "py", "json"];
/// Folders that are not compiled.
const NOT_COMPILED: [&str; 5] = ["tests", "benches", "examples", "fuzz", "target"];
/// How far below a package's folder is looked.
const DEPTH: usize = 4;

/// The licences of all packages.
pub(super) struct Licences {
    /// A list of the packages, and then the texts.
    pub(super) text: String,
    /// Packages that have no text, but for a name of their licence: `name version`.
    pub(super) without_text: Vec<String>,
}

/// Reads the licences of `packages`, which are sorted.
///
/// # Errors
/// A folder or a file cannot be read.
pub(super) fn gather(packages: &[Package]) -> anyhow::Result<Licences> {
    let mut texts: Vec<String> = Vec::new();
    let mut without_text = Vec::new();
    let mut text = String::from(
        "What others have written that is compiled into this program, and under which licences. The texts are below, by their\n\
         numbers. Where a package has no text of its own, its licence is the one that it names.\n\n",
    );
    for package in packages {
        let mut numbers = Vec::new();
        for file in files(package).with_context(|| format!("cannot look for the licences of {package}"))? {
            let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let content = tidy(&String::from_utf8_lossy(&content));
            let known = texts.iter().position(|text| *text == content);
            let place = known.unwrap_or_else(|| {
                texts.push(content);
                texts.len() - 1
            });
            if !numbers.contains(&(place + 1)) {
                numbers.push(place + 1);
            }
        }
        let license = package.license.as_deref().unwrap_or("a licence of its own");
        let from = package.repository.as_deref().unwrap_or("no address");
        write!(text, "{package}   {license}   {from}   ")?;
        if numbers.is_empty() {
            writeln!(text, "no licence file; by {}", by(package))?;
            without_text.push(package.to_string());
        } else {
            let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
            writeln!(text, "text {}", numbers.join(", "))?;
        }
    }
    for (number, content) in (1..).zip(&texts) {
        writeln!(text, "\n{}\ntext {number}\n\n{content}", "=".repeat(100))?;
    }
    Ok(Licences { text, without_text })
}

fn by(package: &Package) -> String {
    if package.authors.is_empty() { "its authors".to_owned() } else { package.authors.join(", ") }
}

/// Without what makes no difference: the ends of lines, and empty lines around.
fn tidy(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let first = lines.iter().take_while(|line| line.is_empty()).count();
    let last = lines.iter().rev().take_while(|line| line.is_empty()).count();
    lines.get(first..lines.len().saturating_sub(last)).unwrap_or_default().join("\n")
}

/// The files with a package's licences, sorted.
fn files(package: &Package) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    look(package.folder(), DEPTH, false, &mut found)?;
    // One that has another name.
    found.extend(package.license_file.as_ref().map(|file| package.folder().join(file)).filter(|file| file.is_file()));
    found.sort();
    found.dedup();
    Ok(found)
}

fn look(folder: &Path, depth: usize, all_are: bool, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link is followed by nobody: it may lead anywhere.
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 && !NOT_COMPILED.contains(&name.as_str()) {
            let all_are = FOLDERS.iter().any(|folder| folder.eq_ignore_ascii_case(&name));
            look(&entry.path(), depth - 1, all_are, found)?;
        } else if kind.is_file() && (all_are || is_licence(&name)) {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn is_licence(name: &str) -> bool {
    let is_code = name.rsplit_once('.').is_some_and(|(_, end)| CODE.contains(&end));
    let upper = name.to_ascii_uppercase();
    !is_code && NAMES.iter().any(|begins| upper.starts_with(begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A registry with these files, and packages of its folders as cargo tells of them.
    fn packages(registry: &Path, files: &[(&str, &str)], more: &[(&str, serde_json::Value)]) -> Vec<Package> {
        for (file, content) in files {
            let path = registry.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let package = |name: &str, more: &serde_json::Value| {
            let manifest = registry.join(name).join("Cargo.toml");
            let mut said = serde_json::json!({"name": name, "version": "1.0.0", "source": "registry"});
            let fields = said.as_object_mut().unwrap();
            fields.insert("manifest_path".to_owned(), manifest.to_str().unwrap().into());
            fields.extend(more.as_object().unwrap().clone());
            serde_json::from_value(said).unwrap()
        };
        more.iter().map(|(name, more)| package(name, more)).collect()
    }

    #[test]
    fn each_text_is_there_once_and_whoever_has_none_is_named() {
        let registry = tempfile::tempdir().unwrap();
        let files = [
            ("a/LICENSE-MIT", "Permission is hereby granted\n"),
            ("a/src/copying.rs", "no licence"),
            ("a/tests/LICENSE", "not compiled"),
            ("b/license.md", "\nPermission is hereby granted  \r\n\r\n"),
            ("b/third_party/c/COPYING", "All rights are given"),
            ("d/LICENSES/Zlib.txt", "This software is provided as-is"),
            ("e/src/lib.rs", ""),
            ("f/legal.txt", "A licence with another name"),
        ];
        let more = [
            ("a", serde_json::json!({"license": "MIT", "repository": "https://example.com/a"})),
            ("b", serde_json::json!({"license": "MIT AND BSD-2-Clause"})),
            ("d", serde_json::json!({"license": "Zlib"})),
            ("e", serde_json::json!({"license": "Apache-2.0", "authors": ["Ada"]})),
            ("f", serde_json::json!({"license_file": "legal.txt"})),
        ];
        let licences = gather(&packages(registry.path(), &files, &more)).unwrap();
        assert_eq!(licences.without_text, ["e 1.0.0"]);
        let text = &licences.text;
        let lines: Vec<_> = text.lines().filter(|line| line.contains(" 1.0.0 ")).collect();
        assert_eq!(
            lines,
            [
                "a 1.0.0   MIT   https://example.com/a   text 1",
                "b 1.0.0   MIT AND BSD-2-Clause   no address   text 1, 2",
                "d 1.0.0   Zlib   no address   text 3",
                "e 1.0.0   Apache-2.0   no address   no licence file; by Ada",
                "f 1.0.0   a licence of its own   no address   text 4",
            ]
        );
        assert_eq!(text.matches("Permission is hereby granted").count(), 1);
        for content in ["All rights are given", "This software is provided as-is", "A licence with another name"] {
            assert!(text.contains(content), "{content}");
        }
        assert!(!text.contains("no licence\n") && !text.contains("not compiled"), "{text}");
    }
}
