//! The client before collectors that take, refuse, break off and talk too much.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Sends a body to a collector that answers `answer` to one request and closes; also returns what came there.
async fn sent(answer: Vec<u8>) -> (Result<i64, CollectorError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let collector = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut came, mut part) = (Vec::new(), [0; 4096]);
        while !came.ends_with(b"spans") {
            let count = stream.read(&mut part).await.unwrap();
            came.extend_from_slice(&part[..count]);
        }
        // The client may have had enough.
        let _broken = stream.write_all(&answer).await;
        String::from_utf8(came).unwrap()
    };
    let client = CollectorClient::new(CollectorUrl::parse(&format!("http://{address}")).unwrap());
    tokio::join!(client.send(b"spans"), collector)
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

#[tokio::test]
async fn a_batch_is_a_post_of_protobuf() {
    let (result, came) = sent(answer("200 OK", b"")).await;
    assert_eq!(result.unwrap(), 0);
    let head = came.to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{came}");
    assert!(
        head.contains("\r\ncontent-type: application/x-protobuf\r\n") && head.contains("\r\nhost: 127.0.0.1:"),
        "{came}"
    );
}

#[tokio::test]
async fn spans_that_are_rejected_are_told() {
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".to_owned() });
    let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    assert_eq!(sent(answer("200 OK", &body)).await.0.unwrap(), 3);
    assert_eq!(sent(answer("202 Accepted", b"\xff\xff no protobuf")).await.0.unwrap(), 0, "it has taken them");
}

#[tokio::test]
async fn whatever_else_a_collector_does_is_an_error_that_says_what() {
    for (answer, words) in [
        (answer("503 Service Unavailable", b"full\x1b[31m"), "it answers 503 Service Unavailable: full\\u{1b}[31m"),
        (answer("404 Not Found", &[b'x'; 5000]), "it answers 404 Not Found: xxx"),
        (b"what?\r\n\r\n".to_vec(), "invalid"),
        (Vec::new(), "connection"),
        (answer("200 OK", &vec![b'x'; MAX_ANSWER + 1]), "the answer: "),
    ] {
        let message = sent(answer).await.0.unwrap_err().to_string();
        assert!(message.contains(words) && message.len() < 400, "{words}: {message}");
    }
    let nobody = CollectorClient::new(CollectorUrl::parse("http://127.0.0.1:1").unwrap());
    let message = nobody.send(b"").await.unwrap_err().to_string();
    assert!(message.starts_with("cannot connect: "), "{message}");
}
