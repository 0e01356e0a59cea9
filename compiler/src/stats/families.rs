//! The table of figures.

use super::{Family, Kind, Label, Values};

const OUTCOMES: Values = Values::Words(&[
    ("allowed", "the policy allowed it"),
    ("denied", "the policy denied it"),
    ("error", "there was no decision; `errors` says why"),
]);

/// All figures, in the order of the reference page.
pub const FAMILIES: &[Family] = &[
    labelled(
        "decisions",
        "requests",
        "decisions about requests, carried out or not",
        "sidegate_outcome",
        OUTCOMES,
    ),
    labelled(
        "responses",
        "responses",
        "decisions about responses (`response_entrypoint`)",
        "sidegate_outcome",
        OUTCOMES,
    ),
    labelled(
        "connections",
        "connections",
        "decisions about connections (`network_entrypoint`)",
        "sidegate_outcome",
        OUTCOMES,
    ),
    labelled(
        "shadow",
        "requests",
        "those of `decisions` that were not carried out: the mode in force is `shadow`, or the decision was waived",
        "sidegate_outcome",
        OUTCOMES,
    ),
    labelled("errors", "errors", "errors by [code](#errors)", "sidegate_code", Values::Errors),
    labelled(
        "waived",
        "requests",
        "requests that passed in mode `enforce` without their decision being carried out",
        "sidegate_reason",
        Values::Words(&[
            ("declared", "the decision says `\"mode\": \"shadow\"` of itself, and `allow_lowering` lets it"),
            ("undeclared", "nobody has declared the workload, and `undeclared` is `shadow`"),
        ]),
    ),
    labelled(
        "cache",
        "requests",
        "requests of a policy whose decisions are kept, by whether one was there",
        "sidegate_result",
        Values::Words(&[("hits", "a kept decision answered"), ("misses", "the policy was asked")]),
    ),
    Family {
        name: "evaluation_us",
        kind: Kind::Histogram,
        unit: "µs",
        meaning: "from asking the policy to its answer, of one request in 64",
        label: None,
    },
    gauge("mode", "", "what is done with decisions now: 0 `off`, 1 `shadow`, 2 `enforce`"),
    labelled(
        "fetch",
        "requests",
        "requests to the source of policies, by what became of them",
        "sidegate_result",
        Values::Words(&[
            ("ok", "it brought something that was taken"),
            ("not_modified", "there was nothing new"),
            ("failed", "no answer, or none that could be looked at"),
            ("refused", "what it brought was not taken"),
        ]),
    ),
    labelled(
        "refused",
        "refusals",
        "failures and refusals by [code](#refusals); what is refused goes on counting at every poll, also in the \
         worker that finds it in the shared data",
        "sidegate_code",
        Values::Refusals,
    ),
    gauge("bundle.epoch", "", "epoch of the pointer in force"),
    gauge("bundle.serial", "", "serial of the pointer in force; rises when a release has arrived"),
    gauge(
        "bundle.expires_in_s",
        "seconds",
        "until the pointer in force expires; 0 once it has, and it stays in force",
    ),
    gauge(
        "bundle.last_success_s",
        "seconds since 1970",
        "when the source last answered as it should, to the worker that asks for all",
    ),
    gauge("bundle.digest_prefix", "", "the first 12 hex digits of the SHA-256 of what decides, as a number"),
    gauge("bundle.lowered", "", "1 while a pointer has the mode lowered to `shadow` (break glass), else 0"),
    gauge("bundle.candidate", "", "0 none, 1 a candidate is asked in shadow, 2 a candidate decides here"),
    labelled(
        "candidate",
        "requests",
        "requests that a candidate was asked about in shadow, by how its answer differs from the one in force",
        "sidegate_difference",
        Values::Words(&[
            ("same", "it does the same"),
            ("stricter", "it denies what is allowed now"),
            ("looser", "it allows what is denied now"),
            ("changed", "it also allows (or denies), with other headers, another status or another body"),
            (
                "error",
                "it has no decision where there is one now; or it reads bodies, and what decides does not: then no \
                 request is held for it",
            ),
        ]),
    ),
    labelled(
        "log",
        "events",
        "events of the decision log",
        "sidegate_result",
        Values::Words(&[
            ("logged", "written, or put into a batch"),
            ("dropped_rate", "dropped: more than `decision_log.rate` in a second"),
            ("dropped_buffer", "dropped: buffers were full, the collector is too slow or away"),
            ("dropped_policy", "dropped by `data.system.log.drop`, as the policy wants it"),
            ("failed", "could not be made, or were in a batch that could not be sent"),
            ("no_rule", "written without the rule that decided: the policy could not say which"),
            ("posted", "batches that the collector took"),
            ("retried", "batches that it did not take, and that are sent again"),
        ]),
    ),
];

const fn labelled(
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    label: &'static str,
    values: Values,
) -> Family {
    Family { name, kind: Kind::Counter, unit, meaning, label: Some(Label { name: label, values }) }
}

const fn gauge(name: &'static str, unit: &'static str, meaning: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, unit, meaning, label: None }
}
