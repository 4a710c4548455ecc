//! The picture on an HTML page, with a table for people who cannot see it. The page has no script and loads nothing.

use super::picture::Picture;
use super::svg::svg;
use super::text::{count, escaped, reasons, shown};

/// Characters of a name or of a reason in the table.
const MAX_CELL_CHARS: usize = 128;

const STYLE: &str = "<style>
:root{color-scheme:light dark}
body{margin:2rem auto;max-width:1200px;padding:0 1rem;font:15px system-ui,sans-serif}
body>svg{max-width:100%;height:auto}
table{border-collapse:collapse;margin-top:2rem}
caption{text-align:left;font-weight:600;padding-bottom:.5rem}
th,td{border-bottom:1px solid #8888;padding:.3rem .9rem .3rem 0;text-align:left;vertical-align:top;font-variant-numeric:tabular-nums}
</style>";

/// Returns the whole page.
pub(super) fn html(picture: &Picture) -> String {
    let words = picture.drained.words();
    let title = shown(&picture.drained.heading(), MAX_CELL_CHARS);
    let drawn = svg(picture);
    let has_tenants = picture.several_tenants;
    let tenant_head = if has_tenants { r#"<th scope="col">tenant</th>"# } else { "" };
    let cut = escaped(words.cut);
    let not_begun = escaped(words.not_begun);
    let mut rows = String::new();
    for lane in picture.lanes() {
        let (name, counts) = (shown(&lane.name, MAX_CELL_CHARS), lane.counts);
        let tenant = lane.tenant.map_or_else(String::new, |tenant| shown(tenant, MAX_CELL_CHARS));
        let tenant = if has_tenants { format!("<td>{tenant}</td>") } else { tenant };
        let numbers = [
            (counts.delivered, String::new()),
            (counts.failed, reasons(counts.failed, &counts.causes)),
            (counts.cut, String::new()),
            (counts.not_begun, reasons(counts.not_begun, &counts.reasons)),
        ];
        let numbers = numbers.map(|(number, why)| format!("<td>{}{}</td>", count(number), shown(&why, MAX_CELL_CHARS)));
        rows.push_str(&format!(r#"<tr><th scope="row">{name}</th>{tenant}{}</tr>"#, numbers.concat()));
        rows.push('\n');
    }
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width"/>
<title>{title}</title>
{STYLE}
</head>
<body>
{drawn}<table>
<caption>What became of the ends of each plugin, the worst first</caption>
<thead><tr><th scope="col">plugin</th>{tenant_head}<th scope="col">delivered</th><th scope="col">failed</th><th scope="col">{cut}</th><th scope="col">{not_begun}</th></tr></thead>
<tbody>
{rows}</tbody>
</table>
</body>
</html>
"#
    )
}
