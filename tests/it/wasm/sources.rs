//! Files that are no component of ours: each is refused with what is wrong and what to do.

use whither::chain::{ChainSet, StepSource, StepSpec};
use whither::script::Content;

use super::stand::{evaluator, login};
use crate::support::components::component;

fn refusal(bytes: Vec<u8>) -> String {
    let step = StepSpec::new("policy.wasm", StepSource::script("wasm", Content::Binary(bytes.into())));
    match evaluator(&ChainSet::new(vec![login(vec![step])])) {
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Ok(_) => panic!("it was accepted"),
    }
}

/// The component `fewest-sessions` with other words in it, of the same length.
fn with(word: &str, other: &str) -> Vec<u8> {
    let (mut bytes, word, other) = (component("fewest-sessions"), word.as_bytes(), other.as_bytes());
    assert_eq!(word.len(), other.len());
    let places: Vec<_> = bytes.windows(word.len()).enumerate().filter(|(_, found)| *found == word).collect();
    let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|place| bytes.splice(place..place + word.len(), other.iter().copied()).for_each(drop));
    bytes
}

#[test]
fn each_is_refused_by_name() {
    let whole = component("fewest-sessions");
    for (bytes, words) in [
        (b"\0asm\x01\0\0\0".to_vec(), "a core WebAssembly module and no component"),
        (b"function balance() {}".to_vec(), "no WebAssembly component"),
        (whole[..whole.len() / 2].to_vec(), "policy.wasm: "),
        (with("@1.0.0", "@2.7.0"), "made for whither:balancer@2.7.0; this release speaks 1.0.0"),
        (with("whither:balancer/balance@", "whether:balancer/balance@"), "exports none of the functions"),
    ] {
        let told = refusal(bytes);
        assert!(told.contains(words) && told.contains("policy.wasm"), "{words}: {told}");
    }
}

/// A component with any byte changed is refused, or works, and does nothing else.
#[test]
fn damaged_components_are_refused_or_work() {
    let whole = component("fewest-sessions");
    for place in (8..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        let step = StepSpec::new("policy.wasm", StepSource::script("wasm", Content::Binary(bytes.into())));
        drop(evaluator(&ChainSet::new(vec![login(vec![step])])));
    }
}
