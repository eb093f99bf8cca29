//! `whither new nodes`: a cluster that could exist, the same for the same seed.
//!
//! Each node is drawn from a separate random stream, so that a longer list begins with the shorter list.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde::Serializer;
use serde_json::{Map, Value, json};

use super::save::{Existing, print_next_steps, save};
use crate::clock::Dice;
use crate::config::problem::shell_word;

/// The arguments of `whither new nodes`.
#[derive(Debug, Args)]
pub(super) struct NewNodesArgs {
    /// How many nodes
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Random seed; the same seed gives the same nodes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file to write, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    existing: Existing,
}

pub(super) fn run(args: &NewNodesArgs) -> anyhow::Result<()> {
    let file = match &args.out {
        Some(path) => {
            save(path, args.existing, |out| write(args, out))?;
            let file = shell_word(&path.to_string_lossy());
            print_next_steps(&format!("wrote {file}: {} nodes of seed {}", args.count, args.seed), &tries(&file));
            return Ok(());
        }
        None => "nodes.json",
    };
    match write(args, &mut io::stdout().lock()) {
        // The reader of the list, such as `head`, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        written => written.map_err(|error| anyhow!("cannot write the nodes: {error}"))?,
    }
    let mut next = vec![format!("whither new nodes --count {} --seed {} --out {file}", args.count, args.seed)];
    next.extend(tries(file));
    print_next_steps(&format!("{} nodes of seed {}", args.count, args.seed), &next);
    Ok(())
}

fn tries(file: &str) -> Vec<String> {
    vec![format!("whither place --nodes {file} --script builtin:fewest-sessions --user ann --explain")]
}

/// Writes the list node by node: a hundred thousand of them are hundreds of megabytes.
fn write(args: &NewNodesArgs, out: &mut dyn Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let nodes = (0..args.count).map(|place| node(place as usize, args.seed));
    serde_json::Serializer::pretty(&mut out).collect_seq(nodes)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// A kind of machine that clusters are made of.
struct MachineKind {
    group: &'static str,
    cores: &'static [u32],
    memory_gb_per_core: u64,
    gpu: bool,
    max_sessions: Option<u32>,
    /// The number of sessions for each core when the machine is full.
    crowd: f64,
    services: &'static [&'static str],
    programs: &'static [&'static str],
}

const OFFICE: MachineKind = MachineKind {
    group: "office",
    cores: &[8, 16, 16, 32],
    memory_gb_per_core: 4,
    gpu: false,
    max_sessions: None,
    crowd: 1.0,
    services: &["launcher", "webserver"],
    programs: &["GNOME", "KDE", "xterm", "Firefox", "LibreOffice"],
};
const CAD: MachineKind = MachineKind {
    group: "cad",
    cores: &[16, 32],
    memory_gb_per_core: 8,
    gpu: true,
    max_sessions: Some(8),
    crowd: 0.4,
    services: &["launcher", "webserver"],
    programs: &["FreeCAD", "CATIA", "Paraview"],
};
const RENDER: MachineKind = MachineKind {
    group: "render",
    cores: &[32, 64],
    memory_gb_per_core: 4,
    gpu: true,
    max_sessions: Some(4),
    crowd: 0.06,
    services: &["launcher"],
    programs: &["Blender", "Maya", "Houdini"],
};
const LOGIN: MachineKind = MachineKind {
    group: "login",
    cores: &[4],
    memory_gb_per_core: 2,
    gpu: false,
    max_sessions: Some(40),
    crowd: 3.0,
    services: &["webserver"],
    programs: &["xterm"],
};

/// The kinds of ten nodes in a row: in a list of any length, most kinds occur.
const MIX: [&MachineKind; 10] = [&OFFICE, &CAD, &OFFICE, &RENDER, &LOGIN, &OFFICE, &CAD, &OFFICE, &RENDER, &OFFICE];
/// Which of ten nodes takes no new sessions.
const CORDONED: usize = 7;
/// The users of the sessions on the nodes.
pub(in crate::cli) const USERS: [&str; 12] =
    ["ann", "bob", "carl", "dora", "emil", "fay", "gus", "hana", "ivo", "jan", "kim", "lea"];
const GIB: u64 = 1 << 30;

/// Node number `place`, from 0, of the cluster of `seed`.
pub(in crate::cli) fn node(place: usize, seed: u64) -> Value {
    let id = format!("node-{:02}", place + 1);
    let mut dice = Dice::new(seed, 0, &id);
    let kind = MIX.get(place % MIX.len()).copied().unwrap_or(&OFFICE);
    let cores = pick(&mut dice, kind.cores).unwrap_or(8);
    // Squared, so that most machines have room and a few are crowded.
    let full = dice.unit() * dice.unit();
    let crowd = f64::from(cores) * kind.crowd * full;
    let session_count = kind.max_sessions.map_or(crowd, |most| crowd.min(f64::from(most))).round() as usize;
    let sessions: Vec<_> = (1..=session_count).map(|number| session(&mut dice, &id, number, kind)).collect();

    let hostname = format!("{id}.example.org");
    let mut document = Map::new();
    document.insert("id".to_owned(), json!(id));
    document.insert("hostname".to_owned(), json!(hostname));
    document.insert("urls".to_owned(), json!([format!("https://{hostname}:3300")]));
    document.insert(
        "nodeData".to_owned(),
        json!({
            "health": health(&mut dice, cores, session_count, kind, &hostname, place),
            "services": kind.services,
            "sessions": sessions,
        }),
    );
    let rack = format!("r{}", place / 10 + 1);
    document.insert("metadata".to_owned(), json!({ "RACK": rack, "rack": rack }));
    document.insert("staticData".to_owned(), static_data(kind, cores));
    if let Some(most) = kind.max_sessions {
        document.insert("maxSessions".to_owned(), json!(most));
    }
    if place % MIX.len() == CORDONED {
        document.insert("cordoned".to_owned(), json!(true));
    }
    Value::Object(document)
}

