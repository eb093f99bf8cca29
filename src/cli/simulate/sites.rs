//! `whither simulate --sites`: many sites with a service each, and a first tier that chooses the site from summaries.

use std::time::Duration;

use clap::Args;
use comfy_table::Table;
use serde_json::{Value, json};

use crate::cli::bench::units::{bytes, rate};
use crate::cli::exit::CommandExit;
use crate::cli::{output, table};
use crate::plain::Plain;
use crate::simulate::sites::{
    self, Cut, CutCourse, DOCUMENT_BYTES, GROUPS, MIRROR_BYTES, MIRRORS, REPORT_EVERY, SHORTEST_INTERVAL, SiteCourse,
    SitesOutcome, SitesScenario,
};

use super::summary::clock;
use super::{LONGEST_DAY, SimulateArgs, bar, span, time};

/// The most sites.
const MAX_SITES: usize = 200;
/// The number of nodes of each site, where `--nodes` is not given.
const NODES: usize = 50_000;
/// The fewest nodes of a site: each group has some then.
const MIN_NODES: usize = 10;
/// The most nodes of all sites together.
const MAX_ALL_NODES: usize = 20_000_000;
/// The number of users of all sites for each node, where `--users` is not given.
const USERS_A_NODE: usize = 2;
/// The most users of all sites together.
const MAX_USERS: u32 = 20_000_000;
/// The most sessions of a node.
const MAX_SESSIONS: u32 = 1_000;
/// The longest interval of summaries.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// The options of many sites.
#[derive(Debug, Args)]
pub(super) struct SitesArgs {
    /// Simulate so many sites instead, each with --nodes nodes (50000) and a service of its own, and a first tier that
    /// chooses the site from summaries
    #[arg(long, value_name = "N", conflicts_with_all = ["chains", "groups", "wait", "requests", "fails", "cpu", "memory",
        "strict", "report", "faults", "plot"])]
    pub(super) sites: Option<usize>,
    /// How often each site publishes its summaries
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time, requires = "sites")]
    summary_every: Duration,
    /// A cut between a site and all others, when and for how long: 3@09:00+10m; repeatable
    #[arg(long = "cut", value_name = "SITE@HH:MM+TIME", requires = "sites")]
    cuts: Vec<String>,
}

/// Simulates the day of `count` sites, and prints the results.
///
/// # Errors
/// An option that cannot be used, and a first tier that does not start.
pub(super) fn run(args: &SimulateArgs, count: usize) -> Result<(), CommandExit> {
    let scenario = scenario(args, count)?;
    let bar = bar(scenario.day, 1);
    bar.set_message(format!("{count} sites"));
    let outcome = sites::run(&scenario, |passed| bar.set_position(passed.as_secs())).map_err(CommandExit::usage)?;
    bar.finish_and_clear();
    match args.json {
        true => output::json(format_args!("{:#}", as_json(&scenario, &outcome))),
        false => output::answer(render(&scenario, &outcome)),
    }
}

