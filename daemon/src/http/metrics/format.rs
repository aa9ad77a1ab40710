//! The two formats: OpenMetrics, and Prometheus' older text, which whoever asks for nothing gets.

use axum::http::{HeaderMap, header::ACCEPT};

/// How `/metrics` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Format {
    /// What whoever asks prefers, by its `Accept`.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let (mut open_metrics, mut text, mut anything) = (0.0, None::<f32>, 0.0_f32);
        for range in lines.flat_map(|line| line.split(',')) {
            let Range { media, version, quality } = Range::parse(range);
            match (media.as_str(), version) {
                ("application/openmetrics-text", None | Some("0.0.1" | "1.0.0")) => {
                    open_metrics = quality.max(open_metrics);
                }
                ("text/plain", None | Some("0.0.4")) => {
                    text = Some(text.unwrap_or_default().max(quality));
                }
                ("text/*" | "*/*", _) => anything = anything.max(quality),
                _ => {}
            }
        }
        let is_preferred = open_metrics > 0.0 && open_metrics >= text.unwrap_or(anything);
        if is_preferred { Self::OpenMetrics } else { Self::Text }
    }

    /// Its `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// One alternative of an `Accept`.
struct Range<'a> {
    media: String,
    version: Option<&'a str>,
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut range = Self { media, version: None, quality: 1.0 };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match key.trim().to_ascii_lowercase().as_str() {
                "version" => range.version = Some(value.trim().trim_matches('"')),
                "q" => range.quality = value.trim().parse().unwrap_or(0.0),
                _ => {}
            }
        }
        range
    }
}

/// OpenMetrics as text 0.0.4: there a family is named as its samples are, so that of a counter ends
/// in `_total`; information is a gauge; and nothing marks the end.
pub(super) fn as_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + open_metrics.len() / 8);
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').unwrap_or((typed, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with("# ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepted(accept: &'static str) -> Format {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        Format::accepted(&headers)
    }

    #[test]
    fn who_prefers_open_metrics_gets_it() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let cases = [
            prometheus_2,
            prometheus_3,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.9, text/plain; q=0.5",
            "text/plain, application/openmetrics-text",
        ];
        for case in cases {
            assert_eq!(accepted(case), Format::OpenMetrics, "{case}");
        }
    }

    #[test]
    fn everybody_else_gets_text() {
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Text);
        let cases = [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
            "application/openmetrics-text;q=0.2,text/plain",
            "application/openmetrics-text;q=0, */*;q=0.1",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=much",
        ];
        for case in cases {
            assert_eq!(accepted(case), Format::Text, "{case}");
        }
    }

    #[test]
    fn families_of_text_are_named_as_their_samples() {
        let open_metrics = "\
# HELP a_calls Calls that returned
# TYPE a_calls counter
a_calls_total{x=\"# TYPE a counter\"} 1
# HELP a_build Its version
# TYPE a_build info
a_build_info{version=\"1\"} 1
# HELP a_bytes
# TYPE a_bytes gauge
# UNIT a_bytes bytes
a_bytes 2
# EOF
";
        let text = "\
# HELP a_calls_total Calls that returned
# TYPE a_calls_total counter
a_calls_total{x=\"# TYPE a counter\"} 1
# HELP a_build_info Its version
# TYPE a_build_info gauge
a_build_info{version=\"1\"} 1
# HELP a_bytes \n# TYPE a_bytes gauge
a_bytes 2
";
        assert_eq!(as_text(open_metrics), text);
    }
}
