//! Paging, which all lists share.

use lastword::MAX_PAGE_ROWS;

use super::problem::Problem;
use crate::limits::DEFAULT_PAGE_ROWS;

/// Returns the rows of a page: as many as asked for, within the library's bound.
pub(in crate::http) fn page_rows(limit: Option<u32>) -> usize {
    let rows = limit.map_or(DEFAULT_PAGE_ROWS, |limit| usize::try_from(limit).unwrap_or(MAX_PAGE_ROWS));
    rows.clamp(1, MAX_PAGE_ROWS)
}

/// The problem of a continuation that is not from the page before.
pub(in crate::http) fn bad_page() -> Problem {
    Problem::bad_field("after", "bad_page", "after must be `next` of the page before")
}
