//! The installed plugins, and the tenants that they serve.
//!
//! A set of plugins does not change. Whoever installs, replaces or uninstalls a plugin makes another set, see
//! [`plugin_changes`](crate::plugin_changes). So a reader sees a whole change, or nothing of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use lastword_events::{DeliveryId, EventKey, Hook, JournalName, PluginKey, PluginName};

use crate::sandbox::Plugin;
use crate::tenants::Tenants;

/// A plugin's number, the same for all of its versions. Another plugin may have the number once the plugin is uninstalled and nothing of it
/// is left.
pub(crate) type PluginNumber = usize;

/// The number of a set of installed plugins. A run counts its sets from 1.
pub(crate) type PluginSetNumber = u32;

/// A plugin with the tenants that it serves, from its installation to its uninstalling. Sets share it as long as the version is the same.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) plugin: Plugin,
    pub(crate) tenants: Tenants,
    pub(crate) id: InstalledId,
    /// The first set that has this version of the plugin.
    since: PluginSetNumber,
    /// First set of the current unbroken run of sets in which the plugin gets `session-start`.
    starts_since: Option<PluginSetNumber>,
    /// How the plugin was uninstalled. All of its versions share this.
    uninstalled: Arc<OnceLock<Leave>>,
}

/// Tells an installed plugin from all others of the run, whatever numbers they have. Ids are ordered as the plugins were installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstalledId(u64);

/// What becomes of the deliveries that an uninstalled plugin is owed, and of the ends of active sessions whose start it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leave {
    /// The deliveries stay in the journal as orphaned. A plugin that is installed again under this name is called with them.
    Orphaned,
    /// The deliveries are forgotten, as [`Runtime::forget`](crate::Runtime::forget) does, together with what was orphaned under the
    /// plugin's name before. Deliveries that were given up stay.
    Dropped,
}

/// The plugin of a call, as observers are told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CalledPlugin<'a> {
    pub(crate) name: &'a PluginName,
    pub(crate) is_scoped: bool,
}

/// The version of a plugin that is called.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Version {
    /// The first set that has this version.
    pub(crate) since: PluginSetNumber,
    /// Bytes that the plugin may store for one tenant.
    pub(crate) key_value_quota: Option<u64>,
}

impl Installed {
    fn new(plugin: Plugin, tenants: Tenants, id: InstalledId, since: PluginSetNumber) -> Self {
        let starts_since = plugin.hooks().contains(Hook::SessionStart).then_some(since);
        Self { plugin, tenants, id, since, starts_since, uninstalled: Arc::default() }
    }

    /// The same plugin with another version.
    fn replaced(&self, plugin: Plugin, since: PluginSetNumber) -> Self {
        let starts_since = plugin.hooks().contains(Hook::SessionStart).then(|| self.starts_since.unwrap_or(since));
        Self { plugin, since, starts_since, ..self.clone() }
    }

    pub(crate) fn name(&self) -> &PluginName {
        self.plugin.name()
    }

    /// The plugin, as observers are told of it.
    pub(crate) fn called(&self) -> CalledPlugin<'_> {
        CalledPlugin { name: self.name(), is_scoped: self.plugin.key().tenant.is_some() }
    }

    pub(crate) fn version(&self) -> Version {
        Version { since: self.since, key_value_quota: self.plugin.key_value_quota() }
    }

    /// Whether the plugin was sent the starts that were decided with the set of this number. No set has number 0.
    pub(crate) fn was_sent_starts(&self, set: PluginSetNumber) -> bool {
        self.starts_since.is_some_and(|since| set >= since)
    }

    /// Notes how the plugin is uninstalled.
    pub(crate) fn set_uninstalled(&self, leave: Leave) {
        // Only the first call sets it, and there is only one.
        self.uninstalled.set(leave).ok();
    }

    /// How the plugin was uninstalled, if it was.
    pub(crate) fn uninstalled(&self) -> Option<Leave> {
        self.uninstalled.get().copied()
    }
}

