//! Names from outside: keys of buckets, reservation ids, namespaces, inboxes, addresses of servers.

use whither::agent::logins::LoginRecord;
use whither::config::{InboxPrefix, Namespace, ServerUrl};
use whither::nats::Address;
use whither::nats::subjects::{decode_key, encode_key};
use whither::registry::ids::{RANDOM_BYTES, is_well_formed, made_by};
use whither::registry::peers::owner;

use super::must_be_short;

/// The shortest login of an address that is looked for in what is shown: a shorter one may be part of any word.
const LEAST_LOGIN_BYTES: usize = 12;

/// Names come back as they were written, and an address keeps its login to itself.
pub fn run(bytes: &[u8]) {
    must_be_made_well(bytes);
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(id) = decode_key(text) {
        assert_eq!(encode_key(&id), text, "each id has one key");
    }
    if !text.is_empty() {
        assert_eq!(decode_key(&encode_key(text)).as_deref(), Ok(text));
    }
    assert!(text.starts_with(owner(text)));
    assert!(!is_well_formed(text) || !owner(text).is_empty());
    match text.parse::<Namespace>() {
        Ok(namespace) => {
            assert_eq!(namespace.as_str(), text);
            assert!(namespace.may_answer_to(text) && !namespace.may_answer_to(&namespace.place()));
        }
        Err(error) => drop(must_be_short(&error)),
    }
    if let Ok(prefix) = InboxPrefix::parse(text) {
        assert_eq!(prefix.as_str(), text);
    }
    let _expected = LoginRecord::parse(text);
    must_keep_its_login(text);
}

fn must_be_made_well(bytes: &[u8]) {
    let Some((random, replica)) = bytes.split_first_chunk::<RANDOM_BYTES>() else { return };
    let replica: String = String::from_utf8_lossy(replica).chars().filter(char::is_ascii_alphanumeric).collect();
    let id = made_by(&replica, *random);
    assert_eq!((owner(&id), &*encode_key(&id)), (&*replica, &*id));
    assert_eq!(is_well_formed(&id), (1..=64).contains(&replica.len()));
}

/// `text` as a parser of URLs reads hosts: without control characters, in small letters.
fn as_parsed(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).flat_map(char::to_lowercase).collect()
}

fn must_keep_its_login(text: &str) {
    let mut shown = match ServerUrl::parse(text) {
        Ok(url) => {
            assert!(url.reveal().ends_with(text));
            format!("{url} {url:?}")
        }
        Err(words) => must_be_short(&words),
    };
    shown += &match text.parse::<Address>() {
        Ok(address) => format!("{address} {address:?}"),
        Err(error) => error.to_string(),
    };
    let (_, rest) = text.split_once("://").unwrap_or(("", text));
    if let Some((login, host)) = rest.rsplit_once('@')
        && login.len() >= LEAST_LOGIN_BYTES
        && !as_parsed(host).contains(&as_parsed(login))
    {
        assert!(!shown.contains(login), "the login is shown: {shown}");
    }
}
