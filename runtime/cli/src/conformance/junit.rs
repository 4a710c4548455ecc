//! The JUnit report, for CI systems.

use lastword_events::PluginName;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::judge::{CaseResult, Verdict};

/// Makes a report with a suite for each hook.
///
/// # Errors
/// When the report cannot be written as XML.
pub(super) fn report(plugin: &PluginName, results: &[CaseResult]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new(format!("lastword test {plugin}"));
    let mut suites: Vec<TestSuite> = Vec::new();
    for result in results {
        let hook = format!("{plugin} {}", result.case.hook);
        let test = test_case(result);
        match suites.iter_mut().find(|suite| suite.name.as_str() == hook) {
            Some(suite) => drop(suite.add_test_case(test)),
            None => {
                let mut suite = TestSuite::new(hook);
                suite.add_test_case(test);
                suites.push(suite);
            }
        }
    }
    report.add_test_suites(suites);
    report.to_string()
}

/// Replaces two characters that XML cannot escape: a parser refuses a report with one of them. The other characters
/// that XML lacks are not [plain](lastword_events::is_plain) text, and are escaped earlier.
fn in_xml(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn test_case(result: &CaseResult) -> TestCase {
    let status = match &result.verdict {
        Verdict::Failed(why) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(in_xml(why));
            status
        }
        Verdict::Passed | Verdict::Noted(_) => TestCaseStatus::success(),
    };
    let mut test = TestCase::new(result.case.name.clone(), status);
    test.set_classname(result.case.hook.to_string()).set_time(result.first.report.wall + result.second.report.wall);
    let mut printed = result.first.printed.join("\n");
    if let Verdict::Noted(note) = &result.verdict {
        printed = format!("{note}\n{printed}");
    }
    if !printed.is_empty() {
        test.set_system_out(in_xml(&printed));
    }
    test
}
