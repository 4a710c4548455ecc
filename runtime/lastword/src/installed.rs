//! The installed plugins, and the tenants that they serve.
//!
//! A set of them does not change: who installs, replaces or uninstalls one makes another set of it, see
//! [`plugin_changes`](crate::plugin_changes). So whoever looks at one sees all of a change, or nothing of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use lastword_events::{DeliveryId, EventKey, Hook, JournalName, PluginKey, PluginName};

use crate::sandbox::Plugin;
use crate::tenants::Tenants;

/// A plugin's number. It is the same for all of its versions, and another's when it is uninstalled and nothing of it is left.
pub(crate) type PluginNumber = usize;

/// Counts the sets of installed plugins of a run, from 1.
pub(crate) type Epoch = u32;

/// A plugin with the tenants that it serves, from when it is installed to when it is uninstalled. It is shared by the sets that it is in,
/// as long as its version is the same.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) plugin: Plugin,
    pub(crate) tenants: Tenants,
    pub(crate) id: InstalledId,
    /// The first set that has this version of it.
    since: Epoch,
    /// The first of the sets up to now with which it was sent starts of sessions.
    starts_since: Option<Epoch>,
    /// How it was uninstalled. All of its versions share it.
    uninstalled: Arc<OnceLock<Leave>>,
}

/// Tells an installed plugin from all others of the run, whatever number it has. They are in the order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstalledId(u64);

/// What becomes of the deliveries that an uninstalled plugin is owed, and of the ends of active sessions that it was sent the start of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leave {
    /// They stay in the journal, as orphaned: a plugin of this name that is installed again is called with them.
    Orphaned,
    /// They are forgotten, as [`Runtime::forget`](crate::Runtime::forget) does, with what was orphaned under its name before. What was
    /// given up stays.
    Dropped,
}

/// The plugin that is called, as observers are told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CalledPlugin<'a> {
    pub(crate) name: &'a PluginName,
    pub(crate) is_scoped: bool,
}

/// The version of a plugin that a call is of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Version {
    /// The first set that has it.
    pub(crate) since: Epoch,
    /// Bytes that it may store for one tenant.
    pub(crate) key_value_quota: Option<u64>,
}

impl Installed {
    fn new(plugin: Plugin, tenants: Tenants, id: InstalledId, since: Epoch) -> Self {
        let starts_since = plugin.hooks().contains(Hook::SessionStart).then_some(since);
        Self { plugin, tenants, id, since, starts_since, uninstalled: Arc::default() }
    }

    /// The same with another version.
    fn replaced(&self, plugin: Plugin, since: Epoch) -> Self {
        let starts_since = plugin.hooks().contains(Hook::SessionStart).then(|| self.starts_since.unwrap_or(since));
        Self { plugin, since, starts_since, ..self.clone() }
    }

    pub(crate) fn name(&self) -> &PluginName {
        self.plugin.name()
    }

    /// As observers are told of it.
    pub(crate) fn called(&self) -> CalledPlugin<'_> {
        CalledPlugin { name: self.name(), is_scoped: self.plugin.key().tenant.is_some() }
    }

    pub(crate) fn version(&self) -> Version {
        Version { since: self.since, key_value_quota: self.plugin.key_value_quota() }
    }

    /// Whether it was sent the starts that were decided by the set of this epoch. None was by epoch 0.
    pub(crate) fn was_sent_starts(&self, epoch: Epoch) -> bool {
        self.starts_since.is_some_and(|since| epoch >= since)
    }

    /// The plugin is uninstalled.
    pub(crate) fn set_uninstalled(&self, leave: Leave) {
        // The first that is set counts, and there is one.
        self.uninstalled.set(leave).ok();
    }

    /// How the plugin was uninstalled, if it was.
    pub(crate) fn uninstalled(&self) -> Option<Leave> {
        self.uninstalled.get().copied()
    }
}

/// All of them. Each has a number, which is another's only when nothing of it is left.
#[derive(Clone, Debug)]
pub(crate) struct InstalledPlugins {
    epoch: Epoch,
    next_id: u64,
    /// By number.
    slots: Vec<Slot>,
    /// The numbers of those that serve every tenant, in the order in which they were installed.
    every: Vec<PluginNumber>,
    /// The numbers of the others, by tenant, in that order.
    only: HashMap<Arc<str>, Vec<PluginNumber>>,
}

#[derive(Clone, Debug)]
enum Slot {
    /// Nobody has the number.
    Free,
    Installed(Arc<Installed>),
    /// The plugin is uninstalled, and something of it is left.
    Uninstalling(Arc<Installed>),
}

