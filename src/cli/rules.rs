//! `whither rules test`: which home rule is a user's, and for each rule above the field that does not match.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use owo_colors::OwoColorize;
use serde_json::{Map, Value, json};

use crate::chain::StepSource;
use crate::config::{self, ConfigNeeds, Files, Loading};
use crate::engine::MAX_TABLE_BYTES;
use crate::engine::home_rules::{Home, NoMatch, RuleMiss, RuleTable, RuleTrial, RuleUser, is_table};
use crate::host::Disk;
use crate::model::request::RequestError;
use crate::model::{JsonLimits, Request, json as untrusted};
use crate::plain::{Plain, plain};
use crate::script::{Content, SourceText};

use super::exit::{self, CommandExit};
use super::request::now_ms;
use super::token::{OwnClaims, TokenRules, token_in, with_token};
use super::{chains, output, problem};

/// The most bytes of a user's document.
const MAX_USER_BYTES: usize = 1 << 20;
/// The extension of tables.
const EXTENSION: &str = "toml";
/// The fields that tell a request from the fields of a user.
const REQUEST_FIELDS: [&str; 5] = ["user", "userGroups", "params", "data", "claims"];

/// Home rules: try a table on a user.
#[derive(Debug, Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    what: RulesCommand,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    Test(RulesTestArgs),
}

/// Show which home rule is a user's, and for each rule above the field that does not match.
///
/// Reads the tables alone: no node and no service is asked, so a pool is shown as the table has it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither rules test ann.json                              # the tables of the chains in whither.toml
  whither rules test '{\"login\": \"ann\", \"groups\": [\"cad\"]}' --rules home.toml
  whither rules test request.json --rules home.toml --json