/// All installed plugins. Each has a number, which another plugin may have only when nothing of the first is left.
#[derive(Clone, Debug)]
pub(crate) struct InstalledPlugins {
    number: PluginSetNumber,
    next_id: u64,
    /// By the number of the plugin.
    slots: Vec<Slot>,
    /// The numbers of the plugins that serve every tenant, in the order of installation.
    every: Vec<PluginNumber>,
    /// The numbers of the other plugins, by tenant, in the same order.
    only: HashMap<Arc<str>, Vec<PluginNumber>>,
}

#[derive(Clone, Debug)]
enum Slot {
    /// No plugin has the number.
    Free,
    Installed(Arc<Installed>),
    /// The plugin is uninstalled, and something of it is left.
    Uninstalling(Arc<Installed>),
}

/// The plugins that are owed an event on record, and the set that has decided so.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) plugins: Vec<PluginName>,
    pub(crate) by: Arc<InstalledPlugins>,
}

/// Why a plugin cannot be installed beside others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    SamePluginName(PluginKey),
    OtherTenants(PluginKey),
}

impl Default for InstalledPlugins {
    fn default() -> Self {
        Self { number: 1, next_id: 0, slots: Vec::new(), every: Vec::new(), only: HashMap::new() }
    }
}

impl InstalledPlugins {
    /// The first set of a run.
    pub(crate) fn new(plugins: Vec<(Plugin, Tenants)>) -> Result<Self, Conflict> {
        let (mut taken, mut set) = (TakenNames::default(), Self::default());
        for (plugin, tenants) in plugins {
            let tenants = taken.take(&plugin, tenants)?;
            set.add(plugin, tenants);
        }
        set.index();
        Ok(set)
    }

    /// The next set, with one more plugin, and the number of that plugin.
    pub(crate) fn with(&self, plugin: Plugin, tenants: Tenants) -> Result<(PluginNumber, Self), Conflict> {
        let mut taken = TakenNames::default();
        for one in self.iter().filter(|one| one.name() == plugin.name()) {
            taken.take(&one.plugin, one.tenants.clone())?;
        }
        let tenants = taken.take(&plugin, tenants)?;
        let mut set = self.following();
        let number = set.add(plugin, tenants);
        set.index();
        Ok((number, set))
    }

    /// The next set, with another version of one plugin.
    pub(crate) fn with_version(&self, number: PluginNumber, plugin: Plugin) -> Self {
        let mut set = self.following();
        let since = set.number;
        if let Some(Slot::Installed(one)) = set.slots.get_mut(number) {
            *one = Arc::new(one.replaced(plugin, since));
        }
        set
    }

    /// The next set, in which one plugin is uninstalled. The plugin keeps its number.
    pub(crate) fn with_uninstalling(&self, number: PluginNumber) -> Self {
        let mut set = self.following();
        if let Some(slot) = set.slots.get_mut(number)
            && let Slot::Installed(one) = slot
        {
            *slot = Slot::Uninstalling(one.clone());
        }
        set.index();
        set
    }

    /// The next set, in which no plugin has this number.
    pub(crate) fn without(&self, number: PluginNumber) -> Self {
        let mut set = self.following();
        if let Some(slot) = set.slots.get_mut(number) {
            *slot = Slot::Free;
        }
        set
    }

    fn following(&self) -> Self {
        Self { number: self.number.saturating_add(1), ..self.clone() }
    }

