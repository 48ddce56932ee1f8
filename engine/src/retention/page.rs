//! Which of the runs that were looked at one transaction moves. Pure.

use uuid::Uuid;

use crate::store::archive::Seen;

/// Steps moved in one transaction, unless one run has more.
const STEPS: i64 = 20_000;

/// The runs to archive next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) ripe: Vec<Uuid>,
    /// Where the next page begins; `None` when everything was looked at.
    pub(super) cursor: Option<Uuid>,
}

impl Page {
    /// As many of those seen as one transaction shall move: at least one, however large it is.
    pub(super) fn of(seen: &[Seen], limit: usize, size: i64) -> Self {
        let mut page = Self::default();
        let mut steps = 0;
        for run in seen.iter().filter(|run| run.ripe) {
            steps += run.steps;
            let full = page.ripe.len() >= limit || steps > STEPS;
            if full && !page.ripe.is_empty() {
                page.cursor = page.ripe.last().copied();
                return page;
            }
            page.ripe.push(run.run_id);
        }
        let more = |last: &&Seen| last.looked_at >= size && last.old;
        page.cursor = seen.last().filter(more).map(|last| last.run_id);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u128, ripe: bool, steps: i64) -> Seen {
        Seen { run_id: Uuid::from_u128(number), ripe, old: true, steps, looked_at: 100 }
    }

    fn ids(numbers: &[u128]) -> Vec<Uuid> {
        numbers.iter().map(|number| Uuid::from_u128(*number)).collect()
    }

    #[test]
    fn a_page_ends_where_its_batch_is_full() {
        let all = [seen(1, true, 5), seen(2, true, 5), seen(3, true, 5), seen(9, false, 0)];
        let of = |limit, size| Page::of(&all, limit, size);
        assert_eq!(of(2, 100), Page { ripe: ids(&[1, 2]), cursor: Some(Uuid::from_u128(2)) });
        assert_eq!(of(3, 100), Page { ripe: ids(&[1, 2, 3]), cursor: Some(Uuid::from_u128(9)) });
        assert_eq!(of(3, 101), Page { ripe: ids(&[1, 2, 3]), cursor: None }, "the last page");
        assert_eq!(Page::of(&[], 3, 100), Page::default(), "no page");
    }

    #[test]
    fn a_run_with_many_steps_has_a_batch_of_its_own() {
        let all = [seen(1, true, 5), seen(2, true, STEPS + 1), seen(3, true, 5)];
        assert_eq!(Page::of(&all, 9, 9).ripe, ids(&[1]));
        assert_eq!(Page::of(all.get(1..).unwrap(), 9, 9).ripe, ids(&[2]));
    }
}