fn scenario(args: &SimulateArgs, sites: usize) -> Result<SitesScenario, CommandExit> {
    let wrong = |message: String| Err(CommandExit::usage(message));
    if !(1..=MAX_SITES).contains(&sites) {
        return wrong(format!("--sites {sites}: 1 to {MAX_SITES} can be simulated"));
    }
    let nodes = match &args.nodes {
        None => NODES,
        Some(written) => written.parse::<usize>().map_err(|_| {
            CommandExit::usage(format!(
                "--nodes {}: with --sites it is the number of nodes of each site",
                Plain(written)
            ))
        })?,
    };
    let most = MAX_ALL_NODES / sites;
    if !(MIN_NODES..=most).contains(&nodes) {
        return wrong(format!("--nodes {nodes}: {MIN_NODES} to {most} nodes can be at each of {sites} sites"));
    }
    let users = args.users.unwrap_or(u32::try_from(sites * nodes * USERS_A_NODE).unwrap_or(MAX_USERS).min(MAX_USERS));
    if users > MAX_USERS {
        return wrong(format!("--users {users}: at most {MAX_USERS} can come to all sites together"));
    }
    if let Some(most) = args.max_sessions.filter(|most| *most > MAX_SESSIONS) {
        return wrong(format!("--max-sessions {most}: with --sites a node takes at most {MAX_SESSIONS}"));
    }
    let every = args.sites.summary_every;
    if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&every) {
        return wrong(format!("--summary-every {}s: 1s to 1h can be simulated", every.as_secs()));
    }
    if args.day.is_zero() || args.day > LONGEST_DAY || args.session > LONGEST_DAY {
        return wrong("--day is more than nothing and at most 744h, and so long is --session at most".to_owned());
    }
    Ok(SitesScenario {
        sites,
        nodes,
        max_sessions: args.max_sessions,
        users,
        session: args.session,
        summary_every: every,
        cuts: args.sites.cuts.iter().map(|written| cut(written, sites)).collect::<Result<_, _>>()?,
        day: args.day,
        seed: args.seed,
    })
}

/// Parses a cut such as 3@09:00+10m; the site is a number, or the site's name in the summaries.
fn cut(written: &str, sites: usize) -> Result<Cut, CommandExit> {
    let wrong = || CommandExit::usage(format!("--cut {}: expected SITE@HH:MM+TIME, as 3@09:00+10m", Plain(written)));
    let (site, when) = written.split_once('@').ok_or_else(wrong)?;
    let (at, lasts) = span(when).filter(|(_, lasts)| !lasts.is_zero()).ok_or_else(wrong)?;
    let number = site.strip_prefix("site-").unwrap_or(site).parse::<usize>().map_err(|_| wrong())?;
    match number.checked_sub(1).filter(|site| *site < sites) {
        Some(site) => Ok(Cut { site, at, lasts }),
        None => Err(CommandExit::usage(format!(
            "--cut {}: there is no site {number}, they are 1 to {sites}",
            Plain(written)
        ))),
    }
}

/// The cost of two tiers, or of a flat cluster.
struct Cost {
    what: &'static str,
    messages: f64,
    bytes: f64,
    mirrored: u64,
    memory: u64,
}

impl Cost {
    /// Returns the costs of first tier, site and flat cluster, side by side.
    fn all(scenario: &SitesScenario, outcome: &SitesOutcome) -> [Self; 4] {
        let (seconds, sites) = (scenario.day.as_secs_f64(), scenario.sites as u64);
        let documents = sites * GROUPS.len() as u64;
        let reports = |nodes: u64| nodes as f64 / REPORT_EVERY.as_secs_f64();
        let (own, all) = (scenario.nodes as u64, scenario.nodes as u64 * sites);
        let crossing = reports(own) * (sites * (sites - 1)) as f64;
        [
            Self {
                what: "first tier: summaries over all gateways",
                messages: outcome.summaries.messages as f64 / seconds,
                bytes: outcome.summaries.bytes as f64 / seconds,
                mirrored: documents,
                memory: outcome.kept_bytes,
            },
            Self {
                what: "first tier: requests over all gateways",
                messages: outcome.requests.messages as f64 / seconds,
                bytes: outcome.requests.bytes as f64 / seconds,
                mirrored: 0,
                memory: 0,
            },
            Self {
                what: "a replica of one site: reports of its nodes",
                messages: reports(own),
                bytes: reports(own) * DOCUMENT_BYTES as f64,
                mirrored: own,
                memory: own * MIRROR_BYTES * MIRRORS,
            },
            Self {
                what: "flat: reports of all nodes over all gateways",
                messages: crossing,
                bytes: crossing * DOCUMENT_BYTES as f64,
                mirrored: all,
                memory: all * MIRROR_BYTES * MIRRORS,
            },
        ]
    }
}

