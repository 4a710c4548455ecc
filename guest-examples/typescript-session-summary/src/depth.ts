// How deep a line of JSON is, without parsing it.

/** Everything that opens or closes a list or an object, and what opens a text. */
const MARKS = /["[\]{}]/g;

/** More of them than this, and quotation marks in texts, are not looked at: that would take more time than all the rest. */
const MOST_MARKS = 50_000;

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
  let left = MOST_MARKS;
  MARKS.lastIndex = 0;
  while (left-- > 0) {
    const mark = MARKS.exec(line)?.[0];
    if (mark === undefined) return false;
    if (mark === '"') {
      let end = line.indexOf('"', MARKS.lastIndex);
      while (end !== -1 && left-- > 0 && isEscaped(line, end)) end = line.indexOf('"', end + 1);
      // A text that does not end is no JSON, whatever is in it.
      if (end === -1) return false;
      MARKS.lastIndex = end + 1;
    } else if (mark === "[" || mark === "{") depth += 1;
    else depth -= 1;
    if (depth > most) return true;
  }
  return true;
}

/** Whether an odd number of backslashes stands before it. */
function isEscaped(line: string, at: number): boolean {
  let first = at;
  while (line[first - 1] === "\\") first -= 1;
  return (at - first) % 2 === 1;
}