    fn add(&mut self, plugin: Plugin, tenants: Tenants) -> PluginNumber {
        let id = InstalledId(self.next_id);
        self.next_id += 1;
        let slot = Slot::Installed(Arc::new(Installed::new(plugin, tenants, id, self.number)));
        match self.slots.iter_mut().enumerate().find(|(_, slot)| matches!(slot, Slot::Free)) {
            Some((number, free)) => {
                *free = slot;
                number
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        }
    }

    /// Makes the lists of which plugins serve which tenants.
    fn index(&mut self) {
        (self.every, self.only) = (Vec::new(), HashMap::new());
        for (number, one) in numbered(&self.slots) {
            match &one.tenants {
                Tenants::Every => self.every.push(number),
                Tenants::Only(tenants) => {
                    for tenant in tenants {
                        self.only.entry(tenant.clone()).or_default().push(number);
                    }
                }
            }
        }
    }

    /// The number of this set in its run.
    pub(crate) fn number(&self) -> PluginSetNumber {
        self.number
    }

    /// The plugin that has this number: it is installed, or it is uninstalled with something left.
    pub(crate) fn get(&self, number: PluginNumber) -> Option<&Arc<Installed>> {
        match self.slots.get(number)? {
            Slot::Installed(one) | Slot::Uninstalling(one) => Some(one),
            Slot::Free => None,
        }
    }

    /// The plugin that is installed under this number.
    pub(crate) fn installed(&self, number: PluginNumber) -> Option<&Arc<Installed>> {
        match self.slots.get(number)? {
            Slot::Installed(one) => Some(one),
            Slot::Uninstalling(_) | Slot::Free => None,
        }
    }

    /// The plugin of this name and scope, with its number.
    pub(crate) fn find(&self, key: &PluginKey) -> Option<(PluginNumber, &Arc<Installed>)> {
        // The name is compared first: most names differ, and that costs least to see.
        installed(&self.slots).find(|(_, one)| *one.name() == key.name && one.plugin.key() == *key)
    }

    /// The installed plugins in the order of installation.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Installed>> {
        self.numbered().map(|(_, one)| one)
    }

    /// The installed plugins in the order of installation, with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (PluginNumber, &Arc<Installed>)> {
        numbered(&self.slots).into_iter()
    }

    /// The plugins that serve `tenant`, in the order of installation. Each name is there once.
    pub(crate) fn serving<'a>(
        &'a self,
        tenant: &str,
    ) -> impl Iterator<Item = (PluginNumber, &'a Arc<Installed>)> + use<'a> {
        let mut every = self.served(&self.every).peekable();
        let mut only = self.served(self.only.get(tenant).map_or(&[], Vec::as_slice)).peekable();
        std::iter::from_fn(move || {
            let only_is_first = match (every.peek(), only.peek()) {
                (Some((_, every)), Some((_, only))) => only.id < every.id,
                (every, _) => every.is_none(),
            };
            if only_is_first { only.next() } else { every.next() }
        })
    }

    fn served<'a>(&'a self, numbers: &'a [PluginNumber]) -> impl Iterator<Item = (PluginNumber, &'a Arc<Installed>)> {
        numbers.iter().filter_map(|&number| Some((number, self.installed(number)?)))
    }

    /// How many plugins serve `tenant`.
    pub(crate) fn count_serving(&self, tenant: &str) -> u64 {
        let count = self.every.len() + self.only.get(tenant).map_or(0, Vec::len);
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Whether a plugin of this name serves `tenant`.
    pub(crate) fn serves(&self, tenant: &str, name: &PluginName) -> bool {
        self.serving(tenant).any(|(_, one)| one.name() == name)
    }

    /// The plugins that are owed `event` of a session of `tenant`.
    pub(crate) fn owed_to(self: &Arc<Self>, tenant: &str, event: EventKey) -> Owed {
        let has_hook = |(_, one): &(PluginNumber, &Arc<Installed>)| one.plugin.hooks().contains(event.hook());
        let plugins = self.serving(tenant).filter(has_hook).map(|(_, one)| one.name().clone()).collect();
        Owed { plugins, by: self.clone() }
    }

    /// The plugins that are owed the end of a session: every plugin that serves the tenant now, and every plugin that was sent the start.
    pub(crate) fn owed_end(self: &Arc<Self>, tenant: &str, started: &[PluginName]) -> Owed {
        let mut owed = self.owed_to(tenant, EventKey::End);
        add_missing(&mut owed.plugins, started);
        owed
    }

    /// The installed plugins, as a journal records them.
    pub(crate) fn recorded(&self) -> Vec<(PluginName, Option<Vec<Arc<str>>>)> {
        let tenants = |tenants: &Tenants| match tenants {
            Tenants::Every => None,
            Tenants::Only(tenants) => Some(tenants.clone()),
        };
        self.iter().map(|one| (one.name().clone(), tenants(&one.tenants))).collect()
    }
}

