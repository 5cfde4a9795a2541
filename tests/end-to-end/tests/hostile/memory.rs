//! Memory: the guest's own, and what the host would have to hold for it.

use std::time::Duration;

use vestibule::LoadError;
use vestibule::limits::Limits;
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::host::{Host, broken, failure};
use vestibule_tests::limits;

use crate::shape::Shape;

/// A host on which a guest has the memory to try what is meant for the host's.
fn roomy() -> Host {
    Host::with(Limits { memory: 256 << 20, cpu_time: Duration::from_secs(10), wall_time: Duration::from_secs(60), ..limits() })
}

#[tokio::test]
async fn memory_that_grows_without_end_ends_with_its_limit() {
    let failure = Host::new().failure(artifacts::GROWS_MEMORY, 1).await;
    let Failure::Limit { limit: LimitBroken::Memory { given, allowed } } = failure else { panic!("{failure}") };
    assert!(given > allowed && allowed == limits().memory);
    assert!(failure.to_string().contains("of memory, at most 64 MiB are allowed (limit `memory`)"), "{failure}");
}

#[tokio::test]
async fn memory_over_the_limit_from_the_start_is_not_even_loaded() {
    let host = Host::new();
    for pages in [1_025, 65_536] {
        let refusal = host.refusal(&Shape { pages, ..Shape::default() }.component()).await;
        assert!(matches!(refusal, LoadError::OverLimit { limit: "memory", .. }), "{refusal}");
        assert!(refusal.to_string().contains("doesn't fit into a sandbox (limit `memory`)"), "{refusal}");
    }
}

#[tokio::test]
async fn a_huge_table_is_not_loaded() {
    let host = Host::new();
    for elements in [20_001, 10_000_000] {
        let refusal = host.refusal(&Shape { elements, ..Shape::default() }.component()).await;
        assert!(matches!(refusal, LoadError::OverLimit { limit: "table_elements", .. }), "{refusal}");
    }
}

#[tokio::test]
async fn a_text_of_100_megabytes_does_not_reach_the_host() {
    let host = roomy();
    let failure = failure(&host.configured(artifacts::PASSES_BYTES, &[("bytes", "100000000")]).await);
    assert_eq!(failure, broken(LimitBroken::CallBytes { allowed: limits().call_bytes }));
    assert!(failure.to_string().contains("to the host in one call"), "{failure}");
}

#[tokio::test]
async fn a_million_tiny_texts_do_not_reach_the_host() {
    let outcome = roomy().configured(artifacts::PASSES_MANY_TEXTS, &[("texts", "1000000")]).await;
    assert_eq!(failure(&outcome), broken(LimitBroken::CallBytes { allowed: limits().call_bytes }));
}

#[tokio::test]
async fn a_flood_of_log_is_cut_and_each_line_stays_one_line() {
    let outcome = Host::new().attempt(artifacts::FLOODS_THE_LOG, 1).await;
    let report = &outcome.actions[0];
    assert!(outcome.is_allowed() && report.logs_cut && report.logs.len() == limits().log_lines);
    assert!(report.logs.iter().all(|line| !line.message.contains(char::is_control)), "{report:?}");
    assert!(report.logs.iter().any(|line| line.message == "\\u{1b}[2Jgone\\nforged line"), "{report:?}");
}
