//! What replicas tell each other.

use whither::model::UserNames;
use whither::registry::ledger::{Ledger, LedgerEntry, LedgerRules};
use whither::registry::peers::{GossipItem, Message, PeerReservation, Peers, ReservationEnd};

/// The longest name of a replica that is heard, in bytes.
const LONGEST_NAME: usize = 128;

/// A message reads as it is written, and whatever it says, the ledger holds no more than it was told of.
pub fn run(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let written = serde_json::to_vec(&message).expect("a message can be written");
    assert_eq!(Message::parse(&written).expect("and be read"), message);
    let mut peers = Peers::new("me".into());
    let heard = peers.receive(&message, 10);
    let is_too_long = message.from.len().max(message.chains.len()) > LONGEST_NAME;
    assert!(heard.is_none() == (&*message.from == "me" || is_too_long) && peers.len() <= 1);
    assert!(!peers.is_to_be_asked(&message.from, true, 20), "not at the first time");
    let _is_asked = peers.is_to_be_asked(&message.from, true, u64::MAX);
    let silent = Message { held: Vec::new(), confirmed: Vec::new(), uncordoned: Vec::new(), ..message.clone() };
    let mut told = Message { reported: Vec::new(), released: Vec::new(), failed: Vec::new(), ..silent };
    message.words().for_each(|word| told.add(word));
    // What failed is among what was released, or was not said.
    let failed = message.released.iter().filter(|id| message.failed.contains(id)).cloned().collect();
    assert_eq!(told, Message { failed, ..message.clone() });
    must_be_kept(&message);
    peers.lapse(u64::MAX);
    assert!(peers.is_empty());
}

fn must_be_kept(message: &Message) {
    let rules = LedgerRules { lifetime_ms: 1000, names: UserNames::AsIs, trusting: true };
    let mut ledger: Ledger<()> = Ledger::new(rules);
    for word in message.words() {
        match word {
            GossipItem::Held(held) => drop(ledger.copy(entry(*held))),
            GossipItem::Confirmed(id) => drop(ledger.confirm(&id)),
            GossipItem::Over(
                id,
                ReservationEnd::Reported
                | ReservationEnd::Released
                | ReservationEnd::Failed
                | ReservationEnd::Deferred
                | ReservationEnd::Expired,
            ) => drop(ledger.release(&id, 5)),
            GossipItem::Uncordoned(_) => {}
        }
    }
    assert!(ledger.len() <= message.held.len());
    assert_eq!(ledger.own_count(), 0, "nobody else makes reservations of ours");
    let over = ledger.expire(1_000_000);
    assert!(over.len() <= message.held.len() && ledger.is_empty(), "nothing lives longer than anything does");
}

fn entry(held: PeerReservation) -> LedgerEntry<()> {
    let PeerReservation { reservation, left_ms, confirmed, request, .. } = held;
    LedgerEntry { reservation, expires_ms: left_ms.min(1000), confirmed, own: true, answer: (), request }
}