fn session(dice: &mut Dice, node: &str, number: usize, kind: &MachineKind) -> Value {
    json!({
        "id": format!("{node}-s{number}"),
        "user": pick(dice, &USERS),
        "name": pick(dice, kind.programs),
        "state": if dice.unit() < 0.8 { "running" } else { "suspended" },
    })
}

/// Returns the health in Moleculer's names, whose `mem.percent` is the free memory.
fn health(dice: &mut Dice, cores: u32, sessions: usize, kind: &MachineKind, hostname: &str, place: usize) -> Value {
    // A session of a kind that crowds little works the harder.
    let busy = sessions as f64 * (0.6 / kind.crowd).clamp(0.2, 8.0);
    let load = |dice: &mut Dice| round(busy * (0.7 + 0.6 * dice.unit()) + 0.3 * dice.unit(), 2);
    let (load1, load5, load15) = (load(dice), load(dice), load(dice));
    let total = u64::from(cores) * kind.memory_gb_per_core * GIB;
    let used = (0.06 + 0.04 * dice.unit() + 0.9 * busy / f64::from(cores) * (0.4 + 0.4 * dice.unit())).min(0.97);
    let free = ((1.0 - used) * total as f64) as u64 / 4096 * 4096;
    json!({
        "cpu": {
            "load1": load1,
            "load5": load5,
            "load15": load15,
            "cores": cores,
            "utilization": (load1 / f64::from(cores) * 100.0).min(100.0).round() as u64,
        },
        "mem": { "free": free, "total": total, "percent": round(free as f64 / total as f64 * 100.0, 1) },
        "os": {
            "uptime": (dice.unit() * 90.0 * 86_400.0).round() as u64,
            "type": "Linux",
            "hostname": hostname,
            "arch": "x64",
            "platform": "linux",
        },
        "net": { "ip": [format!("10.{}.{}.{}", place / 62_500, place / 250 % 250, place % 250 + 1)] },
    })
}

fn static_data(kind: &MachineKind, cores: u32) -> Value {
    let mut data = Map::new();
    data.insert("group".to_owned(), json!(kind.group));
    data.insert("weight".to_owned(), json!(cores / 4));
    if kind.gpu {
        data.insert("gpu".to_owned(), json!(true));
    }
    Value::Object(data)
}

fn pick<T: Copy>(dice: &mut Dice, choices: &[T]) -> Option<T> {
    choices.get((dice.unit() * choices.len() as f64) as usize).copied()
}

fn round(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Report;

    fn text(count: u32, seed: u64) -> String {
        let args = NewNodesArgs { count, seed, out: None, existing: Existing::default() };
        let mut out = Vec::new();
        write(&args, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn nodes(count: u32, seed: u64) -> Vec<Value> {
        serde_json::from_str(&text(count, seed)).unwrap()
    }

    #[test]
    fn a_seed_is_a_cluster() {
        assert_eq!(text(20, 1), text(20, 1));
        assert_ne!(text(20, 1), text(20, 2));
        assert_eq!(nodes(30, 1)[..20], nodes(20, 1));
    }

    #[test]
    fn every_node_is_a_document_as_agents_send_it() {
        let mut ids = std::collections::BTreeSet::new();
        for node in nodes(1000, 7) {
            let report = Report::from_value(node.clone()).unwrap();
            assert!(ids.insert(report.id.to_string()));
            let (free, cores) = (report.figures().free_memory.unwrap(), report.figures().cores.unwrap());
            let total = report.fields(None)["totalmem"].as_f64().unwrap();
            assert!(free > 0.0 && free < total && cores >= 4.0, "{node}");
            let percent = report.fields(None)["nodeData"]["health"]["mem"]["percent"].as_f64().unwrap();
            assert!((percent - free / total * 100.0).abs() < 0.1, "{node}");
            let sessions = report.fields(None)["sessions"].as_u64().unwrap();
            assert!(report.figures().max_sessions.is_none_or(|most| sessions <= most), "{node}");
        }
    }

    #[test]
    fn a_cluster_has_something_of_everything() {
        let nodes = nodes(20, 1);
        let count = |what: fn(&Value) -> bool| nodes.iter().filter(|node| what(node)).count();
        assert_eq!(count(|node| node["cordoned"] == true), 2);
        assert!(count(|node| node["staticData"]["gpu"] == true) >= 4);
        assert!(count(|node| node.get("maxSessions").is_some()) >= 6);
        assert!(count(|node| node["nodeData"]["sessions"][0]["user"].is_string()) >= 8, "{nodes:#?}");
        let groups: std::collections::BTreeSet<_> =
            nodes.iter().map(|node| node["staticData"]["group"].to_string()).collect();
        assert_eq!(groups.len(), 4);
    }
}