/// Renders the day for a person: tables, and their meaning.
fn render(scenario: &SitesScenario, outcome: &SitesOutcome) -> String {
    let placed = outcome.placed();
    let share = |part: u64| format!("{:.2} %", part as f64 / placed.max(1) as f64 * 100.0);
    let refused: u64 = outcome.refused.values().sum();
    let tries = (1..).zip(outcome.tries).map(|(asked, count)| asked * count).sum::<u64>() as f64;
    let most = outcome.tries.iter().rposition(|count| *count > 0).map_or(0, |place| place + 1);
    let headings =
        ["requests", "placed", "at home", "elsewhere", "refused", "with room", "sites asked", "full", "no answer"];
    let mut requests = table::table(&headings);
    requests.add_row(table::row([
        outcome.sites.iter().map(|site| site.users).sum::<u64>().to_string(),
        placed.to_string(),
        outcome.at_home.to_string(),
        format!("{} ({})", outcome.elsewhere, share(outcome.elsewhere)),
        refused.to_string(),
        outcome.avoidable.to_string(),
        format!("{:.3}, at most {most}", tries / placed.max(1) as f64),
        outcome.full.to_string(),
        outcome.unanswered.to_string(),
    ]));
    let why: Vec<_> = outcome.refused.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let why = if why.is_empty() { String::new() } else { format!(" Refused: {}.", why.join(", ")) };
    let mut tables = vec![requests, peak(outcome), costs(scenario, outcome)];
    tables.extend(cuts(outcome));
    let tables: Vec<_> = tables.iter().map(ToString::to_string).collect();
    format!(
        "{}\n{} sites of {} nodes, seed {}. `with room` are refused requests although a site in reach had room; `full` and \
         `no answer` are tries at another site that failed.{why}\nSummaries have {} bytes, {} were lost; their age when a \
         site was chosen: half {}, 99 in 100 {}, the oldest {}. In the busiest minute {:.1} messages a second were requests. \
         The memory of a first tier is that of its summaries, of any other replica an estimate of {MIRROR_BYTES} bytes for \
         each node in each of {MIRRORS} processes; a node reports {DOCUMENT_BYTES} bytes every {} s.",
        tables.join("\n"),
        scenario.sites,
        scenario.nodes,
        scenario.seed,
        outcome.summaries.bytes / outcome.summaries.messages.max(1),
        outcome.lost,
        seconds(u64::from(outcome.ages.p50_ms)),
        seconds(u64::from(outcome.ages.p99_ms)),
        seconds(u64::from(outcome.ages.max_ms)),
        outcome.busiest_requests,
        REPORT_EVERY.as_secs(),
    )
}

/// Renders the load of the sites at the time of the most sessions.
fn peak(outcome: &SitesOutcome) -> Table {
    let mut table = table::table(&["at the peak", "sessions", "fullest site", "mean", "emptiest site", "spread"]);
    let Some(sample) = outcome.peak() else { return table };
    let percent = sample.spread().map(|share| format!("{:.1} %", share * 100.0));
    let first = [clock(sample.at), sample.sessions.to_string()];
    table.add_row(table::row(first.into_iter().chain(percent)));
    table
}

/// Renders the traffic of the gateways, and the memory of replicas.
fn costs(scenario: &SitesScenario, outcome: &SitesOutcome) -> Table {
    let mut table = table::table(&["", "messages a second", "bytes a second", "documents kept", "memory of a replica"]);
    for Cost { what, messages, bytes: size, mirrored, memory } in Cost::all(scenario, outcome) {
        let (mirrored, memory) = match mirrored {
            0 => ("-".to_owned(), "-".to_owned()),
            _ => (mirrored.to_string(), bytes(memory)),
        };
        table.add_row(table::row([what.to_owned(), rate(messages), bytes(size as u64), mirrored, memory]));
    }
    table
}

