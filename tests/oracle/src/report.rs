//! What a part has found.

use std::fmt;

/// Checks made and failures seen.
pub struct Report {
    pub name: &'static str,
    pub passed: usize,
    pub failed: usize,
    /// The first failures.
    shown: Vec<String>,
    notes: Vec<String>,
}

/// How many failures are described.
const SHOWN: usize = 3;

impl Report {
    pub fn new(name: &'static str) -> Report {
        Report { name, passed: 0, failed: 0, shown: Vec::new(), notes: Vec::new() }
    }

    /// The same, under the name of what was judged.
    pub fn of(self, name: &'static str) -> Report {
        Report { name, ..self }
    }

    /// Counts a check; a failed one is described by `failure`.
    pub fn check(&mut self, holds: bool, failure: impl FnOnce() -> String) {
        if holds {
            self.passed += 1;
        } else {
            self.failed += 1;
            if self.shown.len() < SHOWN {
                self.shown.push(failure());
            }
        }
    }

    /// How it failed first.
    pub fn first_failure(&self) -> Option<&str> {
        self.shown.first().map(String::as_str)
    }

    /// Adds something worth printing.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { name, passed, failed, shown, notes } = self;
        write!(f, "{name}: {passed} passed, {failed} failed")?;
        notes.iter().try_for_each(|note| write!(f, ", {note}"))?;
        shown.iter().try_for_each(|failure| write!(f, "\n    {failure}"))
    }
}
