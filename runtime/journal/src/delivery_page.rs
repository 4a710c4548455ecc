//! Deliveries that were not made, a page at a time.

use std::sync::Arc;

use lastword_events::{DeliveryId, PluginName};

use crate::{DeliveryRow, DeliveryState};

/// Rows on a page at most, however many are asked for. A row takes some hundred bytes, and up to 4 KiB with a failure's message.
pub const MAX_PAGE_ROWS: usize = 1_000;
/// Rows that are looked at for one page, whether or not the filter matches them. That takes some milliseconds, in which other readers of
/// the journal wait.
pub const LOOKED_AT_FOR_A_PAGE: usize = 4_000;

/// Which deliveries are meant. With nothing set, all that were not made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryFilter {
    /// Deliveries in this state.
    pub state: Option<DeliveryState>,
    /// Deliveries of this tenant's sessions.
    pub tenant: Option<Arc<str>>,
    /// Deliveries of this plugin.
    pub plugin: Option<PluginName>,
}

/// Which part of a listing is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRequest {
    /// The [`DeliveryPage::next`] of the page before. None for the first page.
    pub after: Option<DeliveryId>,
    /// Rows at most. 0 counts as 1. No page has more than [`MAX_PAGE_ROWS`].
    pub limit: usize,
}

/// A page of deliveries that were not made, by session, those of the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DeliveryPage {
    /// The deliveries that match the filter. A page may have fewer rows than were asked for, and even none, though others follow: it ends
    /// after [`LOOKED_AT_FOR_A_PAGE`] rows were looked at.
    pub rows: Vec<DeliveryRow>,
    /// The `after` of the next page. None if this page is the last. It need not name a delivery.
    pub next: Option<DeliveryId>,
}

impl DeliveryFilter {
    /// Only deliveries in this state.
    #[must_use]
    pub fn in_state(state: DeliveryState) -> Self {
        Self { state: Some(state), ..Self::default() }
    }

    /// Only deliveries of this tenant's sessions.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Only deliveries of this plugin.
    #[must_use]
    pub fn of_plugin(mut self, plugin: PluginName) -> Self {
        self.plugin = Some(plugin);
        self
    }

    /// Whether the filter matches a delivery.
    #[must_use]
    pub fn matches(&self, row: &DeliveryRow) -> bool {
        self.state.is_none_or(|state| state == row.state)
            && self.tenant.as_ref().is_none_or(|tenant| **tenant == *row.tenant)
            && self.plugin.as_ref().is_none_or(|plugin| *plugin == row.delivery.plugin)
    }
}

impl PageRequest {
    /// The first page, with at most so many rows.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The page that follows `after`.
    #[must_use]
    pub fn after(after: DeliveryId, limit: usize) -> Self {
        Self { after: Some(after), limit }
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::first(MAX_PAGE_ROWS)
    }
}
