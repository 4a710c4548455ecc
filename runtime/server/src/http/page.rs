//! What the pages of all lists have in common.

use lastword::MAX_PAGE_ROWS;

use super::problem::Problem;
use crate::limits::DEFAULT_PAGE_ROWS;

/// Rows that a page may have: as many as were asked for, within what the library gives.
pub(in crate::http) fn page_rows(limit: Option<u32>) -> usize {
    let rows = limit.map_or(DEFAULT_PAGE_ROWS, |limit| usize::try_from(limit).unwrap_or(MAX_PAGE_ROWS));
    rows.clamp(1, MAX_PAGE_ROWS)
}

/// What was given to continue a list is not from the page before.
pub(in crate::http) fn bad_page() -> Problem {
    Problem::bad_field("after", "bad_page", "after must be `next` of the page before")
}
