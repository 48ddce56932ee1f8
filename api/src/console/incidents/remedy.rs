//! What helps against each class of incident, in the words of the runbook.

/// What helps against an incident.
#[derive(Debug, Clone, Copy)]
pub struct Remedy {
    /// In a line.
    pub short: &'static str,
    /// In a paragraph.
    pub long: &'static str,
}

const REMEDIES: [(&str, Remedy); 10] = [
    (
        "retries_used_up",
        Remedy {
            short: "Mend the cause, then retry",
            long: "The step was tried as often as it may be. When what it calls answers again, \
                   retry: the run goes on where it stood, with its attempts counted anew. If it \
                   will not answer, compensate.",
        },
    ),
    (
        "compensation_failed",
        Remedy {
            short: "Mend the cause, then retry the undo",
            long: "A step could not be undone, and the undos before it wait. Retry when the cause \
                   is gone. If it was undone by hand, skip the undo and say how.",
        },
    ),
    (
        "unknown_outcome",
        Remedy {
            short: "Look at the other side, then skip or retry",
            long: "Nobody can tell whether the step happened. Look it up where it would have \
                   happened, by the step’s idempotency key. If it did, skip the step and give its \
                   result; if it did not, retry.",
        },
    ),
    (
        "rejected_past_pivot",
        Remedy {
            short: "Clear the refusal, then retry",
            long: "The run is past the point where it could be undone, and a step was refused. \
                   Clear what refuses it and retry, edit its input, or skip it with a result.",
        },
    ),
    (
        "non_determinism",
        Remedy {
            short: "Roll the deployment back, or compensate",
            long: "The program no longer fits what the run recorded. Bring the earlier version \
                   back, or mark the change with a version, and retry. Compensating works without \
                   the program.",
        },
    ),
    (
        "poison",
        Remedy {
            short: "Find what kills the workers, then retry",
            long: "Workers died while they held this run. Look at their logs before retrying: it \
                   may take another worker down.",
        },
    ),
    (
        "unwritable",
        Remedy {
            short: "Make it smaller, or compensate",
            long: "A payload or the number of steps is past its limit, or the database refused \
                   the write. Edit the step’s input, raise the limit, or compensate.",
        },
    ),
    (
        "panic",
        Remedy {
            short: "Deploy the mended code, then retry",
            long: "The program panicked. Retrying the same code meets the same panic: deploy the \
                   mended one first.",
        },
    ),
    (
        "paused",
        Remedy {
            short: "Resume",
            long: "An operator paused the run. It goes on when it is resumed; its deadlines go on \
                   meanwhile.",
        },
    ),
    (
        "amount_mismatch",
        Remedy {
            short: "Compare the payment with the order",
            long: "The gateway’s amount is not the order’s. Nothing was settled. Compare both, \
                   then return the money by compensating, or settle it by hand.",
        },
    ),
];

/// What helps against incidents of this class, the engine's own or an activity's.
pub fn of(class: &str) -> Remedy {
    let known = REMEDIES.into_iter().find(|(name, _)| *name == class);
    known.map_or(
        Remedy {
            short: "Read the message, then decide",
            long: "The step asks for a person’s decision. Its message says why; retry, skip with a \
                   result, or compensate.",
        },
        |(_, remedy)| remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_the_engine_has_a_remedy_of_its_own() {
        let other = of("none of them").short;
        for class in makegood::IncidentClass::ALL {
            assert_ne!(of(class.as_str()).short, other, "{class:?}");
        }
    }
}
