// How deep a line of JSON is, without parsing it.

/** Everything that opens or closes a list, an object or a text; a backslash takes the next character with it. */
const MARKS = /\\[^]|["[\]{}]/g;

/** More of them than this are not looked at: that would take more time than all the rest. */
const MOST_MARKS = 20_000;

/**
 * Whether `line` has more than `most` lists and objects within each other, or so many in all that it would take too long to
 * tell.
 */
export function isDeeperThan(most: number, line: string): boolean {
  return hasMoreThan(most, line) && goesDeeperThan(most, line);
}

/** Whether there are more than `most` brackets and braces that open: most lines have some ten, and are done with here. */
function hasMoreThan(most: number, line: string): boolean {
  let left = most;
  for (const mark of ["[", "{"]) {
    for (let at = line.indexOf(mark); at !== -1; at = line.indexOf(mark, at + 1)) {
      if (--left < 0) return true;
    }
  }
  return false;
}

function goesDeeperThan(most: number, line: string): boolean {
  let depth = 0;
  let inText = false;
  MARKS.lastIndex = 0;
  for (let seen = 0; seen < MOST_MARKS; seen += 1) {
    const mark = MARKS.exec(line)?.[0];
    if (mark === undefined) return false;
    if (mark === '"') inText = !inText;
    else if (inText) continue;
    else if (mark === "[" || mark === "{") depth += 1;
    else if (mark === "]" || mark === "}") depth -= 1;
    if (depth > most) return true;
  }
  return true;
}
