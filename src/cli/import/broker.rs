//! FastX's `broker.json`: how its services reach each other, of which whither takes what is about NATS.
//!
//! The documented shape is `{transporterType, namespace, rejectUnauthorized, options: {servers, token}}`; an older one
//! has `host`, `port` and `password` beside the type. `options` is what FastX hands to its NATS client, so that client's
//! other names of a login are known too.

use std::path::Path;

use serde_json::{Map, Value};

use crate::config::{Namespace, Secret, ServerUrl};
use crate::model::json::{kind, text};

use super::report::{ImportOutcome, ImportReport};

/// The transporter that whither has too.
const NATS: &str = "nats";
/// The most servers that are taken.
const MAX_SERVERS: usize = 32;
/// The fewest servers that keep a quorum where one of them is lost.
const QUORUM_SERVERS: usize = 3;
/// The keys beside `options` that are read.
const KNOWN: [&str; 7] = ["transporterType", "namespace", "rejectUnauthorized", "options", "host", "port", "servers"];
/// The keys of `options` that are read.
const KNOWN_OPTIONS: [&str; 6] = ["servers", "url", "token", "user", "pass", "tls"];
/// The keys of `options.tls` that name a file, and the keys of a config that do.
const TLS_FILES: [(&str, &str); 3] = [("caFile", "tls_ca"), ("certFile", "tls_cert"), ("keyFile", "tls_key")];

/// The settings of `broker.json` that become the section `[nats]`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BrokerSettings {
    /// The servers, as whither writes addresses.
    pub(super) urls: Vec<String>,
    /// Whether an address holds a login.
    has_login: bool,
    namespace: Option<String>,
    token: Option<Secret>,
    user: Option<(String, Secret)>,
    /// Keys of the config with the files that they name.
    tls: Vec<(&'static str, String)>,
    is_tls_required: bool,
}

/// The place of the settings while they are read.
struct BrokerReader<'a> {
    source: &'a str,
    report: &'a mut ImportReport,
}

impl BrokerSettings {
    /// Reads the `document` of the file `source`.
    pub(super) fn read(source: &str, document: &Map<String, Value>, report: &mut ImportReport) -> Self {
        let mut reader = BrokerReader { source, report };
        let mut settings = Self { namespace: reader.namespace(document), ..Self::default() };
        if reader.is_nats(document) {
            reader.nats(document, &mut settings);
        }
        settings
    }

    /// Whether the settings hold a secret, so that their file must be readable by its owner alone.
    pub(super) fn has_secret(&self) -> bool {
        self.has_login || self.token.is_some() || self.user.is_some()
    }

    /// Returns the section `[nats]` of a config.
    pub(super) fn section(&self) -> String {
        let quote = |text: &str| toml::Value::from(text).to_string();
        let url = match self.urls.as_slice() {
            [] => "\"nats://127.0.0.1:4222\" # no server was imported: name yours".to_owned(),
            [url] => quote(url),
            urls => toml::Value::from(urls.to_vec()).to_string(),
        };
        let mut lines = vec!["[nats]".to_owned(), format!("url = {url}")];
        if self.urls.len() >= QUORUM_SERVERS {
            lines.push(format!("replicas = {QUORUM_SERVERS} # each bucket on so many servers: one of them may fail"));
        }
        lines.extend(self.namespace.iter().map(|namespace| format!("namespace = {}", quote(namespace))));
        lines.extend(self.token.iter().map(|token| format!("token = {}", quote(token.reveal()))));
        if let Some((user, password)) = &self.user {
            lines.push(format!("user = {}", quote(user)));
            lines.push(format!("password = {}", quote(password.reveal())));
        }
        lines.extend(self.is_tls_required.then(|| "tls_required = true".to_owned()));
        lines.extend(self.tls.iter().map(|(key, file)| format!("{key} = {}", quote(file))));
        lines.join("\n") + "\n"
    }
}

