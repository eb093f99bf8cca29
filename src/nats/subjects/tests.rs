//! Tests of the subjects.

use super::*;
use proptest::prelude::*;

#[test]
fn names_are_the_documented_ones() {
    let namespace: Namespace = "site-7".parse().unwrap();
    assert_eq!(namespace.place(), "site-7.place");
    assert_eq!(namespace.nodes_bucket(), "site-7_nodes");
    assert_eq!(namespace.events_of("a b"), "site-7.events.a=20b");
    assert_eq!(namespace.node_start("a.b"), "site-7.node.a=2Eb.start");
    assert_eq!(Namespace::default().marks_bucket(), "whither_marks");
}

#[test]
fn answers_go_to_inboxes_alone() {
    let namespace = Namespace::default();
    for inbox in ["_INBOX.a.b", "whither", "whitherto.x", "_R_.x", "x.whither.place"] {
        assert!(namespace.may_answer_to(inbox), "{inbox}");
    }
    for other in ["whither.cordon", "whither.peers.x", "$KV.whither_marks.a", "$JS.API.STREAM.DELETE.x", "$SRV.PING"] {
        assert!(!namespace.may_answer_to(other), "{other}");
    }
}

#[test]
fn odd_ids_have_plain_keys() {
    let cases = [("a..b", "a=2E=2Eb"), ("host:7070", "host=3A7070"), ("*", "=2A"), ("ü", "=C3=BC"), ("=41", "=3D41")];
    for (id, key) in cases {
        assert_eq!(encode_key(id), key);
        assert_eq!(decode_key(key).as_deref(), Ok(id));
    }
}

#[test]
fn only_the_one_key_of_an_id_is_read() {
    let cases = [
        ("", KeyError::Empty),
        ("a.b", KeyError::Unescaped),
        ("host:7070", KeyError::Unescaped),
        ("ü", KeyError::Unescaped),
        ("=2e", KeyError::Escape),
        ("=41", KeyError::Escape),
        ("a=", KeyError::Escape),
        ("=C3", KeyError::NotUtf8),
    ];
    for (key, expected) in cases {
        assert_eq!(decode_key(key), Err(expected), "`{key}`");
    }
}

proptest! {
    #[test]
    fn every_id_comes_back(id in ".+") {
        let key = encode_key(&id);
        prop_assert!(key.bytes().all(|byte| is_plain(byte) || byte == b'='));
        prop_assert_eq!(decode_key(&key), Ok(id));
    }

    #[test]
    fn what_decodes_is_canonical(key in "[A-F0-9=a-z_-]{1,12}") {
        if let Ok(id) = decode_key(&key) {
            prop_assert_eq!(encode_key(&id), key);
        }
    }
}
