//! Answers and failures that are too large or no answers, and allocators that lie.

use std::time::Duration;

use hob_engine::RunOutput;

use crate::case::{Case, nothing, wat};
use crate::stage::SMALL;

pub(crate) fn cases() -> Vec<Case> {
    let refused = &["the sandbox refused a call"];
    vec![
        wat("result-large", SMALL).over("output-kib"),
        wat("result-of-a-large-type", SMALL).over("output-kib"),
        wat("result-not-utf8", SMALL).traps(refused),
        wat("result-out-of-bounds", SMALL).traps(refused),
        wat("result-of-4-gib", SMALL).traps(refused),
        wat("result-misaligned", SMALL).traps(refused),
        wat("result-nowhere", SMALL).traps(refused),
        wat("result-of-no-case", SMALL).traps(refused),
        wat("failure-large", SMALL).harmless(cut),
        wat("failure-not-utf8", SMALL).traps(refused),
        wat("failure-for-ever", SMALL).harmless(for_ever),
        wat("failure-of-unknown-kind", SMALL).harmless(retried),
        wat("realloc-out-of-bounds", SMALL).traps(refused),
        wat("realloc-null", SMALL).harmless(nothing),
        wat("realloc-misaligned", SMALL).traps(refused),
        wat("realloc-traps", SMALL).traps(&["unreachable"]),
        wat("realloc-calls-the-host", SMALL).traps(&["leave"]),
    ]
}

/// Code and message are cut, and the details are not kept where they do not fit into the log.
fn cut(output: &RunOutput) -> Result<(), String> {
    let failure = output.result.as_ref().err().ok_or("it ended well")?;
    let kept: usize = output.journal.log.iter().map(|line| line.text.len()).sum();
    let cut = failure.code.len() == 64 && failure.message.len() == 4_096 && kept < 4_096;
    let said = output.journal.log.iter().any(|line| line.text.contains("limits.log-kib"));
    if cut && said { Ok(()) } else { Err(format!("{} {} {kept}", failure.code.len(), failure.message.len())) }
}

fn for_ever(output: &RunOutput) -> Result<(), String> {
    let failure = output.result.as_ref().err().ok_or("it ended well")?;
    // The dispatcher cuts it to a day.
    if failure.retry_after == Some(Duration::from_millis(u64::MAX)) { Ok(()) } else { Err(format!("{failure:?}")) }
}

fn retried(output: &RunOutput) -> Result<(), String> {
    let failure = output.result.as_ref().err().ok_or("it ended well")?;
    if failure.kind == hob_model::FailureKind::Retry { Ok(()) } else { Err(format!("{failure:?}")) }
}

#[test]
fn results() {
    crate::judge::group("results", cases());
}
