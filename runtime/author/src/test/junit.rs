//! The report as JUnit XML, for build servers.

use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};

use super::{Report, Verdict};
use crate::difference::{Line, difference};

/// The report as JUnit XML.
///
/// # Errors
/// What cannot be written as XML.
pub fn junit(report: &Report) -> Result<String, String> {
    let mut suite = TestSuite::new(report.bot.clone());
    suite.set_time(report.took);
    for case in &report.cases {
        let failed = |kind: NonSuccessKind, word: &str, text: String| {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type(word).set_message(case.title.clone()).set_description(text);
            status
        };
        let status = match &case.verdict {
            Verdict::Passed | Verdict::Updated { .. } => TestCaseStatus::success(),
            Verdict::Differs { expected, actual, .. } => {
                failed(NonSuccessKind::Failure, "differs", lines(&difference(expected, actual)))
            }
            Verdict::WentWrong { expected, actual, hint } => {
                failed(NonSuccessKind::Failure, "went-wrong", format!("{}\n{hint}", lines(&difference(expected, actual))))
            }
            Verdict::Property { vary, seed, varied, why } => {
                failed(NonSuccessKind::Failure, "property", format!("{vary}, seed {seed}: {varied}\n{why}"))
            }
            Verdict::Broken { why } => failed(NonSuccessKind::Error, "broken", why.clone()),
        };
        let mut entry = TestCase::new(case.name.clone(), status);
        entry.set_classname(report.bot.clone()).set_time(case.took);
        let log: Vec<String> = case.log.iter().map(|line| line.text.clone()).collect();
        if !log.is_empty() {
            entry.set_system_out(log.join("\n"));
        }
        suite.add_test_case(entry);
    }
    let mut xml = Xml::new("hob test");
    xml.set_time(report.took).add_test_suite(suite);
    xml.to_string().map_err(|error| error.to_string())
}

fn lines(lines: &[Line]) -> String {
    let one = |line: &Line| match line {
        Line::Same(text) => format!("  {text}"),
        Line::Gone(text) => format!("- {text}"),
        Line::New(text) => format!("+ {text}"),
        Line::Skipped(count) => format!("  … {count} lines"),
    };
    lines.iter().map(one).collect::<Vec<_>>().join("\n")
}
