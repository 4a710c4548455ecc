//! Decides what to do about the files at a journal's path. The decision depends on the files that were found, and on nothing else.

use super::content::Content;

/// The files at a journal's path, and beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The file at the path; none when there is none.
    pub(super) file: Option<Content>,
    /// Whether a salvage has finished writing a journal that does not have its name yet.
    pub(super) salvaged: bool,
    /// Whether a file is there that SQLite would take for the log of an empty database, and remove.
    pub(super) stray_part: bool,
}

/// The action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Make an empty file, and take it.
    Make,
    /// Take the file. It is a journal, a damaged one, or an empty file that may become one.
    Take(Content),
    /// Give the salvaged journal the name of the damaged one, and take it.
    FinishSalvage,
    /// Leave everything as it is.
    Refuse(Refusal),
}

/// The reason to do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The file belongs to another program.
    Foreign,
    /// The file is a journal of this version, which is newer than ours.
    Newer(u32),
    /// The journal is missing, and files that belong to one lie beside its path.
    StrayPart,
}

pub(super) fn decide(found: Found) -> Decision {
    match found {
        Found { file: Some(Content::Foreign), .. } => Decision::Refuse(Refusal::Foreign),
        Found { file: Some(Content::Newer(version)), .. } => Decision::Refuse(Refusal::Newer(version)),
        Found { salvaged: true, .. } => Decision::FinishSalvage,
        Found { file: None | Some(Content::Empty), stray_part: true, .. } => Decision::Refuse(Refusal::StrayPart),
        Found { file: None, .. } => Decision::Make,
        Found { file: Some(content), .. } => Decision::Take(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row: the file, whether a salvaged journal or a stray part is beside it, and the decision.
    #[test]
    fn what_is_done_about_each_thing_that_can_be_found() {
        use Content::{Empty, Foreign, Headless, Journal, Newer, Unwritten};
        use Decision::{FinishSalvage, Make, Refuse, Take};
        let (some, none) = (true, false);
        let stray = Refuse(Refusal::StrayPart);
        let rows = [
            // The file is missing or empty. It may become a journal, unless SQLite would remove somebody's file.
            (None, none, none, Make),
            (None, none, some, stray),
            (Some(Empty), none, none, Take(Empty)),
            (Some(Empty), none, some, stray),
            // A header without tables has a log, which SQLite reads.
            (Some(Unwritten), none, none, Take(Unwritten)),
            (Some(Unwritten), none, some, Take(Unwritten)),
            // A journal has its parts beside it.
            (Some(Journal), none, none, Take(Journal)),
            (Some(Journal), none, some, Take(Journal)),
            (Some(Headless), none, none, Take(Headless)),
            (Some(Headless), none, some, Take(Headless)),
            // A crash has stopped a salvage. The damaged file may have any form.
            (None, some, none, FinishSalvage),
            (None, some, some, FinishSalvage),
            (Some(Empty), some, none, FinishSalvage),
            (Some(Empty), some, some, FinishSalvage),
            (Some(Unwritten), some, none, FinishSalvage),
            (Some(Journal), some, none, FinishSalvage),
            (Some(Journal), some, some, FinishSalvage),
            (Some(Headless), some, some, FinishSalvage),
            // A file of another program stays as it is, whatever lies beside it.
            (Some(Foreign), none, none, Refuse(Refusal::Foreign)),
            (Some(Foreign), some, some, Refuse(Refusal::Foreign)),
            (Some(Newer(99)), none, none, Refuse(Refusal::Newer(99))),
            (Some(Newer(99)), some, some, Refuse(Refusal::Newer(99))),
        ];
        for (file, salvaged, stray_part, wanted) in rows {
            let found = Found { file, salvaged, stray_part };
            assert_eq!(decide(found), wanted, "{found:?}");
        }
    }
}
