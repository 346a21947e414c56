//! Text that becomes HTML.

use core::fmt::{Display, Write as _};

use crate::model::Labels;

/// A page under construction. What is given to [`Html::raw`] is ours; everything else goes through [`Html::text`].
#[derive(Debug, Default)]
pub(super) struct Html {
    pub(super) out: String,
}

impl Html {
    pub(super) fn raw(&mut self, html: &str) -> &mut Html {
        self.out.push_str(html);
        self
    }

    /// Escaped for elements and for attributes in double quotes.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Html {
        let mut escape = Escape(&mut self.out);
        let _ = write!(escape, "{text}");
        self
    }

    pub(super) fn title(&mut self, title: &str) -> &mut Html {
        self.raw("<h1>").text(title).raw("</h1>\n")
    }

    pub(super) fn heading(&mut self, title: &str) -> &mut Html {
        self.raw("<h2>").text(title).raw("</h2>\n")
    }

    /// A figure with what it is. `class`: empty, `warn` or `bad`.
    pub(super) fn card(&mut self, class: &str, figure: impl Display, what: &str) -> &mut Html {
        self.raw("<div class=\"card ").raw(class).raw("\"><b>").text(figure);
        self.raw("</b><span>").text(what).raw("</span></div>\n")
    }

    /// Begins a table. A heading that begins with `#` is one of numbers.
    pub(super) fn table(&mut self, headings: &[&str]) -> &mut Html {
        self.raw("<div class=\"panel\"><table class=\"rows\"><thead><tr>");
        for heading in headings {
            match heading.strip_prefix('#') {
                Some(heading) => self.raw("<th class=\"n\">").text(heading),
                None => self.raw("<th>").text(heading),
            };
            self.raw("</th>");
        }
        self.raw("</tr></thead><tbody>\n")
    }

    pub(super) fn end_table(&mut self) -> &mut Html {
        self.raw("</tbody></table></div>\n")
    }

    /// A cell of text; `label` is shown beside it where the screen is narrow.
    pub(super) fn cell(&mut self, label: &str, text: impl Display) -> &mut Html {
        self.raw("<td data-l=\"").text(label).raw("\">").text(text).raw("</td>")
    }

    /// A cell of a number.
    pub(super) fn number(&mut self, label: &str, text: impl Display) -> &mut Html {
        self.raw("<td class=\"n\" data-l=\"").text(label).raw("\">").text(text).raw("</td>")
    }

    pub(super) fn pill(&mut self, class: &str, text: impl Display) -> &mut Html {
        self.raw("<span class=\"pill ").raw(class).raw("\">").text(text).raw("</span>")
    }

    pub(super) fn labels(&mut self, labels: &Labels) -> &mut Html {
        self.raw("<div class=\"labels\">");
        for (name, value) in labels.iter() {
            self.label("", name, value);
        }
        self.raw("</div>")
    }

    /// `class`: empty, `add`, `new` or `gone`.
    pub(super) fn label(&mut self, class: &str, name: &str, value: &str) -> &mut Html {
        self.raw("<span class=\"label ").raw(class).raw("\">").text(name).raw("=&quot;");
        self.text(value).raw("&quot;</span> ")
    }

    /// How full something is, from 0 to 1.
    pub(super) fn meter(&mut self, share: f64) -> &mut Html {
        let percent = (share.clamp(0.0, 1.0) * 100.0).round();
        self.raw("<span class=\"bar-track\"><svg width=\"100%\" height=\"8\" ");
        self.raw("role=\"img\" aria-label=\"")
            .text(percent)
            .raw(" %\"><rect height=\"8\" rx=\"4\" fill=\"");
        self.raw(if share > 0.9 { "var(--bad)" } else { "var(--accent)" });
        self.raw("\" width=\"").text(percent).raw("%\"/></svg></span>")
    }
}

/// Escapes what is written through it.
struct Escape<'a>(&'a mut String);

impl core::fmt::Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// For a value in the query part of a URL.
pub(super) fn escape_query(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let mut html = Html::default();
        html.label("", "a<b", "\"'&>").cell("x\"", "<script>");
        assert!(!html.out.contains("<script>") && !html.out.contains("a<b"), "{}", html.out);
        assert!(html.out.contains("&quot;&quot;&#39;&amp;&gt;&quot;"), "{}", html.out);
        assert_eq!(escape_query("a b&c=é"), "a%20b%26c%3D%C3%A9");
    }
}