/// Renders the effects of the cuts; absent where there were no cuts.
fn cuts(outcome: &SitesOutcome) -> Option<Table> {
    let headings =
        ["cut off", "own users", "placed", "refused", "refused elsewhere", "no answer", "oldest used", "fresh after"];
    let mut table = table::table(&headings);
    for of_cut in &outcome.cuts {
        let CutCourse { cut, asked, placed, refused, refused_elsewhere, unanswered, .. } = of_cut;
        let lasts = cut.lasts.as_secs() / 60;
        table.add_row(table::row([
            format!("{} at {} for {lasts} min", sites::name(cut.site), clock(cut.at)),
            asked.to_string(),
            placed.to_string(),
            refused.to_string(),
            refused_elsewhere.to_string(),
            unanswered.to_string(),
            seconds(of_cut.oldest_used_ms),
            of_cut.fresh_after_ms.map_or_else(|| "-".to_owned(), seconds),
        ]));
    }
    (!outcome.cuts.is_empty()).then_some(table)
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}

fn as_json(scenario: &SitesScenario, outcome: &SitesOutcome) -> Value {
    let of_site = |(number, site): (usize, &SiteCourse)| {
        json!({
            "site": sites::name(number), "capacity": site.capacity, "users": site.users, "at_home": site.at_home,
            "sent": site.sent, "taken": site.taken, "refused": site.refused,
        })
    };
    let of_cut = |of_cut: &CutCourse| {
        json!({
            "site": sites::name(of_cut.cut.site), "at_s": of_cut.cut.at.as_secs(), "lasts_s": of_cut.cut.lasts.as_secs(),
            "asked": of_cut.asked, "placed": of_cut.placed, "refused": of_cut.refused,
            "refused_elsewhere": of_cut.refused_elsewhere, "unanswered": of_cut.unanswered,
            "oldest_used_ms": of_cut.oldest_used_ms, "fresh_after_ms": of_cut.fresh_after_ms,
        })
    };
    let samples = outcome.samples.iter().map(|sample| {
        let [fullest, mean, emptiest, spread] = sample.spread();
        json!({
            "at_s": sample.at.as_secs(), "sessions": sample.sessions, "fullest": fullest, "mean": mean,
            "emptiest": emptiest, "spread": spread,
        })
    });
    let costs = Cost::all(scenario, outcome).map(|cost| {
        json!({
            "what": cost.what, "messages_s": cost.messages, "bytes_s": cost.bytes, "documents": cost.mirrored,
            "memory_bytes": cost.memory,
        })
    });
    json!({
        "seed": scenario.seed, "sites": outcome.sites.iter().enumerate().map(of_site).collect::<Vec<_>>(),
        "nodes": scenario.nodes, "placed": outcome.placed(), "at_home": outcome.at_home, "elsewhere": outcome.elsewhere,
        "refused": outcome.refused.values().sum::<u64>(), "refused_by": outcome.refused, "refused_with_room": outcome.avoidable,
        "tries": outcome.tries, "full": outcome.full, "unanswered": outcome.unanswered,
        "ages": {"p50_ms": outcome.ages.p50_ms, "p99_ms": outcome.ages.p99_ms, "max_ms": outcome.ages.max_ms},
        "summaries": {"messages": outcome.summaries.messages, "bytes": outcome.summaries.bytes, "lost": outcome.lost},
        "requests": {
            "messages": outcome.requests.messages, "bytes": outcome.requests.bytes,
            "busiest_messages_s": outcome.busiest_requests,
        },
        "costs": costs, "cuts": outcome.cuts.iter().map(of_cut).collect::<Vec<_>>(),
        "samples": samples.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_names_a_site_a_time_and_how_long() {
        let expected = Cut { site: 2, at: Duration::from_secs(9 * 3600), lasts: Duration::from_secs(600) };
        for written in ["3@09:00+10m", "site-03@9:00+600s"] {
            assert_eq!(cut(written, 3).map_err(|_| "refused").unwrap(), expected, "{written}");
        }
        for wrong in ["4@09:00+10m", "0@09:00+10m", "3@09:00", "3@24:00+1h", "3@09:00+0s", "x@09:00+1h", ""] {
            assert!(cut(wrong, 3).is_err(), "{wrong}");
        }
    }
}
