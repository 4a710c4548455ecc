//! What a page of rustdoc's says of an item: its declaration, its methods and its traits.

/// What a type has by itself unless something in it has not. Unwinding is left out: it comes and goes with private fields, and
/// nobody relies on it.
const LACKED: [&str; 3] = ["!Send ", "!Sync ", "!Unpin "];

/// The pages that a crate's list of all items names, relative to the crate's folder.
pub(super) fn links(all: &str) -> Vec<String> {
    let lists = all.split("<ul class=\"all-items\">").skip(1).filter_map(|list| list.split("</ul>").next());
    lists.flat_map(|list| between(list, "<a href=\"", "\"")).map(str::to_owned).collect()
}

/// The item's path of `limits/constant.TICK.html`: `lastword::limits::TICK`.
pub(super) fn path(crate_name: &str, link: &str) -> Option<String> {
    let (folder, file) = link.rsplit_once('/').unwrap_or(("", link));
    let name = file.strip_suffix(".html")?.split_once('.')?.1;
    let modules = folder.split('/').filter(|module| !module.is_empty());
    Some([crate_name].into_iter().chain(modules).chain([name]).collect::<Vec<_>>().join("::"))
}

/// A line for the item, and for each of its own methods and constants and of the traits that it has.
pub(super) fn lines(page: &str) -> Vec<String> {
    let declaration = between(page, "<pre class=\"rust item-decl\"><code>", "</code></pre>").next();
    let mut lines: Vec<String> = declaration.into_iter().map(text).collect();
    // A trait's declaration has its methods.
    if lines.iter().any(|line| line.starts_with("pub trait ")) {
        return lines;
    }
    let (own, rest) = page.split_once("<h2 id=\"trait-implementations\"").unwrap_or((page, ""));
    // What a type has by `Deref` is the other type's, and changes with the version of Rust.
    let own = own.split("<h2 id=\"deref-methods-").next().unwrap_or_default();
    let (traits, automatic) = rest.split_once("<h2 id=\"synthetic-implementations\"").unwrap_or((rest, ""));
    let automatic = automatic.split("<h2 id=\"blanket-implementations\"").next().unwrap_or_default();
    lines.extend(headers(own, "h4"));
    lines.extend(headers(traits, "h3"));
    // Those that it lacks: a type that is not `Send` any more breaks whoever sends it.
    let lacks = |line: &String| LACKED.iter().any(|lacked| line.contains(lacked));
    lines.extend(headers(automatic, "h3").filter(lacks));
    lines
}

fn headers<'a>(page: &'a str, tag: &'a str) -> impl Iterator<Item = String> + 'a {
    let (open, close) = (format!("<{tag} class=\"code-header\">"), format!("</{tag}>"));
    let pieces: Vec<String> = between(page, &open, &close).map(text).collect();
    pieces.into_iter()
}

/// What stands between `open` and the next `close`, again and again.
fn between<'a>(page: &'a str, open: &str, close: &str) -> impl Iterator<Item = &'a str> {
    let pieces: Vec<&str> = page.split(open).skip(1).filter_map(|piece| Some(piece.split_once(close)?.0)).collect();
    pieces.into_iter()
}

/// HTML as the text that a reader sees, on one line.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = tag.split_once('>').unwrap_or((tag, ""));
        // "Show 13 fields" is no part of a declaration.
        let hidden = tag.starts_with("summary").then(|| after.split_once("</summary>")).flatten();
        rest = hidden.map_or(after, |(_, after)| after);
        if tag.starts_with("div") || tag.starts_with("/div") {
            text.push(' ');
        }
    }
    text.push_str(rest);
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
    {
        text = text.replace(entity, character);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<pre class=\"rust item-decl\"><code><div class=\"code-attribute\">#[non_exhaustive]</div>pub struct Limits {\n\
        <details class=\"toggle\"><summary class=\"hideme\"><span>Show 2 fields</span></summary>    pub fuel: \
        <a href=\"x\">u64</a>,\n    pub name: Vec&lt;&amp;'static str&gt;,\n</details>}</code></pre>\
        <section id=\"method.new\"><h4 class=\"code-header\">pub fn <a href=\"#\">new</a>() -&gt; Self</h4></section>\
        <h2 id=\"deref-methods-str\">Methods</h2><section id=\"method.len\"><h4 class=\"code-header\">pub fn len()</h4></section>\
        <h2 id=\"trait-implementations\">Traits</h2><h3 class=\"code-header\">impl <a>Clone</a> for Limits</h3>\
        <h4 class=\"code-header\">fn clone(&amp;self) -&gt; Self</h4>\
        <h2 id=\"synthetic-implementations\">Auto</h2><h3 class=\"code-header\">impl Send for Limits</h3>\
        <h3 class=\"code-header\">impl !Sync for Limits</h3><h3 class=\"code-header\">impl !UnwindSafe for Limits</h3>\
        <h2 id=\"blanket-implementations\">Blanket</h2><h3 class=\"code-header\">impl !Everything for T</h3>";

    #[test]
    fn fields_methods_and_traits_are_lines() {
        assert_eq!(
            lines(PAGE),
            [
                "#[non_exhaustive] pub struct Limits { pub fuel: u64, pub name: Vec<&'static str>, }",
                "pub fn new() -> Self",
                "impl Clone for Limits",
                "impl !Sync for Limits",
            ]
        );
    }

    #[test]
    fn a_trait_is_its_declaration() {
        let page = "<pre class=\"rust item-decl\"><code>pub trait Journal { fn name(&amp;self); }</code></pre>\
            <h4 class=\"code-header\">fn name(&amp;self)</h4>";
        assert_eq!(lines(page), ["pub trait Journal { fn name(&self); }"]);
    }

    #[test]
    fn the_list_of_all_items_leads_to_their_paths() {
        let all = "<a href=\"index.html\">x</a><ul class=\"all-items\"><li><a href=\"struct.Runtime.html\">Runtime</a></li>\
            <li><a href=\"limits/constant.TICK.html\">limits::TICK</a></li></ul><a href=\"help.html\">x</a>";
        let paths: Vec<_> = links(all).iter().filter_map(|link| path("lastword", link)).collect();
        assert_eq!(paths, ["lastword::Runtime", "lastword::limits::TICK"]);
    }
}
