//! One HTML file that needs nothing else, readable in light and dark. What comes from outside is text in it.

use super::PostMortem;
use super::layout::{Block, Bullet, Table, blocks};
use crate::message::QueryLink;

const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1b1f24;--quiet:#59636e;--line:#d1d9e0;--back:#fff;--stripe:#f6f8fa}\
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--quiet:#9198a1;--line:#3d444d;--back:#0d1117;--stripe:#151b23}}\
body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back)}\
h1{font-size:1.6rem}h2{font-size:1.25rem;border-bottom:1px solid var(--line);margin-top:2rem}\
table{border-collapse:collapse;display:block;overflow-x:auto;font-size:.9rem}\
th,td{border:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}\
td:first-child{white-space:nowrap}tr:nth-child(even) td{background:var(--stripe)}small,em{color:var(--quiet)}\
figure{margin:0}svg{max-width:100%;height:auto}";

/// Nothing is loaded, run or sent, whatever a text holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The document as one HTML file.
pub fn html(document: &PostMortem) -> String {
    let mut body = String::new();
    for block in blocks(document) {
        body.push_str(&match block {
            Block::Title(title) => format!("<h1>{}</h1>\n", escaped(&title)),
            Block::Heading(heading) => format!("<h2>{}</h2>\n", escaped(heading)),
            Block::Words(words) => {
                let lines = words.iter().filter(|line| !line.trim().is_empty());
                lines.map(|line| format!("<p>{}</p>\n", escaped(line))).collect()
            }
            Block::Remark(remark) => format!("<p><em>{}</em></p>\n", escaped(&remark)),
            Block::Bullets(bullets) => format!("<ul>\n{}</ul>\n", bullets.iter().map(item).collect::<String>()),
            Block::Links(links) => format!("<ul>\n{}</ul>\n", links.iter().map(link).collect::<String>()),
            Block::Table(table) => rows(&table),
            // Made here, and what comes from outside is escaped in it.
            Block::Picture(svg) => format!("<figure>{svg}</figure>\n"),
        });
    }
    let title = escaped(&format!("{}: {}", document.incident_id, document.title));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

fn item(bullet: &Bullet) -> String {
    let text = escaped(&bullet.text);
    if bullet.sources.is_empty() {
        return format!("<li>{text}</li>\n");
    }
    format!("<li>{text} <small>({})</small></li>\n", escaped(&bullet.sources))
}

fn link(link: &QueryLink) -> String {
    format!("<li><a href=\"{}\" rel=\"noreferrer\">{}</a></li>\n", escaped(&link.url), escaped(&link.title))
}

fn rows(table: &Table) -> String {
    let head = if table.head.iter().all(|name| name.is_empty()) {
        String::new()
    } else {
        let cells: String = table.head.iter().map(|name| format!("<th>{}</th>", escaped(name))).collect();
        format!("<thead><tr>{cells}</tr></thead>\n")
    };
    let row = |row: &Vec<String>| {
        let cells: String = row.iter().map(|text| format!("<td>{}</td>", escaped(&cell(text)))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    format!("<table>\n{head}<tbody>\n{}</tbody>\n</table>\n", table.rows.iter().map(row).collect::<String>())
}

/// A cell that is copied into a spreadsheet must not become a formula there.
/// Source: OWASP, CSV injection.
fn cell(text: &str) -> String {
    let is_formula = text.trim_start().starts_with(['=', '+', '@']) || text.starts_with('-') && text.len() > 1;
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&#39;"),
            _ if character.is_control() => result.push(' '),
            _ => result.push(character),
        }
    }
    result
}
