//! Places: parts of the files of a configuration.

use std::{fmt, ops::Range, path::PathBuf, sync::Arc};

/// A part of one file.
#[derive(Clone, Debug)]
pub(in crate::config) struct Place {
    pub(in crate::config) source: Arc<Text>,
    pub(in crate::config) span: Range<usize>,
}

/// A file as it was read.
pub(in crate::config) struct Text {
    pub(in crate::config) path: PathBuf,
    pub(in crate::config) content: String,
}

/// What stands in it may be secret.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Text {
    /// A copy with asterisks in place of what stands in `spans`.
    pub(super) fn masked(&self, spans: &[Range<usize>]) -> Self {
        let secret = |at: usize| spans.iter().any(|span| span.contains(&at));
        let mut content = String::with_capacity(self.content.len());
        for (at, c) in self.content.char_indices() {
            if secret(at) && c != '\n' {
                content.extend(std::iter::repeat_n('*', c.len_utf8()));
            } else {
                content.push(c);
            }
        }
        Self { path: self.path.clone(), content }
    }
}

impl Place {
    /// Line and character in it, both from 1.
    pub(in crate::config) fn line_and_column(&self) -> (usize, usize) {
        let before = self.source.content.get(..self.span.start).unwrap_or_default();
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// The file's name and the line: `haetae.toml:12`.
    pub(in crate::config) fn short(&self) -> String {
        let name = self.source.path.file_name().unwrap_or_default();
        format!("{}:{}", name.display(), self.line_and_column().0)
    }

    /// The text that stands there.
    pub(super) fn text(&self) -> &str {
        self.source.content.get(self.span.clone()).unwrap_or_default()
    }

    /// The file and the line.
    pub(in crate::config) fn line(&self) -> String {
        format!("{}:{}", self.source.path.display(), self.line_and_column().0)
    }

    /// The place of a part of a string's value; of the whole where it is written with escapes.
    pub(in crate::config) fn within(&self, value: &str, span: &Range<usize>) -> Self {
        let Some(start) = self.text().find(value).filter(|_| !value.is_empty()) else {
            return self.clone();
        };
        let start = self.span.start + start;
        Self { source: Arc::clone(&self.source), span: start + span.start..start + span.end }
    }

    /// A caret under several lines says no more than one under the first.
    pub(in crate::config) fn in_one_line(mut self) -> Self {
        let length = self.text().lines().next().unwrap_or_default().len();
        self.span.end = self.span.start + length;
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column();
        write!(f, "{}:{line}:{column}", self.source.path.display())
    }
}
