//! What is not suggested, and why.

use std::collections::BTreeMap;

use serde::Serialize;

/// Why a request, or a piece of a log, is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is no JSON object.
    NotJson,
    /// It is longer, or nested deeper, than a record may be.
    TooLarge,
    /// It is JSON, but not as a decision or an access log has it.
    NotARequest,
    /// The access log does not say who calls.
    NoPeer,
    /// The access log does not say whether the request came in.
    NoDirection,
    /// It does not say which service was called.
    NoService,
    /// What is needed was masked.
    Masked,
    /// The caller has several names, or one that is not the certificate's first.
    SeveralNames,
    /// The caller's name cannot be declared.
    Caller,
    /// The service is in another trust domain than before.
    OtherTrustDomain,
    /// The method cannot be declared.
    Method,
    /// The path may mean more than it says.
    AmbiguousPath,
    /// The path cannot be written as a template, and too few are like it.
    Unsayable,
    /// There is no room for more paths.
    NoRoom,
    /// The time is needed and not known.
    NoTime,
    /// It is what the caller's side logged.
    Outbound,
    /// The service did not answer, or not well enough.
    Status,
    /// The policy denied it.
    Denied,
    /// It is older than asked for.
    Old,
    /// It was seen too seldom.
    Rare,
    /// A declaration denies it.
    DeniedByRule,
    /// A declaration allows it under conditions.
    Conditional,
}

impl Reason {
    /// A name that does not change.
    pub fn code(self) -> &'static str {
        self.words().0
    }

    /// What it says to people.
    pub fn text(self) -> &'static str {
        self.words().1
    }

    /// Whether something is wrong with the log or the request, rather than not asked for.
    pub fn is_problem(self) -> bool {
        self <= Self::NoTime
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NotJson => ("not_json", "no JSON object at the beginning of a line"),
            Self::TooLarge => ("too_large", "longer than 1 MiB, or nested too deep"),
            Self::NotARequest => ("not_a_request", "neither a decision's `input` nor an access log's fields"),
            Self::NoPeer => ("no_peer", "the log does not say who calls: no `downstream_peer_uri_san`"),
            Self::NoDirection => (
                "no_direction",
                "the log does not say what came in: neither `upstream_cluster` nor `direction`",
            ),
            Self::NoService => {
                ("no_service", "the log does not name the service: use `--to NAMESPACE/SERVICE`")
            }
            Self::Masked => ("masked", "what is needed of the request was masked"),
            Self::SeveralNames => {
                ("several_names", "the caller's certificate has several names, which no rule allows")
            }
            Self::Caller => ("caller", "the caller's name cannot be declared"),
            Self::OtherTrustDomain => {
                ("other_trust_domain", "the service is in another trust domain than in the lines before")
            }
            Self::Method => ("method", "the method cannot be declared"),
            Self::AmbiguousPath => {
                ("ambiguous_path", "the path may mean more than it says, so no rule allows it")
            }
            Self::Unsayable => {
                ("unsayable_path", "the path cannot be written out, and too few are like it for a template")
            }
            Self::NoRoom => ("no_room", "more different paths than are kept"),
            Self::NoTime => ("no_time", "`--since` is given, and the time is not known"),
            Self::Outbound => ("outbound", "logged by the caller's side"),
            Self::Status => ("status", "the service did not answer, or with an error"),
            Self::Denied => ("denied", "the policy denied it (`--denied` takes what a shadow let pass)"),
            Self::Old => ("old", "older than `--since`"),
            Self::Rare => ("rare", "seen less often than `--min-count`"),
            Self::DeniedByRule => ("denied_by_rule", "a declaration denies it"),
            Self::Conditional => {
                ("conditional", "a declaration allows it under conditions, which stay as they are")
            }
        }
    }
}

/// Where something was first left out, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// How often.
    pub count: u64,
    /// `file:line` of the first, where it comes from one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What the first looked like, or what was wrong with it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub example: String,
}

/// All that was left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Left(pub(super) BTreeMap<Reason, LeftOut>);

impl Left {
    pub(super) fn add(
        &mut self,
        reason: Reason,
        count: u64,
        place: impl FnOnce() -> Option<String>,
        example: &str,
    ) {
        match self.0.get_mut(&reason) {
            Some(left) => left.count += count,
            None => {
                self.0.insert(reason, LeftOut { count, place: place(), example: shown(example) });
            }
        }
    }
}

/// Text of a log as it may be printed: short, and without anything that moves the cursor.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 100;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(|c| if c == '"' { vec![c] } else { c.escape_debug().collect() })
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_moves_no_cursor() {
        assert_eq!(shown("a\"\u{1b}[2J\n\u{202e}\u{7f}é"), "a\"\\u{1b}[2J\\n\\u{202e}\\u{7f}é");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 101);
    }
}
