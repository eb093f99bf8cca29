//! Samples for tests: setups, chains, requests, reports, and events of workers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chain::{ChainSet, ChainSpec, Mode, ProgramSpec, StepSource, StepSpec};
use crate::ipc::ProcessEnd;
use crate::model::{Arrangement, Change, LimitKind, Report, Reservation};
use crate::registry::ledger::RequestKey;
use crate::registry::peers::{Message, PeerReservation};
use crate::runner::ProgramLimits;
use crate::worker::{Overrun, PlacementQuestion, RunningStep, Ticket, WorkerAudience, WorkerInit, WorkerLimits};

use super::super::events::Setup;
use super::super::pending_request::PendingRequest;
use super::super::quarantine::QuarantineSettings;

/// The action of most requests: a placement for this action is reserved.
pub(in crate::front) const ACTION: &str = "session/start";
/// An action whose placements are not reserved.
pub(in crate::front) const LOGIN: &str = "user/login";
/// The step of every chain without a program.
pub(in crate::front) const STEP: &str = "pick.js";
/// The name of the step in every chain with a program.
pub(in crate::front) const PROGRAM: &str = "pick";
/// The Unix time at the start of a test.
pub(in crate::front) const EPOCH_MS: i64 = 1_800_000_000_000;
/// An empty list of tickets.
pub(in crate::front) const NO_TICKETS: [Ticket; 0] = [];
/// The time between two ticks.
pub(in crate::front) const TICK: Duration = Duration::from_millis(100);

/// A chain for `action` of one script.
pub(in crate::front) fn chain(action: &str) -> ChainSpec {
    ChainSpec::new(action, vec![StepSpec::new(STEP, StepSource::script("js", "1"))])
}

/// A chain for `action` of one program, which is asked about at most `parallel` requests at a time.
pub(in crate::front) fn program_chain(action: &str, parallel: u32) -> ChainSpec {
    let (path, folder, mode) = ("/opt/pick".to_owned(), "/opt".to_owned(), Mode::Once);
    let program = ProgramSpec { path, folder, mode, wall_ms: None, parallel };
    ChainSpec::new(action, vec![StepSpec::new(PROGRAM, StepSource::Executable(program))])
}

/// A setup of one chain, for [`ACTION`].
pub(in crate::front) fn setup() -> Setup {
    setup_of(vec![chain(ACTION)])
}

/// A setup in which capacity is strict.
pub(in crate::front) fn strict_setup() -> Setup {
    let chain = ChainSpec { strict: true, ..chain(ACTION) };
    Setup { is_strict: true, ..setup_of(vec![chain]) }
}

/// A setup of `chains`.
pub(in crate::front) fn setup_of(chains: Vec<ChainSpec>) -> Setup {
    let (set, arrangement, limits) = (ChainSet::new(chains), Arrangement::ById, WorkerLimits::default());
    Setup {
        birth: Arc::new(WorkerInit { set, arrangement, limits, audience: WorkerAudience::Front }),
        program: PathBuf::from("whither"),
        workers: 8,
        recycle_requests: 1_000_000,
        recycle_bytes: 1 << 40,
        quarantine: QuarantineSettings { kills: 3, window_ms: 60_000, pause_ms: 10_000 },
        tokens: None,
        strict_requests: false,
        queue: 1_000,
        reservation_ms: 60_000,
        longest_reservation_ms: 600_000,
        cooldown_ms: 5_000,
        cooldown_users: 2,
        is_last_resort: false,
        is_strict: false,
        waiting: 100,
        waiting_per_user: 20,
        reservations_per_user: 10_000,
        digest: "own-chains".into(),
        retries: 2,
        recorded_decisions: 0,
        programs: ProgramLimits::default(),
        environment: Vec::new(),
    }
}

/// A request in no stage yet, for the table.
pub(in crate::front) fn pending(ticket: Ticket) -> Box<PendingRequest> {
    Box::new(PendingRequest::new(PlacementQuestion::empty(ticket), Vec::new(), "ann".into()))
}

/// The end of a process that crashed.
pub(in crate::front) fn crashed() -> ProcessEnd {
    ProcessEnd { how: "exited with code 1".to_owned(), killed: false, stopped: false }
}

/// The end of a process that was killed.
pub(in crate::front) fn killed() -> ProcessEnd {
    ProcessEnd { how: "was ended by signal 9".to_owned(), killed: true, stopped: false }
}

/// The running step `step` of the question `ticket`, about `node` where a node is given.
pub(in crate::front) fn running(ticket: Ticket, step: &str, node: Option<&str>) -> RunningStep {
    RunningStep { ticket, step: Some(step.into()), node: node.map(Arc::from), pure: false }
}

/// The overrun of `running`, past the limit of time.
pub(in crate::front) fn overrun(running: RunningStep) -> Overrun {
    Overrun { running, kind: LimitKind::Time, message: "it took too long".to_owned() }
}

/// The change by which the node `id` reports `sessions` and the limit `most`.
pub(in crate::front) fn report(id: &str, most: Option<u64>, sessions: &[Value]) -> Change {
    let document = json!({"id": id, "maxSessions": most, "nodeData": {"sessions": sessions}});
    Change::Report(Arc::new(Report::from_value(document).unwrap()))
}

/// A request of `user` for [`ACTION`].
pub(in crate::front) fn request(user: &str) -> Value {
    json!({"action": ACTION, "user": {"login": user}})
}

/// Returns `base` with the fields of `more` added.
pub(in crate::front) fn with(mut base: Value, more: Value) -> Value {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

/// A hello of the replica `other`, which runs the same chains.
pub(in crate::front) fn other_says() -> Message {
    Message { from: "other".into(), chains: "own-chains".into(), ..Message::default() }
}

/// The reservation `id` of the replica `other` on `node`, for the user `ann`; `request` is the requester's id.
pub(in crate::front) fn other_holds(id: &str, node: &str, request: Option<&str>) -> PeerReservation {
    let user = Arc::<str>::from("ann");
    let key = |id: &str| RequestKey { id: id.into(), action: ACTION.into(), login: Arc::clone(&user) };
    PeerReservation {
        reservation: Reservation { id: id.into(), node: node.into(), user: Arc::clone(&user), name: "".into() },
        left_ms: 60_000,
        confirmed: false,
        chain: ACTION.into(),
        decided_by: Some(STEP.into()),
        generation: 1,
        drawn: None,
        request: request.map(key),
    }
}
