//! The folder that remembers what is installed: it is there after every restart, and an operator can edit it.
//!
//! `NAME.wasm` is a plugin of every tenant. A folder in it is a tenant: `TENANT/NAME.wasm` is a plugin of its own, and
//! `TENANT/quota.json` its quota. What begins with a dot is nobody's. All of this blocks, as a disk does.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use lastword::events::{FieldError, PluginKey, PluginName};
use lastword::{Source, TenantQuota};
use tempfile::NamedTempFile;

/// A tenant's name. Folders may have names of 255 bytes, and no tenant needs so many.
const MAX_TENANT_BYTES: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

/// What a folder says is to be installed.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) plugins: Vec<(PluginKey, Source)>,
    /// The tenants, and their quotas if they have one of their own.
    pub(crate) tenants: BTreeMap<String, Option<TenantQuota>>,
}

/// A plugin of every tenant, or of one.
pub(crate) fn plugin_key(tenant: Option<&str>, name: PluginName) -> PluginKey {
    let key = PluginKey::from(name);
    match tenant {
        Some(tenant) => key.scoped(tenant),
        None => key,
    }
}

/// Refuses a tenant's name that cannot be a folder's.
pub(crate) fn check_tenant_name(name: &str) -> Result<(), FieldError> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=MAX_TENANT_BYTES).contains(&name.len()) && name.bytes().all(is_fine) {
        return Ok(());
    }
    let message = format!("{name:?} cannot name a tenant here: use 1 to {MAX_TENANT_BYTES} letters, digits, - and _");
    Err(FieldError::new("tenant", "bad_tenant", message))
}

impl Folder {
    /// Makes the folder if it is missing.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Everything that is in it. What has no meaning here is an error: an operator's mistake is better told than ignored.
    pub(crate) fn read(&self) -> anyhow::Result<Contents> {
        let mut contents = Contents::default();
        for path in visible(&self.root)? {
            if !path.is_dir() {
                contents.plugins.push(plugin_file(None, path)?);
                continue;
            }
            let tenant = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
            check_tenant_name(&tenant).with_context(|| path.display().to_string())?;
            let mut quota = None;
            for path in visible(&path)? {
                if path.ends_with(QUOTA) {
                    quota = Some(read_quota(&path)?);
                } else {
                    contents.plugins.push(plugin_file(Some(&tenant), path)?);
                }
            }
            contents.tenants.insert(tenant, quota);
        }
        Ok(contents)
    }

    /// Writes a component down, under no name yet.
    pub(crate) fn stage(&self, component: &[u8]) -> io::Result<NamedTempFile> {
        let mut staged = NamedTempFile::new_in(&self.root)?;
        staged.write_all(component)?;
        staged.as_file().sync_all()?;
        Ok(staged)
    }

    /// Gives a component that was written down its plugin's name, in the place of what had it.
    pub(crate) fn keep(&self, staged: NamedTempFile, key: &PluginKey) -> io::Result<()> {
        staged.persist(self.component(key))?;
        sync(&self.of_tenant(key.tenant.as_deref()))
    }

    pub(crate) fn remove(&self, key: &PluginKey) -> io::Result<()> {
        unless_missing(fs::remove_file(self.component(key)))?;
        sync(&self.of_tenant(key.tenant.as_deref()))
    }

    pub(crate) fn add_tenant(&self, tenant: &str) -> io::Result<()> {
        fs::create_dir_all(self.of_tenant(Some(tenant)))?;
        sync(&self.root)
    }

    pub(crate) fn remove_tenant(&self, tenant: &str) -> io::Result<()> {
        unless_missing(fs::remove_dir_all(self.of_tenant(Some(tenant))))?;
        sync(&self.root)
    }

    /// None: it has the default again.
    pub(crate) fn set_quota(&self, tenant: &str, quota: Option<&TenantQuota>) -> io::Result<()> {
        let folder = self.of_tenant(Some(tenant));
        match quota {
            Some(quota) => {
                let staged = self.stage(&serde_json::to_vec_pretty(quota)?)?;
                staged.persist(folder.join(QUOTA))?;
            }
            None => unless_missing(fs::remove_file(folder.join(QUOTA)))?,
        }
        sync(&folder)
    }