/// Whom an event is owed, as it is on record, and the set that has decided it.
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
        Self { epoch: 1, next_id: 0, slots: Vec::new(), every: Vec::new(), only: HashMap::new() }
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

    /// The next set, with one more, and its number.
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

    /// The next set, with another version of one.
    pub(crate) fn with_version(&self, number: PluginNumber, plugin: Plugin) -> Self {
        let mut set = self.following();
        let since = set.epoch;
        if let Some(Slot::Installed(one)) = set.slots.get_mut(number) {
            *one = Arc::new(one.replaced(plugin, since));
        }
        set
    }

    /// The next set, in which one is uninstalled. Its number is still its own.
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

    /// The next set, in which this number is nobody's.
    pub(crate) fn without(&self, number: PluginNumber) -> Self {
        let mut set = self.following();
        if let Some(slot) = set.slots.get_mut(number) {
            *slot = Slot::Free;
        }
        set
    }

    fn following(&self) -> Self {
        Self { epoch: self.epoch.saturating_add(1), ..self.clone() }
    }

    fn add(&mut self, plugin: Plugin, tenants: Tenants) -> PluginNumber {
        let id = InstalledId(self.next_id);
        self.next_id += 1;
        let slot = Slot::Installed(Arc::new(Installed::new(plugin, tenants, id, self.epoch)));
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

    /// Makes the lists of who serves whom.
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

    /// Which of the run's sets it is.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The plugin that has this number: installed, or uninstalled with something left.
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

    /// The plugin that is known by this, with its number.
    pub(crate) fn find(&self, key: &PluginKey) -> Option<(PluginNumber, &Arc<Installed>)> {
        // Most have another name, which costs least to see.
        installed(&self.slots).find(|(_, one)| *one.name() == key.name && one.plugin.key() == *key)
    }

    /// In the order in which they were installed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Installed>> {
        self.numbered().map(|(_, one)| one)
    }

    /// In the order in which they were installed, with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (PluginNumber, &Arc<Installed>)> {
        numbered(&self.slots).into_iter()
    }

    /// Those that serve `tenant`, in the order in which they were installed. A name is there once.
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

    /// How many serve `tenant`.
    pub(crate) fn count_serving(&self, tenant: &str) -> u64 {
        let count = self.every.len() + self.only.get(tenant).map_or(0, Vec::len);
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Whether a plugin of this name serves `tenant`.
    pub(crate) fn serves(&self, tenant: &str, name: &PluginName) -> bool {
        self.serving(tenant).any(|(_, one)| one.name() == name)
    }

    /// Those that are owed `event` of a session of `tenant`.
    pub(crate) fn owed_to(self: &Arc<Self>, tenant: &str, event: EventKey) -> Owed {
        let has_hook = |(_, one): &(PluginNumber, &Arc<Installed>)| one.plugin.hooks().contains(event.hook());
        let plugins = self.serving(tenant).filter(has_hook).map(|(_, one)| one.name().clone()).collect();
        Owed { plugins, by: self.clone() }
    }

    /// Those that are owed the end of a session: every one that serves its tenant now, and every one that was sent its start.
    pub(crate) fn owed_end(self: &Arc<Self>, tenant: &str, started: &[PluginName]) -> Owed {
        let mut owed = self.owed_to(tenant, EventKey::End);
        add_missing(&mut owed.plugins, started);
        owed
    }

    /// What a journal records of them.
    pub(crate) fn recorded(&self) -> Vec<(PluginName, Option<Vec<Arc<str>>>)> {
        let tenants = |tenants: &Tenants| match tenants {
            Tenants::Every => None,
            Tenants::Only(tenants) => Some(tenants.clone()),
        };
        self.iter().map(|one| (one.name().clone(), tenants(&one.tenants))).collect()
    }
}

impl Owed {
    /// The deliveries of this event of a session that they are owed.
    pub(crate) fn deliveries(&self, journal: JournalName, sequence: u64, event: EventKey) -> Vec<DeliveryId> {
        self.plugins.iter().map(|plugin| DeliveryId { journal, sequence, event, plugin: plugin.clone() }).collect()
    }

    /// How the plugin of this name, which was owed the event, was uninstalled since. A plugin that was not installed when the event was
    /// decided has been gone for longer: what it is owed is kept.
    pub(crate) fn how_uninstalled(&self, tenant: &str, name: &PluginName) -> Leave {
        let was = self.by.serving(tenant).find(|(_, one)| one.name() == name);
        was.and_then(|(_, one)| one.uninstalled()).unwrap_or(Leave::Orphaned)
    }
}

/// Those that are installed, in the order in which they were.
fn numbered(slots: &[Slot]) -> Vec<(PluginNumber, &Arc<Installed>)> {
    let mut numbered: Vec<_> = installed(slots).collect();
    numbered.sort_unstable_by_key(|(_, one)| one.id);
    numbered
}

/// Those that are installed, by number.
fn installed(slots: &[Slot]) -> impl Iterator<Item = (PluginNumber, &Arc<Installed>)> {
    slots.iter().enumerate().filter_map(|(number, slot)| match slot {
        Slot::Installed(one) => Some((number, one)),
        Slot::Uninstalling(_) | Slot::Free => None,
    })
}

/// The names that plugins have, and for which tenants.
#[derive(Default)]
struct TakenNames {
    keys: HashSet<PluginKey>,
    /// Names of plugins that serve every tenant.
    every: HashSet<PluginName>,
    /// Names of plugins that serve some.
    some: HashSet<PluginName>,
    only: HashSet<(PluginName, Arc<str>)>,
}

impl TakenNames {
    /// Takes the plugin's name for the tenants that it serves, and says which they are: a scoped one serves its own. No tenant may have
    /// two plugins of one name.
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

/// Adds those of `others` that are not in `plugins` yet.
pub(crate) fn add_missing<'a>(plugins: &mut Vec<PluginName>, others: impl IntoIterator<Item = &'a PluginName>) {
    for plugin in others {
        if !plugins.contains(plugin) {
            plugins.push(plugin.clone());
        }
    }
}