Exit codes: 0 the user has a home, or may live anywhere · 2 a file cannot be read or used · 3 a table refuses the user")]
pub struct RulesTestArgs {
    /// The user, as a file or as JSON: the fields of a user, or a whole request
    #[arg(value_name = "USER.json")]
    user: String,
    /// A table of home rules, or a config whose chains have some [default: whither.toml]
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The user's token, a JWT, in a file: its claims count, as the `[tokens]` of the config says
    #[arg(long, value_name = "FILE")]
    jwt: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `whither rules`.
///
/// # Errors
/// A file that cannot be used, or a table that refuses the user.
pub fn run(args: &RulesArgs) -> Result<(), CommandExit> {
    let RulesCommand::Test(args) = &args.what;
    let request = verified(request(&args.user)?, args)?;
    let tables = tables(args.rules.clone())?;
    let mut refused = Vec::new();
    let mut found = Vec::new();
    for (name, table) in &tables {
        let user = RuleUser::Requester(&request);
        let verdict = table.home_of(user);
        if verdict.home.is_none() && *table.no_match() == NoMatch::Error {
            refused.push(Plain(name).to_string());
        }
        match args.json {
            true => found.push(as_json(name, table, user)),
            false => output::answer(shown(name, table, user))?,
        }
    }
    if args.json {
        output::json(format_args!("{:#}", json!({"user": request.login(), "tables": found})))?;
    }
    match refused.as_slice() {
        [] => Ok(()),
        names => {
            let message = format!("{} refuses the user: no rule matches, and `default` is \"error\"", names.join(", "));
            Err(CommandExit::new(exit::NO_NODE, message))
        }
    }
}

/// Returns the request of `fields` with the claims of its token, by the config that `--rules` names or that is here.
/// Where there is no token, the claims count that the fields have: somebody asks what would follow from them.
fn verified(mut fields: Map<String, Value>, args: &RulesTestArgs) -> Result<Request, CommandExit> {
    if let Some(path) = &args.jwt {
        let token = token_in(path, MAX_USER_BYTES)?;
        let entry = fields.entry("params").or_insert_with(|| json!({}));
        if let Some(params) = entry.as_object_mut() {
            params.insert("jwt".to_owned(), json!(token));
        }
    }
    if fields.get("params").and_then(|params| params.get("jwt")).is_some_and(|token| !token.is_null()) {
        fields = with_claims(fields, args)?;
    }
    let wrong = |error: RequestError| CommandExit::usage(format!("the user: {}", Plain(error)));
    Request::from_value(Value::Object(fields), "").map_err(wrong)
}

fn with_claims(fields: Map<String, Value>, args: &RulesTestArgs) -> Result<Map<String, Value>, CommandExit> {
    let is_config = |path: &PathBuf| chains::has_section(path, "tokens");
    let path = args.rules.clone().filter(is_config).or_else(|| chains::default_config().filter(is_config));
    let Some(path) = path else {
        return match args.jwt {
            Some(_) => Err(CommandExit::usage("--jwt: no config with a section `[tokens]` is here, nor with --rules")),
            None => Ok(fields),
        };
    };
    let loading = Loading { files: &Disk, host_zone: "UTC", needs: ConfigNeeds::Chains };
    let config = config::load(&path, loading).map_err(|errors| problem::exit(&errors))?;
    let rules = TokenRules { tokens: config.tokens.as_deref(), set: &config.chains };
    with_token(fields, rules, OwnClaims::Trusted, now_ms(None)).map_err(|failure| CommandExit::failed(&failure))
}

/// Reads the fields of the request of the user in `given`: JSON, or the path of a file.
fn request(given: &str) -> Result<Map<String, Value>, CommandExit> {
    let (name, text) = match given.trim_start().starts_with('{') {
        true => ("the user", given.as_bytes().to_vec()),
        false => {
            let unreadable = |fault| CommandExit::usage(format!("{}: {fault}", Plain(given)));
            (given, Disk.read(Path::new(given), MAX_USER_BYTES).map_err(unreadable)?.bytes)
        }
    };
    let wrong = |error: String| CommandExit::usage(format!("{}: {error}", Plain(name)));
    let value = untrusted::parse(&text, JsonLimits::bytes(MAX_USER_BYTES)).map_err(|error| wrong(error.to_string()))?;
    let Value::Object(fields) = value else {
        return Err(wrong(format!("the user is {}, expected an object", untrusted::kind(&value))));
    };
    let is_request = REQUEST_FIELDS.iter().any(|field| fields.get(*field).is_some_and(|value| !value.is_string()));
    Ok(if is_request { fields } else { Map::from_iter([("user".to_owned(), Value::Object(fields))]) })
}

/// Reads the table at `path`, or the tables of the chains in the config there.
fn tables(path: Option<PathBuf>) -> Result<Vec<(String, RuleTable)>, CommandExit> {
    let path = path.or_else(chains::default_config).ok_or_else(|| {
        CommandExit::usage("there is no whither.toml here; name a table or a config: `--rules home.toml`")
    })?;
    let name = path.display().to_string();
    let unreadable = |why: String| CommandExit::usage(format!("{}: {why}", Plain(&name)));
    let read = Disk.read(&path, MAX_TABLE_BYTES).map_err(|fault| unreadable(fault.to_string()))?;
    let text = read.text(MAX_TABLE_BYTES).map_err(unreadable)?;
    if is_table(text) {
        return Ok(vec![(name.clone(), table(&name, text.into())?)]);
    }
    let loading = Loading { files: &Disk, host_zone: "UTC", needs: ConfigNeeds::Chains };
    let config = config::load(&path, loading).map_err(|errors| problem::exit(&errors))?;
    let (mut seen, mut tables) = (BTreeSet::new(), Vec::new());
    for step in config.chains.chains.iter().flat_map(|chain| &chain.steps) {
        let StepSource::Script { extension, content: Content::Text(text), .. } = &step.source else { continue };
        if extension == EXTENSION && seen.insert(Arc::clone(&step.name)) {
            tables.push((step.name.to_string(), table(&step.name, Arc::clone(text))?));
        }
    }
    if tables.is_empty() {
        return Err(CommandExit::usage(format!("{}: no chain of this config has a table of home rules", Plain(&name))));
    }
    Ok(tables)
}

fn table(name: &str, text: Arc<str>) -> Result<RuleTable, CommandExit> {
    let table = RuleTable::read(&SourceText { file: name.into(), text });
    let table = table.map_err(|error| CommandExit::usage(Plain(&error)))?;
    table.remarks().iter().for_each(|remark| output::aside(format_args!("warning: {}", Plain(remark))));
    Ok(table)
}

fn shown(name: &str, table: &RuleTable, user: RuleUser<'_>) -> String {
    let verdict = table.home_of(user);
    let mut lines = vec![plain(name).bold().to_string()];
    lines.extend(table.trials(user).iter().map(|trial| line(table, trial)));
    if let Some(sender) = verdict.sender.as_ref().and_then(|_| user.sender()) {
        let sender = RuleUser::Sender(&sender);
        lines.push(format!("  no rule for external users matches; the sender {}:", Plain(&sender.login())));
        lines.extend(table.trials(sender).iter().map(|trial| line(table, trial)));
    }
    let by = match verdict.rule {
        Some(rule) => format!("{rule}, line {}", rule.line),
        None => "the default: no rule matches".to_owned(),
    };
    let login =
        Some(user.login()).filter(|login| !login.is_empty()).unwrap_or_else(|| "a user without a name".to_owned());
    let home = table.words(verdict.home);
    lines.push(format!("{}: {}, by {}", Plain(&login), Plain(&home).bold(), Plain(&by)));
    lines.join("\n")
}

fn line(table: &RuleTable, trial: &RuleTrial<'_>) -> String {
    let rule = trial.rule;
    let (name, number) = (Plain(rule).to_string(), rule.line);
    match &trial.miss {
        Some(miss) => format!("  {} {name}, line {number}: {}", "-".dimmed(), Plain(miss)),
        None => format!("  {} {name}, line {number}: {}", "*".green(), Plain(table.words(Some(&rule.home)))),
    }
}

fn as_json(name: &str, table: &RuleTable, user: RuleUser<'_>) -> Value {
    let verdict = table.home_of(user);
    let mut found = json!({
        "table": name,
        "rules": trials(table, user),
        "matched": verdict.rule.map(|rule| rule.number),
        "home": verdict.home.map(|home| home_of(table, home)),
    });
    let sender = verdict.sender.as_ref().and_then(|_| user.sender());
    if let (Some(sender), Some(fields)) = (sender, found.as_object_mut()) {
        let sender = RuleUser::Sender(&sender);
        fields.insert("sender".to_owned(), json!({"user": sender.login(), "rules": trials(table, sender)}));
    }
    found
}

fn trials(table: &RuleTable, user: RuleUser<'_>) -> Value {
    let trial = |trial: RuleTrial<'_>| {
        let rule = trial.rule;
        let mut record = json!({"rule": rule.number, "line": rule.line, "matched": trial.miss.is_none()});
        let Some(fields) = record.as_object_mut() else { return record };
        if !rule.name.is_empty() {
            fields.insert("name".to_owned(), json!(rule.name));
        }
        if let Some(miss) = &trial.miss {
            fields.insert("why".to_owned(), json!(miss.to_string()));
        }
        if let Some(RuleMiss::Field { field, pattern, values }) = &trial.miss {
            fields.insert("field".to_owned(), json!(field));
            fields.insert("pattern".to_owned(), json!(pattern));
            fields.insert("values".to_owned(), json!(values));
        }
        record
    };
    table.trials(user).into_iter().map(trial).collect()
}

fn home_of(table: &RuleTable, home: &Home) -> Value {
    match home {
        Home::Node(node) => json!({"node": node}),
        Home::Pool(pool) => json!({"pool": table.pools().get(*pool).map(ToString::to_string)}),
    }
}