    fn of_tenant(&self, tenant: Option<&str>) -> PathBuf {
        tenant.map_or_else(|| self.root.clone(), |tenant| self.root.join(tenant))
    }

    fn component(&self, key: &PluginKey) -> PathBuf {
        self.of_tenant(key.tenant.as_deref()).join(format!("{}.{COMPONENT}", key.name))
    }
}

/// The ending of a component's file.
const COMPONENT: &str = "wasm";
/// The file of a tenant's quota.
const QUOTA: &str = "quota.json";

/// What is in a folder, in the order of the names. What begins with a dot was being written when a machine went down, or is an editor's.
fn visible(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> { fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    let mut paths = list().with_context(|| format!("cannot list {}", folder.display()))?;
    let is_visible = |path: &PathBuf| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."));
    paths.retain(is_visible);
    paths.sort();
    Ok(paths)
}

fn plugin_file(tenant: Option<&str>, path: PathBuf) -> anyhow::Result<(PluginKey, Source)> {
    let is_component = path.extension().is_some_and(|extension| extension == COMPONENT);
    let name = path.file_stem().and_then(OsStr::to_str).filter(|_| is_component);
    let name = name.with_context(|| format!("{}: a plugin is a file NAME.{COMPONENT}", path.display()))?;
    let name = PluginName::new(name).with_context(|| path.display().to_string())?;
    Ok((plugin_key(tenant, name), Source::Path(path)))
}

fn read_quota(path: &Path) -> anyhow::Result<TenantQuota> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no quota", path.display()))
}

/// A name that was given or taken away is on the disk after this.
fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn unless_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Folder, key: &PluginKey) {
        folder.keep(folder.stage(b"component").unwrap(), key).unwrap();
    }

    #[test]
    fn what_was_put_into_the_folder_is_read_from_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(&root.path().join("plugins")).unwrap();
        let memory = PluginName::new("memory").unwrap();
        let (of_all, of_acme) = (plugin_key(None, memory.clone()), plugin_key(Some("acme"), memory));
        folder.add_tenant("acme").unwrap();
        folder.add_tenant("globex").unwrap();
        put(&folder, &of_all);
        put(&folder, &of_acme);
        let quota = TenantQuota { active_sessions: Some(7), ..TenantQuota::default() };
        folder.set_quota("acme", Some(&quota)).unwrap();

        let read = folder.read().unwrap();
        let keys: Vec<_> = read.plugins.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [of_acme.clone(), of_all]);
        assert_eq!(read.tenants, BTreeMap::from([("acme".to_owned(), Some(quota)), ("globex".to_owned(), None)]));

        folder.remove(&of_acme).unwrap();
        folder.set_quota("acme", None).unwrap();
        folder.remove_tenant("globex").unwrap();
        let read = folder.read().unwrap();
        assert_eq!((read.plugins.len(), read.tenants), (1, BTreeMap::from([("acme".to_owned(), None)])));
    }

    #[test]
    fn what_has_no_meaning_is_told_with_its_path() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        for name in ["notes.txt", "Memory.wasm"] {
            fs::write(root.path().join(name), "").unwrap();
            let error = format!("{:#}", folder.read().unwrap_err());
            assert!(error.contains(name), "{error}");
            fs::remove_file(root.path().join(name)).unwrap();
        }
        fs::create_dir(root.path().join("a tenant")).unwrap();
        assert!(format!("{:#}", folder.read().unwrap_err()).contains("a tenant"));
    }

    #[test]
    fn no_name_of_a_tenant_leads_out_of_the_folder() {
        for name in ["", ".", "..", "a/b", ".hidden", "a b", "ü", &"x".repeat(65)] {
            assert_eq!(check_tenant_name(name).unwrap_err().code, "bad_tenant", "{name}");
        }
        check_tenant_name("Acme_2-eu").unwrap();
    }
}