impl BrokerReader<'_> {
    fn imported(&mut self, place: &str, message: impl Into<String>) {
        self.report.add(ImportOutcome::Imported, self.source, place, message);
    }

    fn refused(&mut self, place: &str, message: impl Into<String>, advice: impl Into<String>) {
        self.report.advise(ImportOutcome::NotImported, self.source, place, message, advice);
    }

    fn is_nats(&mut self, document: &Map<String, Value>) -> bool {
        const SET_UP: &str = "run NATS with JetStream (`nats-server -js`) and name its servers in `nats.url`";
        match text(document, "transporterType") {
            Some(named) if named.eq_ignore_ascii_case(NATS) => {
                self.report.advise(
                    ImportOutcome::Note,
                    self.source,
                    "transporterType",
                    "whither keeps its node list in JetStream, which a NATS server has where it is switched on",
                    "start the servers with `-js`, or with `jetstream {}` in their config",
                );
                return true;
            }
            Some(named) => {
                let message = format!("the transporter is `{}`: whither speaks NATS alone", named.to_lowercase());
                self.refused("transporterType", message, SET_UP);
            }
            None => self.refused("transporterType", "no transporter is named: whither speaks NATS alone", SET_UP),
        }
        false
    }

    fn namespace(&mut self, document: &Map<String, Value>) -> Option<String> {
        let named = text(document, "namespace")?;
        match named.parse::<Namespace>() {
            Ok(namespace) => {
                let message = format!("`nats.namespace`: requests go to `{namespace}.place`");
                self.imported("namespace", message);
                Some(namespace.as_str().to_owned())
            }
            Err(why) => {
                self.refused("namespace", why.to_string(), "set `nats.namespace`, or leave it at `whither`");
                None
            }
        }
    }

    fn nats(&mut self, document: &Map<String, Value>, settings: &mut BrokerSettings) {
        if document.get("rejectUnauthorized") == Some(&Value::Bool(false)) {
            self.refused(
                "rejectUnauthorized",
                "whither always checks a server's certificate, whatever stands in between",
                "put the authority that signed the servers' certificates into `nats.tls_ca`",
            );
        }
        let none = Map::new();
        let options = document.get("options").and_then(Value::as_object).unwrap_or(&none);
        self.servers(document, options, settings);
        self.login(options, settings);
        self.tls(options.get("tls"), settings);
        let others = |known: &[&str], map: &Map<String, Value>, prefix: &str| -> Vec<String> {
            map.keys().filter(|key| !known.contains(&key.as_str())).map(|key| format!("{prefix}{key}")).collect()
        };
        for place in others(&KNOWN, document, "").into_iter().chain(others(&KNOWN_OPTIONS, options, "options.")) {
            self.report.add(ImportOutcome::NotImported, self.source, &place, "whither has no such setting of NATS");
        }
    }

    fn servers(&mut self, document: &Map<String, Value>, options: &Map<String, Value>, settings: &mut BrokerSettings) {
        let host = text(document, "host").map(|host| {
            let port = document.get("port").and_then(Value::as_u64).unwrap_or(4222);
            ("host", vec![format!("{host}:{port}")])
        });
        let named = |map: &Map<String, Value>, key: &str| map.get(key).map(strings);
        let found = named(options, "servers").map(|urls| ("options.servers", urls));
        let found = found.or_else(|| named(options, "url").map(|urls| ("options.url", urls)));
        let found = found.or_else(|| named(document, "servers").map(|urls| ("servers", urls))).or(host);
        let Some((place, written)) = found else {
            return self.refused("options.servers", "no server is named", "name the servers in `nats.url`");
        };
        for text in written.iter().take(MAX_SERVERS) {
            match ServerUrl::parse(text) {
                Ok(url) => {
                    settings.has_login |= url.has_login();
                    settings.urls.push(url.reveal().to_owned());
                }
                Err(why) => self.refused(place, why, "put the server's address into `nats.url`"),
            }
        }
        match settings.urls.len() {
            0 => {}
            1 => self.imported(place, "`nats.url`"),
            count => self.imported(place, format!("`nats.url`, {count} servers")),
        }
        if settings.urls.len() >= QUORUM_SERVERS {
            let message = format!("`nats.replicas` is {QUORUM_SERVERS}: the servers must be a cluster of NATS");
            let advice = "the guide \"Move from FastX\" sets one up, server by server";
            self.report.advise(ImportOutcome::Note, self.source, place, message, advice);
        }
    }

    fn login(&mut self, options: &Map<String, Value>, settings: &mut BrokerSettings) {
        settings.token = text(options, "token").map(Secret::new);
        let password = text(options, "pass").map(Secret::new);
        settings.user = text(options, "user").map(str::to_owned).zip(password);
        if settings.token.is_some() {
            self.imported("options.token", "`nats.token`; the config is readable by its owner alone");
            if settings.user.take().is_some() {
                self.refused("options.user", "a client has one login, and the token is it", "keep one of them");
            }
        } else if settings.user.is_some() {
            let message = "`nats.user` and `nats.password`; the config is readable by its owner alone";
            self.imported("options.user", message);
        }
    }

    fn tls(&mut self, tls: Option<&Value>, settings: &mut BrokerSettings) {
        match tls {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::Bool(true)) => {
                settings.is_tls_required = true;
                self.imported("options.tls", "`nats.tls_required`");
            }
            Some(Value::Object(tls)) => {
                settings.is_tls_required = true;
                self.imported("options.tls", "`nats.tls_required`");
                self.tls_files(tls, settings);
            }
            Some(other) => {
                let message = format!("is {}, expected a table", kind(other));
                self.refused("options.tls", message, "`nats.tls_ca`, `tls_cert` and `tls_key` name files");
            }
        }
    }

    fn tls_files(&mut self, tls: &Map<String, Value>, settings: &mut BrokerSettings) {
        for (name, value) in tls {
            let place = format!("options.tls.{name}");
            let known = TLS_FILES.into_iter().find(|(known, _)| known == name);
            match (known, value.as_str()) {
                (Some((_, key)), Some(file)) if Path::new(file).is_absolute() && Path::new(file).is_file() => {
                    settings.tls.push((key, file.to_owned()));
                    self.imported(&place, format!("`nats.{key}`"));
                }
                (Some((_, key)), Some(file)) => {
                    let message = format!("`{file}` is no file of this machine, named from its root");
                    self.refused(&place, message, format!("put the file into `nats.{key}`"));
                }
                _ => self.refused(&place, "no file is named", "`nats.tls_ca`, `tls_cert` and `tls_key` name files"),
            }
        }
        // A certificate without its key, or a key without its certificate, would be refused as a config.
        let has = |wanted: &str| settings.tls.iter().any(|(key, _)| *key == wanted);
        if has("tls_cert") != has("tls_key") {
            settings.tls.retain(|(key, _)| *key == "tls_ca");
            self.refused("options.tls", "a certificate and its key go together", "set `nats.tls_cert` and `tls_key`");
        }
    }
}