impl Owed {
    /// The deliveries of this event of a session, one for each plugin that is owed it.
    pub(crate) fn deliveries(&self, journal: JournalName, sequence: u64, event: EventKey) -> Vec<DeliveryId> {
        self.plugins.iter().map(|plugin| DeliveryId { journal, sequence, event, plugin: plugin.clone() }).collect()
    }

    /// How a plugin of this name that was owed the event was uninstalled since. A plugin that was not installed when the event was decided
    /// has been gone for longer: its deliveries are kept.
    pub(crate) fn how_uninstalled(&self, tenant: &str, name: &PluginName) -> Leave {
        let was = self.by.serving(tenant).find(|(_, one)| one.name() == name);
        was.and_then(|(_, one)| one.uninstalled()).unwrap_or(Leave::Orphaned)
    }
}

/// The installed plugins, in the order of installation.
fn numbered(slots: &[Slot]) -> Vec<(PluginNumber, &Arc<Installed>)> {
    let mut numbered: Vec<_> = installed(slots).collect();
    numbered.sort_unstable_by_key(|(_, one)| one.id);
    numbered
}

/// The installed plugins, by number.
fn installed(slots: &[Slot]) -> impl Iterator<Item = (PluginNumber, &Arc<Installed>)> {
    slots.iter().enumerate().filter_map(|(number, slot)| match slot {
        Slot::Installed(one) => Some((number, one)),
        Slot::Uninstalling(_) | Slot::Free => None,
    })
}

/// The names of plugins, and for which tenants each name is used.
#[derive(Default)]
struct TakenNames {
    keys: HashSet<PluginKey>,
    /// Names of plugins that serve every tenant.
    every: HashSet<PluginName>,
    /// Names of plugins that serve some tenants.
    some: HashSet<PluginName>,
    only: HashSet<(PluginName, Arc<str>)>,
}

impl TakenNames {
    /// Reserves the plugin's name for the tenants that it serves, and gives these tenants. A scoped plugin serves its own tenant. No tenant
    /// may have two plugins of one name.
    fn take(&mut self, plugin: &Plugin, tenants: Tenants) -> Result<Tenants, Conflict> {
        let key = plugin.key();
        let tenants = match (&key.tenant, tenants) {
            (None, Tenants::Every) => Tenants::Every,
            (None, Tenants::Only(tenants)) => Tenants::Only(each_once(tenants)),
            (Some(own), tenants) if tenants.are_within(own) => Tenants::Only(vec![own.clone()]),
            (Some(_), _) => return Err(Conflict::OtherTenants(key)),
        };
        let name = &key.name;
        let is_free = match &tenants {
            Tenants::Every => !self.some.contains(name),
            Tenants::Only(tenants) => tenants.iter().all(|tenant| !self.only.contains(&(name.clone(), tenant.clone()))),
        };
        if !is_free || self.every.contains(name) || self.keys.contains(&key) {
            return Err(Conflict::SamePluginName(key));
        }
        match &tenants {
            Tenants::Every => {
                self.every.insert(name.clone());
            }
            Tenants::Only(tenants) => {
                self.some.insert(name.clone());
                self.only.extend(tenants.iter().map(|tenant| (name.clone(), tenant.clone())));
            }
        }
        self.keys.insert(key);
        Ok(tenants)
    }
}

fn each_once(tenants: Vec<Arc<str>>) -> Vec<Arc<str>> {
    let mut seen = HashSet::new();
    tenants.into_iter().filter(|tenant| seen.insert(tenant.clone())).collect()
}

/// Adds to `plugins` those of `others` that are not there yet.
pub(crate) fn add_missing<'a>(plugins: &mut Vec<PluginName>, others: impl IntoIterator<Item = &'a PluginName>) {
    for plugin in others {
        if !plugins.contains(plugin) {
            plugins.push(plugin.clone());
        }
    }
}
