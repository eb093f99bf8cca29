//! Every key of a config that [`figure`] does not list, with default, accepted values and meaning, each listed once.
//!
//! The readers accept the keys of the two lists and no others, and the reference page is written from them, so that no
//! key lacks a description.

use super::figure;

/// A key of a config that is no figure.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigKey {
    /// The section of the key; `chain` for the keys of `[chain.ACTION]`, `step` for the keys of a step that is a table.
    pub section: &'static str,
    /// The name of the key.
    pub key: &'static str,
    /// The value where the config does not set the key, as a config writes the value, or in words; empty where there is
    /// no default.
    pub default: &'static str,
    /// The accepted values, in words.
    pub expected: &'static str,
    /// The meaning, for people.
    pub about: &'static str,
}

type KeyRow = (&'static str, &'static str, &'static str, &'static str);

const fn nats((key, default, expected, about): KeyRow) -> ConfigKey {
    ConfigKey { section: "nats", key, default, expected, about }
}

const fn service((key, default, expected, about): KeyRow) -> ConfigKey {
    ConfigKey { section: "service", key, default, expected, about }
}

const fn tokens((key, default, expected, about): KeyRow) -> ConfigKey {
    ConfigKey { section: "tokens", key, default, expected, about }
}

const fn chain((key, default, expected, about): KeyRow) -> ConfigKey {
    ConfigKey { section: "chain", key, default, expected, about }
}

const fn step((key, default, expected, about): KeyRow) -> ConfigKey {
    ConfigKey { section: "step", key, default, expected, about }
}

