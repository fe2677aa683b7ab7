//! OpenMetrics in the words of Prometheus' older text format (0.0.4).
//!
//! Samples are the same in both. Three things differ: a counter's family is called as its samples are, with `_total`;
//! there are no units; and there is no mark at the end.

/// Writes a page anew.
pub fn from(page: &str) -> String {
    let mut text = String::with_capacity(page.len() + page.len() / 64);
    let mut help = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // What it is called depends on the type, which is said next.
            help = Some(rest);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, words)) = help.take().and_then(|help| help.split_once(' ')) {
                text.extend(["# HELP ", name, suffix, " ", words, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn counters_are_called_as_their_samples_are_and_the_end_is_not_marked() {
        let page = "# HELP a_b Things.\n# TYPE a_b counter\na_b_total{x=\"1\"} 2\n# HELP c_seconds Time.\n\
                    # TYPE c_seconds gauge\n# UNIT c_seconds seconds\nc_seconds 1.5\n# EOF\n";
        let expected = "# HELP a_b_total Things.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 2\n\
                        # HELP c_seconds Time.\n# TYPE c_seconds gauge\nc_seconds 1.5\n";
        assert_eq!(super::from(page), expected);
    }
}
