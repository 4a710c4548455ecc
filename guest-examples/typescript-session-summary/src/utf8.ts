/** Text as bytes. QuickJS has no `TextEncoder`. */
export function utf8(text: string): Uint8Array {
  // `encodeURIComponent` writes UTF-8, though as "%C3%BC", and `unescape` makes a character of each such byte: old
  // functions, and the quickest way in an interpreter. `toWellFormed`, because half a surrogate pair is no text.
  const characters = unescape(encodeURIComponent(text.toWellFormed()));
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = characters.charCodeAt(at);
  return bytes;
}