/// Every key that is no figure, in the order of a config.
pub const KEYS: [ConfigKey; 53] = [
    nats(("url", "", "an address, or a list of them", "where NATS is; `serve` needs it, here or as `--nats`")),
    nats((
        "namespace",
        "\"whither\"",
        "1 to 64 letters, digits, `_` and `-`",
        "what every subject and bucket begins with",
    )),
    nats((
        "inbox_prefix",
        "\"_INBOX\"",
        "tokens with dots between them",
        "where answers come in, where the server lets this login read no other inboxes",
    )),
    nats(("credentials", "", "a file, its owner's alone", "a way to log in: a credentials file as `nsc` writes it")),
    nats(("token", "", "text", "a way to log in: a token")),
    nats(("user", "", "text", "a way to log in: a name, with `password` beside it")),
    nats(("password", "", "text", "the password of `user`")),
    nats(("nkey", "", "a seed, or a file with one, its owner's alone", "a way to log in: the seed of a user's key")),
    nats((
        "tls_ca",
        "the system's",
        "a PEM file",
        "the authorities that the server's certificate is checked against, or that certificate itself",
    )),
    nats(("tls_cert", "", "a PEM file", "the certificate that this client shows, with `tls_key` beside it")),
    nats(("tls_key", "", "a PEM file, its owner's alone", "the key of `tls_cert`")),
    nats(("tls_required", "false", "`true` or `false`", "whether a server without encryption is refused")),
    nats(("storage", "\"file\"", "`\"file\"` or `\"memory\"`", "where a bucket is kept that the service makes")),
    nats(("replicas", "1", "1 to 5", "on how many servers of a NATS cluster each bucket is kept")),
    ConfigKey {
        section: "http",
        key: "listen",
        default: "",
        expected: "an address with its port, `\"127.0.0.1:4280\"`",
        about: "where `/healthz`, `/readyz`, `/metrics` and `/api/status` are served; without it no port opens",
    },
    ConfigKey {
        section: "tracing",
        key: "endpoint",
        default: "",
        expected: "an address, `\"http://127.0.0.1:4318\"`",
        about: "the OpenTelemetry collector that spans are sent to, by OTLP over HTTP; `/v1/traces` where it has no path",
    },
    service(("timezone", "the host's", "a time zone, `\"Europe/Berlin\"`", "what scripts see as the time of day")),
    service((
        "environment",
        "[]",
        "a name, or a list of names",
        "the variables that executables keep, beside `PATH`, `HOME` and `TZ`",
    )),
    service((
        "notify",
        "[]",
        "a program's path, or a list of it and its arguments",
        "run at one replica when a node joins, leaves, is out of sync or in sync again, with the event as JSON on its \
         standard input; it has 10 seconds",
    )),
    service((
        "new_nodes",
        "\"admit\"",
        "`\"admit\"` or `\"hold\"`",
        "whether a node takes sessions as soon as it reports, or waits until `whither nodes accept` names it",
    )),
    service((
        "user_names",
        "\"ignore-case\"",
        "`\"as-is\"`, `\"ignore-case\"` or `\"short\"`",
        "how the names of users are compared; with `\"short\"` the names `SITE\\Ann` and `ann@site.example` are `ann`",
    )),
    service((
        "capacity",
        "\"fast\"",
        "`\"fast\"` or `\"strict\"`",
        "with `\"strict\"` a full node never takes one more session, at the price of two round trips to NATS",
    )),
    service((
        "cooldown",
        "\"last\"",
        "`\"last\"` or `\"out\"`",
        "what becomes of a node that is passed over after a failed start, where no other node is left: it is chosen, or not",
    )),
    service((
        "strict_requests",
        "false",
        "`true` or `false`",
        "whether requests are refused that have fields which nothing but a script can look at",
    )),
    tokens((
        "keys",
        "",
        "a file, or a list of them",
        "the issuer's public keys, as PEM or as a JWK set; nobody but the file's owner may write it",
    )),
    tokens((
        "secret_file",
        "",
        "a file, its owner's alone",
        "the secret that the issuer shares, for HS256, HS384 and HS512",
    )),
    tokens((
        "algorithms",
        "",
        "an algorithm, or a list of them",
        "what tokens may be signed by, whatever they say: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, \
         HS256, HS384 or HS512; needed, and never `none`",
    )),
    tokens((
        "issuer",
        "[]",
        "a name, or a list of names",
        "whose tokens are accepted (`iss`); without it anybody's who has the key",
    )),
    tokens((
        "audience",
        "[]",
        "a name, or a list of names",
        "for whom a token must be (`aud`); without it for anybody, also for another service of the issuer",
    )),
    tokens(("claims", "[]", "a name, or a list of names", "the claims that scripts and home rules see in `claims`")),
    tokens((
        "groups_claim",
        "",
        "the name of a claim",
        "where the user's groups come from, instead of the requester's word; `a.b` is `b` in `a`",
    )),
    tokens((
        "admin_claim",
        "",
        "the name of a claim",
        "what says whether the user is an administrator, instead of the requester's word",
    )),
    tokens(("admin_values", "[]", "a name, or a list of names", "which of its values do; without them `true` does")),
    tokens((
        "login_claim",
        "",
        "the name of a claim",
        "what must be the login of the request's user; without it any user's token is accepted",
    )),
    tokens((
        "login_domains",
        "[]",
        "a name, or a list of names",
        "the domains that this login may be written with or without, as `SITE\\ann` and `ann@site.example`; no other \
         domain is left out",
    )),
    tokens((
        "unverified",
        "\"refuse\"",
        "`\"refuse\"` or `\"ignore\"`",
        "what becomes of a request without a token that is accepted: it is refused, or goes on without claims, and \
         without groups and rights that come from claims",
    )),
    chain((
        "steps",
        "",
        "a list of 1 to 100 steps",
        "the steps, in order: a path, `builtin:NAME`, or a table as below",
    )),
    chain((
        "reserve",
        "true for session/start, else false",
        "`true` or `false`",
        "whether a placement holds a place, and cordoned, full, starting and cooling nodes are left out",
    )),
    chain((
        "on_unplaceable",
        "\"error\"",
        "`\"error\"`, `\"skip\"` or `\"allow\"`",
        "what follows where a step names a node that cannot take the session: a failure, a pass, or the placement all the same",
    )),
    chain((
        "on_assigned_unplaceable",
        "\"chain\"",
        "`\"chain\"`, `\"error\"` or `\"wait\"`",
        "what follows where the node that a user is assigned to cannot take the session: the steps decide, a failure, or \
         `no-node`, upon which a request with `wait_ms` waits for that node; in chains that reserve",
    )),
    chain((
        "require_services",
        "[]",
        "a service, or a list of services",
        "nodes that do not run all of these are left out",
    )),
    chain(("pass_jwt", "false", "`true` or `false`", "whether scripts see the request's token as `params.jwt`")),
    chain((
        "verify_jwt",
        "true where there is [tokens]",
        "`true` or `false`",
        "whether the request's token is verified, by `[tokens]`",
    )),
    chain(("workers", "", "1 to 64", "worker processes for this chain alone, where its scripts are slow")),
    step(("script", "", "a path", "the script, component or executable; a step has this or `builtin`")),
    step(("builtin", "", "the name of a built-in", "the built-in policy; a step has this or `script`")),
    step((
        "on_error",
        "\"stop\"",
        "`\"stop\"`, `\"skip\"` or `\"fallback:NAME\"`",
        "what follows where the step throws, returns no verdict or names an unknown node",
    )),
    step((
        "on_limit",
        "\"stop\"",
        "`\"stop\"`, `\"skip\"` or `\"fallback:NAME\"`",
        "what follows where the step passes a limit, crashes its engine or is in quarantine",
    )),
    step(("cpu_ms", "limits.script_ms", "1 to 60000", "CPU time of this step")),
    step((
        "mode",
        "\"once\"",
        "`\"once\"` or `\"resident\"`",
        "whether an executable is started for each request or kept running",
    )),
    step(("wall_ms", "limits.executable_ms", "1 to 600000", "wall time of one answer of an executable")),
    step((
        "parallel",
        "1",
        "1 to 1024",
        "how many requests of a chain that reserves may be at this executable at one time",
    )),
    step((
        "isolation",
        "\"warm\"",
        "`\"warm\"` or `\"fresh\"`",
        "whether a component keeps its memory, or each request and each pure call gets a new one",
    )),
];

/// Returns the keys that are accepted in `section`.
pub(super) fn of(section: &str) -> Vec<&'static str> {
    let keys = KEYS.iter().filter(|key| key.section == section).map(|key| key.key);
    keys.chain(figure::keys(section)).collect()
}
