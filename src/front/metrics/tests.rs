//! Tests of the metrics.

use super::*;

/// Returns the value of the metric `name`, labels included.
fn figure(metrics: &Metrics, name: &str) -> Option<String> {
    let text = metrics.text();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned)
}

#[test]
fn every_figure_has_a_name_of_the_service_and_a_line_of_help() {
    let metrics = Metrics::new();
    metrics.decisions("session/start", "placed").count.inc();
    let text = metrics.text();
    let of_all = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert!(of_all("# HELP whither_") > 30, "{text}");
    assert_eq!(of_all("# HELP "), of_all("# HELP whither_"));
    assert_eq!(of_all("# HELP "), of_all("# TYPE "));
    assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("whither_")), "{text}");
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(
        figure(&metrics, &format!("whither_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))).as_deref(),
        Some("1")
    );
}

#[test]
fn labels_are_written_out() {
    let metrics = Metrics::new();
    metrics.headroom.groups([("a\u{1b}[31m\u{202e}\u{7}b", 3), ("ä b", 4)]);
    metrics.headroom.facts([("f\u{9b}", [1, 0, 1])]);
    metrics.limit("s\u{85}.js", "time");
    let text = metrics.text();
    assert!(text.chars().all(|character| character == '\n' || crate::plain::is_plain(character)), "{text:?}");
    let group = r#"whither_group_left{group="a\\u{1b}[31m\\u{202e}\\u{7}b"}"#;
    assert_eq!(figure(&metrics, group).as_deref(), Some("3"), "{text}");
    assert_eq!(figure(&metrics, "whither_group_left{group=\"ä b\"}").as_deref(), Some("4"));
    metrics.headroom.groups([]);
    assert!(!metrics.text().contains("whither_group_left{"), "a group that is gone is gone under this name too");
}

#[test]
fn names_are_not_said_twice() {
    let text = Metrics::new().text();
    let mut names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn pending_requests_are_counted_by_stage() {
    let metrics = Metrics::new();
    metrics.pending(&[1, 2, 3, 4, 5, 6]);
    for (stage, count) in PendingStage::NAMES.into_iter().zip(1..) {
        let name = format!("whither_pending_requests{{stage=\"{stage}\"}}");
        assert_eq!(figure(&metrics, &name), Some(count.to_string()), "{stage}");
    }
    assert_eq!(figure(&metrics, "whither_waiting").as_deref(), Some("5"));
    assert_eq!(figure(&metrics, "whither_unanswered").as_deref(), Some("6"), "queued, asked or at a program");
    metrics.pending(&[0; 6]);
    assert_eq!(figure(&metrics, "whither_pending_requests{stage=\"waiting\"}").as_deref(), Some("0"));
    assert_eq!(figure(&metrics, "whither_waiting").as_deref(), Some("0"));
}

#[test]
fn decisions_are_counted_by_chain_and_outcome_and_timed_by_chain() {
    let metrics = Metrics::new();
    let placed = metrics.decisions("session/start", "placed");
    placed.count.inc();
    placed.latency.observe(0.001);
    let failed = metrics.decisions("session/start", "no-node");
    failed.count.inc_by(2);
    failed.latency.observe(0.002);
    metrics.decisions("user/login", "placed").count.inc();
    let decisions = |chain, outcome| {
        figure(&metrics, &format!("whither_decisions_total{{chain=\"{chain}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!(decisions("session/start", "placed").as_deref(), Some("1"));
    assert_eq!(decisions("session/start", "no-node").as_deref(), Some("2"));
    assert_eq!(decisions("user/login", "placed").as_deref(), Some("1"));
    let timed = figure(&metrics, "whither_decision_seconds_count{chain=\"session/start\"}");
    assert_eq!(timed.as_deref(), Some("2"), "of whatever outcome");
}

#[test]
fn limits_suspicions_and_quarantines_name_their_script() {
    let metrics = Metrics::new();
    metrics.limit("pick.js", "time");
    metrics.suspicion("pick.js", "memory");
    metrics.suspicion("pick.js", "memory");
    metrics.quarantined("pick.js", true);
    metrics.program_ended("pick");
    let of = |name: &str| figure(&metrics, name);
    assert_eq!(of("whither_script_limits_total{script=\"pick.js\",limit=\"time\"}").as_deref(), Some("1"));
    assert_eq!(of("whither_suspicions_total{script=\"pick.js\",limit=\"memory\"}").as_deref(), Some("2"));
    assert_eq!(of("whither_quarantined{script=\"pick.js\"}").as_deref(), Some("1"));
    assert_eq!(of("whither_resident_ends_total{script=\"pick\"}").as_deref(), Some("1"));
    metrics.quarantined("pick.js", false);
    assert_eq!(figure(&metrics, "whither_quarantined{script=\"pick.js\"}").as_deref(), Some("0"));
}

#[test]
fn the_age_of_a_view_that_nobody_proved_is_no_number() {
    let metrics = Metrics::new();
    metrics.view_age(None);
    assert_eq!(figure(&metrics, "whither_view_age_seconds").as_deref(), Some("NaN"));
    metrics.view_age(Some(Duration::from_millis(1500)));
    assert_eq!(figure(&metrics, "whither_view_age_seconds").as_deref(), Some("1.5"));
}

#[test]
fn readiness_is_two_figures_and_lost_lines_are_set_as_they_are() {
    let metrics = Metrics::default();
    let states = || [figure(&metrics, "whither_ready"), figure(&metrics, "whither_bus_up")].map(Option::unwrap);
    assert_eq!(states(), ["0", "0"]);
    metrics.readiness(true, false);
    assert_eq!(states(), ["1", "0"]);
    metrics.readiness(false, true);
    assert_eq!(states(), ["0", "1"]);
    metrics.lost_log_lines(u64::MAX);
    assert_eq!(figure(&metrics, "whither_lost_log_lines"), Some(i64::MAX.to_string()));
    assert_eq!(figure(&metrics, "whither_config_last_reload_successful").as_deref(), Some("1"), "until one fails");
}

#[test]
fn nodes_are_counted_by_state_also_where_there_are_none() {
    let metrics = Metrics::new();
    let figure = |state: &str| figure(&metrics, &format!("whither_nodes_in_state{{state=\"{state}\"}}"));
    assert_eq!(figure("stale").as_deref(), Some("0"));
    metrics.nodes_in_states(&BTreeMap::from([("stale", 2), ("ready", 5)]));
    assert_eq!((figure("stale").as_deref(), figure("ready").as_deref()), (Some("2"), Some("5")));
    metrics.nodes_in_states(&BTreeMap::from([("ready", 7)]));
    assert_eq!((figure("stale").as_deref(), figure("ready").as_deref()), (Some("0"), Some("7")));
}
