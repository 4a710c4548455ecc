//! Repairs hooks of ours that differ from the recipe. Keeps the user's additions.

use super::super::jsonc::{Mistake, cut};
use super::super::layout::{Node, quoted};
use super::super::recipe::Recipe;
use super::super::splice::{Item, insert};
use super::found::{Found, TIMEOUT, find};
use super::take_out;

/// Makes one step towards the wanted hooks. `None`: there is nothing to repair.
pub(super) fn mend(text: &str, recipe: &Recipe, line: &str) -> Result<Option<String>, Mistake> {
    let all = find(text, recipe.shape)?;
    for (place, found) in all.iter().enumerate() {
        let is_repeated = all.iter().take(place).any(|earlier| earlier.is_plain && earlier.event == found.event);
        let wanted = recipe.hooks.iter().find(|hook| hook.event == found.event);
        let mended = if found.is_plain && (wanted.is_none() || is_repeated) {
            // A list that gets another hook of ours stays.
            take_out(text, recipe.shape, found, wanted.map(|_| text))?
        } else if found.command != line {
            replace(text, found.command_at, &quoted(line))
        } else if let Some(timeout) = wanted.and_then(|hook| hook.timeout)
            && let Some(mended) = give_time(text, found, timeout)
        {
            mended
        } else {
            continue;
        };
        return Ok((mended != text).then_some(mended));
    }
    Ok(None)
}

/// Raises a hook's time. `None`: it has enough. Keeps a longer time that the user has set.
fn give_time(text: &str, found: &Found, timeout: u32) -> Option<String> {
    let Some((start, end)) = found.timeout_at else {
        return Some(insert(text, &found.members, &Item::Member(TIMEOUT, Node::Number(timeout))));
    };
    let is_enough = cut(text, start..end).parse::<f64>().is_ok_and(|given| given >= f64::from(timeout));
    (!is_enough).then(|| replace(text, (start, end), &timeout.to_string()))
}

fn replace(text: &str, (start, end): (usize, usize), with: &str) -> String {
    format!("{}{with}{}", cut(text, 0..start), cut(text, end..text.len()))
}
