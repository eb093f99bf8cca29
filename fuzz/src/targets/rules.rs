//! Tables of home rules: TOML, and the patterns in it.

use serde_json::json;
use whither::engine::home_rules::{RuleTable, RuleUser, is_table};
use whither::model::Request;
use whither::script::SourceText;

use super::must_be_short;

/// A table that is accepted says the same of a user whichever way it is asked, and the fault of any other one has a place
/// in the text.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _is_one = is_table(text);
    let table = match RuleTable::read(&SourceText { file: "home.toml".into(), text: text.into() }) {
        Ok(table) => table,
        Err(error) => {
            // A message may name a field or a pool, which are as long as the table has them.
            assert!(error.message.len() <= 2 * text.len() + 512, "{:.300}", error.message);
            if let Some(place) = error.position {
                assert!(place.line as usize <= text.split('\n').count() && place.column >= 1, "{place}");
            }
            return;
        }
    };
    assert!(!table.rules().is_empty() && table.rules().iter().all(|rule| !rule.patterns.is_empty()));
    table.remarks().iter().for_each(|remark| drop(must_be_short(remark)));
    for user in [
        json!({"user": {"login": "ann", "email": "ann@north.example", "department": "r&d"}, "userGroups": ["cad", "staff"]}),
        json!({"user": {"login": "eve", "external": true, "email": "eve@partner.example"}, "data": {"sender": "ann"}}),
        json!({}),
    ] {
        let Ok(request) = Request::from_value(user, "") else { continue };
        let user = RuleUser::Requester(&request);
        let (verdict, trials) = (table.home_of(user), table.trials(user));
        let matched = trials.iter().find(|trial| trial.miss.is_none()).map(|trial| trial.rule.number);
        let own = verdict.rule.filter(|_| verdict.sender.is_none()).map(|rule| rule.number);
        assert_eq!(own, matched, "{trials:?}");
    }
}