/// Returns the texts of a text or of a list; a text may name several servers.
fn strings(value: &Value) -> Vec<String> {
    let texts = match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let parts = texts.into_iter().flat_map(|text| text.split(',')).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Returns the section and the lines of the report, as `outcome place: message`.
    fn read(document: &Value) -> (String, Vec<String>, bool) {
        let mut report = ImportReport::default();
        let settings = BrokerSettings::read("broker.json", document.as_object().unwrap(), &mut report);
        let lines = report.lines().iter().map(|line| format!("{:?} {}: {}", line.outcome, line.place, line.message));
        (settings.section(), lines.collect(), settings.has_secret())
    }

    #[track_caller]
    fn has(lines: &[String], start: &str) {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start}: {lines:#?}");
    }

    #[test]
    fn three_servers_with_a_token_become_the_section() {
        let (section, lines, is_secret) = read(&json!({"transporterType": "nats", "namespace": "site",
            "rejectUnauthorized": false, "options": {"servers": ["nats://a:4222", "b:4222", "tls://c"], "token": "hu\"sh",
            "maxReconnectAttempts": -1}, "heartbeatInterval": 5}));
        let expected = "[nats]\nurl = [\"nats://a:4222\", \"nats://b:4222\", \"tls://c\"]\n\
            replicas = 3 # each bucket on so many servers: one of them may fail\nnamespace = \"site\"\n\
            token = 'hu\"sh'\n";
        assert_eq!((section.as_str(), is_secret), (expected, true));
        for line in [
            "Imported namespace: `nats.namespace`: requests go to `site.place`",
            "Imported options.servers: `nats.url`, 3 servers",
            "Imported options.token: ",
            "NotImported rejectUnauthorized: ",
            "NotImported options.maxReconnectAttempts: ",
            "NotImported heartbeatInterval: ",
            "Note transporterType: ",
        ] {
            has(&lines, line);
        }
        assert!(!lines.iter().any(|line| line.contains("hu\"sh")), "{lines:?}");
    }

    #[test]
    fn another_transporter_is_refused_by_name() {
        let document =
            json!({"transporterType": "Redis", "namespace": "n", "host": "h", "port": 6379, "password": "p"});
        let (section, lines, is_secret) = read(&document);
        has(&lines, "NotImported transporterType: the transporter is `redis`: whither speaks NATS alone");
        assert!(section.contains("no server was imported") && !section.contains("6379") && !is_secret, "{section}");
        has(&read(&json!({"options": {}})).1, "NotImported transporterType: no transporter is named");
    }

    #[test]
    fn older_and_other_ways_to_name_servers_and_logins_are_known() {
        let (section, lines, _) = read(&json!({"transporterType": "NATS", "host": "bus", "port": 4333}));
        assert!(section.contains("url = \"nats://bus:4333\""), "{section}");
        has(&lines, "Imported host: `nats.url`");
        let options = json!({"url": "nats://u:secret@bus, http://x", "user": "ann", "pass": "word", "tls": true});
        let (section, lines, is_secret) = read(&json!({"transporterType": "nats", "options": options}));
        for line in ["url = \"nats://u:secret@bus\"", "user = \"ann\"", "password = \"word\"", "tls_required = true"] {
            assert!(section.contains(line), "{line}: {section}");
        }
        has(&lines, "NotImported options.url: `http://x` is no server address");
        assert!(is_secret && !format!("{lines:?}").contains("secret"), "{lines:?}");
        let tls = json!({"caFile": "/gone.pem", "certFile": "here.pem", "ca": "-----BEGIN"});
        let document = json!({"transporterType": "nats", "namespace": "a.b", "options": {"tls": tls, "servers": 4}});
        let (section, lines, _) = read(&document);
        assert!(section.contains("tls_required = true") && !section.contains("pem"), "{section}");
        for line in
            ["NotImported options.tls.caFile: `/gone.pem`", "NotImported options.tls.ca: ", "NotImported namespace"]
        {
            has(&lines, line);
        }
    }
}
