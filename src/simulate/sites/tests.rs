//! Days of a few small sites.

use super::*;

/// Three sites of 200 nodes, with room for 300 sessions each or so.
pub(super) fn scenario() -> SitesScenario {
    SitesScenario {
        sites: 3,
        nodes: 200,
        max_sessions: None,
        users: 1150,
        session: Duration::from_secs(4 * 3600),
        summary_every: Duration::from_secs(5),
        cuts: Vec::new(),
        day: Duration::from_secs(86_400),
        seed: 1,
    }
}

fn run(scenario: &SitesScenario) -> SitesOutcome {
    super::run(scenario, |_| {}).unwrap()
}

fn refused(course: &SitesOutcome) -> u64 {
    course.refused.values().sum()
}

#[test]
fn a_day_repeats_itself_and_counts_everybody_once() {
    let scenario = scenario();
    let course = run(&scenario);
    assert!(course == run(&scenario), "the same seed");
    assert!(course != run(&SitesScenario { seed: 2, ..scenario }), "another seed");
    assert_eq!(course.placed() + refused(&course), 1150);
    assert_eq!(course.tries.iter().sum::<u64>(), course.placed());
    let sites = course.sites.iter();
    assert_eq!(sites.map(|site| site.at_home + site.sent + site.refused).sum::<u64>(), 1150);
    assert_eq!(course.sites.iter().map(|site| site.taken).sum::<u64>(), course.elsewhere);
}

#[test]
fn a_full_site_sends_its_users_to_the_emptiest_one() {
    let course = run(&scenario());
    assert!(course.elsewhere > 20, "{} of {}", course.elsewhere, course.placed());
    assert!(course.ages.p50_ms > 500 && course.ages.max_ms < 21_000, "{:?}", course.ages);
    let [most, _, least, _] = course.peak().unwrap().spread();
    assert!(most > 0.9 && least > 0.3, "{most} {least}");
    let per_summary = course.summaries.bytes / course.summaries.messages;
    assert!((200..400).contains(&per_summary), "{per_summary}");
}

#[test]
fn nobody_is_refused_while_a_site_has_room() {
    let course = run(&SitesScenario { users: 800, ..scenario() });
    assert_eq!((refused(&course), course.avoidable), (0, 0), "{:?}", course.refused);
    let full = run(&SitesScenario { users: 3000, ..scenario() });
    assert!(refused(&full) > 500 && full.avoidable < refused(&full) / 10, "{:?} {}", full.refused, full.avoidable);
}

#[test]
fn a_site_that_is_cut_off_serves_its_own_users() {
    let hours = |hours: u64| Duration::from_secs(3600 * hours);
    let cut = Cut { site: 0, at: hours(8), lasts: hours(3) };
    let whole = run(&scenario());
    let course = run(&SitesScenario { cuts: vec![cut], ..scenario() });
    let [of_cut] = course.cuts.as_slice() else { panic!("{:?}", course.cuts) };
    assert_eq!(of_cut.cut, cut);
    assert!(of_cut.placed > 50 && of_cut.placed + of_cut.refused <= of_cut.asked, "{of_cut:?}");
    assert!(of_cut.fresh_after_ms.unwrap() < 20_000, "{of_cut:?}");
    assert!(of_cut.oldest_used_ms <= 16_000, "a stale site is not chosen: {of_cut:?}");
    assert!(refused(&course) >= refused(&whole), "{:?} {:?}", course.refused, whole.refused);
    assert!(course.summaries.messages < whole.summaries.messages);
}

#[test]
fn one_site_alone_sends_nothing() {
    let course = run(&SitesScenario { sites: 1, users: 200, ..scenario() });
    assert_eq!((course.summaries.messages, course.requests.messages, course.elsewhere), (0, 0, 0));
    assert_eq!(course.placed(), 200);
}
