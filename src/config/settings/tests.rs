//! Tests of the settings.

use std::path::Path;

use crate::config::{Config, ConfigNeeds, Loading, MemoryFiles, load};

fn read(lines: &str, host_zone: &str) -> Result<Config, String> {
    let files = MemoryFiles::default().with("w", format!("nats.url = \"bus\"\n{lines}\n"));
    load(Path::new("w"), Loading { files: &files, host_zone, needs: ConfigNeeds::Nats })
        .map_err(|errors| errors.to_string())
}

#[test]
fn the_zone_is_the_hosts_unless_the_config_names_one() {
    let zone = |lines, host| read(lines, host).map(|config| config.chains.zone);
    assert_eq!(zone("", "Asia/Tokyo").unwrap(), "Asia/Tokyo");
    assert_eq!(zone("service.retries = 1", "CET-1CEST,M3.5.0,M10.5.0/3").unwrap(), "CET-1CEST,M3.5.0,M10.5.0/3");
    assert_eq!(zone("service.timezone = \"Europe/Berlin\"", "no zone").unwrap(), "Europe/Berlin");
    let wrong = zone("service.timezone = \"Europe/Berlim\"", "UTC").unwrap_err();
    assert_eq!(
        wrong,
        "w:2:20: `service.timezone` is the string `Europe/Berlim`, expected a time zone such as `Europe/Berlin`"
    );
    assert!(zone("", "no zone").unwrap_err().contains("the host's time zone `no zone` is not known"));
    assert!(zone("service.timezone = 1", "UTC").unwrap_err().contains("is the number 1"));
}

#[test]
fn the_http_port_is_an_address() {
    let http = |lines| read(lines, "UTC").map(|config| config.http.map(|address| address.to_string()));
    assert_eq!(http(""), Ok(None));
    assert_eq!(http("http.listen = \"127.0.0.1:0\""), Ok(Some("127.0.0.1:0".to_owned())));
    for (lines, expected) in [
        ("[http]", "w:2:1: `http` has no `listen`"),
        ("http.listen = \"localhost\"", "w:2:15: `http.listen` is the string `localhost`, expected an address"),
        ("http.listen = 8222", "w:2:15: `http.listen` is the number 8222"),
        ("http.port = 8222", "w:2:1: `http` has no `listen`"),
    ] {
        let problems = http(lines).unwrap_err();
        assert!(problems.starts_with(expected), "{problems}");
    }
}
