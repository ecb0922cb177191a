//! Markdown, as GitHub reads it. What comes from outside is text: no link, no heading, no HTML, no formula comes of it.

use super::PostMortem;
use super::layout::{Block, Bullet, Table, blocks};

/// The document as Markdown.
pub fn markdown(document: &PostMortem) -> String {
    let mut text = String::new();
    for block in blocks(document) {
        match block {
            Block::Title(title) => text.push_str(&format!("# {}\n\n", escaped(&title))),
            Block::Heading(heading) => text.push_str(&format!("## {heading}\n\n")),
            Block::Words(words) => {
                for line in words.iter().filter(|line| !line.trim().is_empty()) {
                    text.push_str(&format!("{}\n\n", escaped(line)));
                }
            }
            Block::Remark(remark) => text.push_str(&format!("_{}_\n\n", escaped(&remark))),
            Block::Bullets(bullets) => {
                text.extend(bullets.iter().map(line));
                text.push('\n');
            }
            Block::Links(links) => {
                // In angle brackets, so that the parentheses of an address do not end it.
                text.extend(links.iter().map(|link| format!("- [{}](<{}>)\n", escaped(&link.title), link.url)));
                text.push('\n');
            }
            Block::Table(table) => text.push_str(&rows(&table)),
            Block::Picture(_) => {
                text.push_str(&format!(
                    "`monitorctl post-mortems export {} --html` shows them.\n\n",
                    document.incident_id
                ));
            }
        }
    }
    format!("{}\n", text.trim_end())
}

fn line(bullet: &Bullet) -> String {
    let text = escaped(&bullet.text);
    if bullet.sources.is_empty() {
        format!("- {text}\n")
    } else {
        format!("- {text} _({})_\n", escaped(&bullet.sources))
    }
}

fn rows(table: &Table) -> String {
    let mut text = format!("| {} |\n|{}\n", table.head.join(" | "), "---|".repeat(table.head.len()));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text.push('\n');
    text
}

/// Text that stays text. Every ASCII punctuation character may be escaped by a backslash (`CommonMark` 0.31, 2.4); escaped are
/// those that begin something anywhere, and those that do so at the beginning of a line. `://` and `www.` are broken, since
/// GitHub makes links of bare addresses; a dollar begins a formula there.
fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + text.len() / 8);
    let text = text.trim();
    // At the beginning of a line, or behind what may be the number of a list.
    let mut at_start = true;
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        let is_markup = match character {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '$' | '&' => true,
            // Within a word it means nothing, and metrics are full of them.
            '_' => !(before.is_alphanumeric() && next.is_alphanumeric()),
            ':' => next == '/',
            '@' => !before.is_alphanumeric() && next.is_alphanumeric(),
            '.' => before.eq_ignore_ascii_case(&'w') || at_start,
            ')' => at_start,
            '#' | '+' | '-' | '=' => result.is_empty(),
            '!' => next == '[',
            _ => false,
        };
        if is_markup {
            result.push('\\');
        }
        // A line of its own could begin anything.
        result.push(if character.is_control() { ' ' } else { character });
        at_start = at_start && character.is_ascii_digit();
        before = character;
    }
    result
}

#[cfg(test)]
pub(super) mod tests {
    use super::escaped;

    #[test]
    fn what_comes_from_outside_stays_text() {
        for (text, expected) in [
            ("ErrorRate above 10 %", "ErrorRate above 10 %"),
            ("a_b _c_", "a_b \\_c\\_"),
            ("# heading", "\\# heading"),
            ("- item", "\\- item"),
            ("1. item", "1\\. item"),
            ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
            ("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"),
            ("![x](http://e.com)", "\\!\\[x\\](http\\://e.com)"),
            ("a | b", "a \\| b"),
            ("$\\frac{1}{2}$", "\\$\\\\frac{1}{2}\\$"),
            ("www.example.com", "www\\.example.com"),
            ("&lt;b&gt;", "\\&lt;b\\&gt;"),
            ("one\n# two", "one # two"),
            ("@channel", "\\@channel"),
            ("=cmd()", "\\=cmd()"),
        ] {
            assert_eq!(escaped(text), expected, "{text}");
        }
    }
}
