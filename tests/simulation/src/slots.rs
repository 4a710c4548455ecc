//! How many calls a node makes at once: it has 4 096 slots, of which a quarter is for the journals that it has adopted.

/// Calls at once of a node's own journal.
pub(crate) const OWN: usize = 3_072;
/// Calls at once of all adopted journals together, and how many journals there may be.
const ADOPTED: usize = 1_024;
const JOURNALS: usize = 32;
/// What is kept for each of these, whether or not it is there: an eighth in all.
const LEAST: usize = ADOPTED / 8 / JOURNALS;

/// How many calls an adopted journal may begin that has none under way, where so many have something to do, itself included. `others` are the
/// calls under way in each of the others. Whoever comes has what is kept for it, and its equal part of the rest as calls of the others end.
///
/// The program divides the slots once a second and whenever a journal comes or goes; here it is done whenever calls begin.
pub(crate) fn of_adopted(busy: usize, others: &[usize]) -> usize {
    let part = LEAST + (ADOPTED - JOURNALS * LEAST) / busy.max(1);
    let held: usize = others.iter().map(|&calls| calls.max(LEAST)).sum();
    let absent = LEAST * JOURNALS.saturating_sub(others.len() + 1);
    part.min(ADOPTED.saturating_sub(held + absent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_journal_has_nearly_all_and_several_an_equal_part_each_as_calls_end() {
        assert_eq!(of_adopted(1, &[]), 900);
        assert_eq!(of_adopted(2, &[900]), 4, "the other one has the rest, and its calls have to end first");
        assert_eq!(of_adopted(2, &[4]), 452);
        assert_eq!(of_adopted(2, &[452]), 452);
        for busy in 1..=JOURNALS {
            let mut calls = vec![0; busy];
            for journal in 0..busy {
                let others: Vec<usize> =
                    (0..busy).filter(|&other| other != journal).map(|other| calls[other]).collect();
                calls[journal] = of_adopted(busy, &others);
            }
            assert!(calls.iter().sum::<usize>() <= ADOPTED && calls.iter().all(|&calls| calls >= 32), "{calls:?}");
        }
    }
}
