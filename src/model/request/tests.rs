//! Tests of requests of both generations, and of their heads read without the rest.

use super::*;

#[test]
fn each_generations_names_are_filled_from_the_others() {
    let new = json!({"params": {"me": {"username": "bob"}, "start": {"command": "xterm"}, "jwt": "secret"}});
    let new = Request::from_value(new, "").unwrap();
    assert_eq!(&**new.login(), "bob");
    assert_eq!(new.fields()["user"]["login"], "bob");
    assert_eq!(new.fields()["data"]["command"], "xterm");
    assert_eq!(new.jwt(), "secret");
    assert!(!Value::Object(new.fields().clone()).to_string().contains("secret"));

    let old = Request::from_value(json!({"user": {"login": "ann"}, "data": {"a": 1}, "extra": [1]}), "here").unwrap();
    assert_eq!(old.fields()["params"]["me"]["login"], "ann");
    assert_eq!(old.fields()["params"]["start"]["a"], 1);
    assert_eq!(old.fields()["local"]["serverId"], "here");
    assert_eq!(old.fields()["extra"][0], 1);
    assert_eq!(&**old.action(), DEFAULT_ACTION);
}

#[test]
fn wrong_types_are_named() {
    for (request, words) in [
        (json!([]), "must be a JSON object, this is a list"),
        (json!({"user": "ann"}), "`user` must be an object such as {\"login\": \"kim\"}, not a string"),
        (json!({"isAdmin": 1}), "`isAdmin` must be true or false, not a number"),
        (json!({"params": {"me": []}}), "`params.me` must be an object such as {\"login\": \"kim\"}, not a list"),
        (json!({"id": ""}), "`id` must be a string of 1 to 256 bytes, not an empty string"),
        (json!({"wait_ms": 700_000}), "`wait_ms` is 700000; the most is 600000"),
        (json!({"wait_ms": "soon"}), "`wait_ms` must be a whole number of milliseconds from 0 to 600000, not a string"),
        (json!({"reservation_s": 0}), "`reservation_s` is 0; the least is 1"),
        (json!({"explain": "yes"}), "`explain` must be true or false, not a string"),
        (
            json!({"user": {"login": "x".repeat(1025)}}),
            "`user.login` must be a string of at most 1024 bytes, not a string of 1025 bytes",
        ),
        (json!({"data": {"name": "x".repeat(1025)}}), "`data.name` must be a string of at most 1024 bytes, not"),
    ] {
        let message = Request::from_value(request, "").unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    assert!(Request::parse(b"  ", 10, "").is_ok());
}

/// For any request, the head equals the head of the request read whole, and both ways refuse the same requests.
#[test]
fn the_head_is_that_of_the_whole() {
    let people =
        ["null", "{}", "[]", "7", r#"{"login":"ann"}"#, r#"{"login":"","username":"bob"}"#, r#"{"login":7,"sub":"s"}"#];
    let starts = ["null", "{}", r#"["x"]"#, r#"{"name":"xterm"}"#, r#"{"name":["x"]}"#];
    let mut texts: Vec<String> = Vec::new();
    for user in people {
        for me in people {
            texts.push(format!(r#"{{"user":{user},"params":{{"me":{me}}}}}"#));
        }
        texts.push(format!(r#"{{"params":{{"me":{user}}}}}"#));
    }
    for data in starts {
        for start in starts {
            texts.push(format!(r#"{{"data":{data},"params":{{"start":{start}}}}}"#));
        }
    }
    for field in [
        "id",
        "action",
        "node",
        "user",
        "params",
        "data",
        "local",
        "userGroups",
        "isManager",
        "isAdmin",
        "explain",
        "x",
    ] {
        let long = format!("\"{}\"", "x".repeat(300));
        for value in ["null", "1", "true", "[]", "{}", "\"\"", "\"a\\n\"", "[[1],{}]", &long] {
            texts.push(format!(r#"{{"{field}":{value}}}"#));
            texts.push(format!(r#"{{"{field}":{value},"{field}":{value}}}"#));
        }
    }
    texts.extend(["", "[]", "7", "{", "{}", "{\"a\":}", "nul"].map(str::to_owned));
    // Values that the head skips must be sound as well: the whole is built from them later, when nothing can be
    // refused.
    let digits = "9".repeat(400);
    for value in ["1e999", "-1E+999", "1e-999", "1.5e3", &digits, "\"\\ud800\"", "\"\\ud83d\\ude00\"", "\"\\udc00x\""] {
        texts.push(format!(r#"{{"x":{value}}}"#));
        texts.push(format!(r#"{{"data":{{"x":[{value}]}},"userGroups":[{value}]}}"#));
    }
    let mut texts: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
    texts.push(b"{\"x\":\"\xff\"}".to_vec());
    for text in texts {
        let whole = Request::parse(&text, 1000, "").map(|request| request.head().clone());
        let head = Request::summarize(&text, 1000).map(|summary| summary.head);
        let text = String::from_utf8_lossy(&text);
        assert_eq!(head.map_err(|error| error.to_string()), whole.map_err(|error| error.to_string()), "{text}");
    }
}

/// For any path, the text gives the same value as the request read whole.
#[test]
fn what_is_found_in_the_text_is_what_is_found_in_the_whole() {
    let texts = [
        r#"{"data":{"pool":"a","n":null,"x":{"y":[1,{"z":2}]},"pool":"b"},"user":{"login":"ann","site":"x"}}"#,
        r#"{"data":null,"params":{"start":{"pool":"c"},"me":{"site":"m"}},"userGroups":["g"],"isAdmin":true}"#,
        r#"{"params":{"start":{"pool":7}},"extra":{"a":1.5},"extra":{"a":-2},"data":{"pool":{}}}"#,
        r#"{"data":{"p\u006fol":"escaped"},"userGroups":null,"local":{"serverId":"s"},"action":"a"}"#,
        r#"{"data":{"pool":[]},"data":{"other":1},"user":null,"text":"x","isManager":null}"#,
        "{}",
        "",
    ];
    let ways = [
        "data",
        "data.pool",
        "data.pool.deeper",
        "data.n",
        "data.n.x",
        "data.x.y",
        "data.x.y.z",
        "data.other",
        "user.login",
        "user.site",
        "user",
        "params.start.pool",
        "params.me.site",
        "userGroups",
        "userGroups.0",
        "isAdmin",
        "isManager",
        "extra.a",
        "extra.a.b",
        "local.serverId",
        "action",
        "text.length",
        "missing",
        "missing.x",
        "id",
    ];
    for text in texts {
        let whole = Request::parse(text.as_bytes(), 1000, "here").unwrap();
        for way in ways {
            let names: Vec<_> = way.split('.').map(str::to_owned).collect();
            let deferred = Request::deferred(whole.head().clone(), text.into(), "here".into());
            assert_eq!(deferred.find(&names), whole.find(&names), "{way} of {text}");
        }
    }
}

/// A request with a duplicate field is read whole, so that both ways agree.
#[test]
fn fields_that_nobody_knows_are_named_once_in_order() {
    let many: String = (0..20).map(|number| format!(r#","f{number:02}":0"#)).collect();
    for way in ["", r#","user":null"#, r#","isAdmin":true,"isAdmin":false"#] {
        let text = format!(r#"{{"usr":1,"data":{{"x":1}},"r\u0061ck":2,"usr":3{way}{many}}}"#);
        let strange = Request::summarize(text.as_bytes(), 4000).unwrap().strange;
        assert_eq!(strange, ["usr", "rack", "f00", "f01", "f02", "f03", "f04", "f05"], "{text}");
    }
    assert!(Request::summarize(b"{\"id\":\"q\",\"nodes\":[]}", 100).unwrap().strange.is_empty());
}

#[test]
fn the_node_that_is_asked_about_stands_beside_it() {
    let node = |text: &str| Request::summarize(text.as_bytes(), 1000).unwrap().node;
    assert_eq!(node(r#"{"node":"n1"}"#).as_deref(), Some("n1"));
    assert_eq!((node(r#"{"node":""}"#), node("{}")), (None, None));
}
