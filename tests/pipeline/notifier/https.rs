//! Real HTTPS on loopback: receivers that answer, redirect, break off, never end, or have a certificate of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use notifier::receiver::{Answer, HttpsReceiver, NoAnswer, Receiver};
use notifier::request::Request;
use notifier::target::{Guard, Target};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A server of one connection that says this and hangs up. Returns its address, its certificate, and the request that it got.
struct Server {
    address: SocketAddr,
    certificate: String,
    request: tokio::task::JoinHandle<String>,
}

fn acceptor() -> (TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

async fn server(answer: Vec<u8>) -> Server {
    let (acceptor, certificate) = acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let request = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
        let mut request = vec![0; 4_096];
        let length = stream.read(&mut request).await.unwrap_or(0);
        // The other side may have hung up.
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    Server { address, certificate, request }
}

fn request(address: SocketAddr) -> Request {
    let target = Target::parse(&format!("https://localhost:{}/hook?token=secret", address.port()), Guard::Off).unwrap();
    let headers = vec![("content-type", "application/json".to_owned()), ("webhook-id", "id".to_owned())];
    Request { target, headers, body: r#"{"a":1}"#.to_owned() }
}

/// A server that takes a request, says this and then nothing, without hanging up.
async fn mute(answer: &'static [u8]) -> Server {
    let (acceptor, certificate) = acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let request = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut request = vec![0; 4_096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(answer).await.unwrap();
        std::future::pending().await
    });
    Server { address, certificate, request }
}

async fn post(answer: &[u8]) -> (Result<Answer, NoAnswer>, String) {
    let server = server(answer.to_vec()).await;
    let receiver = HttpsReceiver::trusting(Guard::Off, server.certificate.as_bytes());
    let answered = receiver.post(&request(server.address)).await;
    (answered, server.request.await.unwrap())
}

#[tokio::test]
async fn a_request_arrives_whole_and_its_status_comes_back() {
    let (answered, request) = post(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(answered, Ok(Answer { status: 200, retry_after_seconds: None }));
    assert!(request.starts_with("POST /hook?token=secret HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("webhook-id: id\r\n") && request.ends_with(r#"{"a":1}"#), "{request}");
    let (answered, _) = post(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(answered, Ok(Answer { status: 429, retry_after_seconds: Some(7) }));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (answered, _) =
        post(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(answered, Ok(Answer { status: 307, retry_after_seconds: None }));
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_no_answer() {
    assert_eq!(post(b"").await.0, Err(NoAnswer));
    assert_eq!(post(b"HTTP/1.1 200").await.0, Err(NoAnswer));
    assert_eq!(post(b"not HTTP at all\r\n\r\n").await.0, Err(NoAnswer));
}

#[tokio::test]
async fn of_an_answer_without_end_a_bounded_part_is_read() {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..1_000 {
        answer.extend_from_slice(b"400\r\n");
        answer.extend_from_slice(&[b'x'; 0x400]);
        answer.extend_from_slice(b"\r\n");
    }
    assert_eq!(post(&answer).await.0, Ok(Answer { status: 200, retry_after_seconds: None }));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_no_answer() {
    let (known, other) = (server(Vec::new()).await, server(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await);
    let receiver = HttpsReceiver::trusting(Guard::Off, known.certificate.as_bytes());
    assert_eq!(receiver.post(&request(other.address)).await, Err(NoAnswer));
    assert_eq!(other.request.await.unwrap(), "");
}

#[tokio::test]
async fn the_guard_never_connects_to_this_machine() {
    let server = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let receiver = HttpsReceiver::trusting(Guard::On, server.certificate.as_bytes());
    assert_eq!(receiver.post(&request(server.address)).await, Err(NoAnswer));
    assert!(!server.request.is_finished());
    server.request.abort();
}

#[tokio::test]
async fn a_receiver_that_says_nothing_is_given_up_after_the_time_of_a_request() {
    let server = mute(b"").await;
    let receiver = HttpsReceiver::trusting(Guard::Off, server.certificate.as_bytes());
    let receiver = receiver.with_timeout(Duration::from_millis(300));
    assert_eq!(receiver.post(&request(server.address)).await, Err(NoAnswer));
    server.request.abort();
}

#[tokio::test]
async fn a_status_counts_whatever_becomes_of_the_rest_of_the_answer() {
    let server = mute(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok").await;
    let receiver = HttpsReceiver::trusting(Guard::Off, server.certificate.as_bytes());
    assert_eq!(receiver.post(&request(server.address)).await, Ok(Answer { status: 200, retry_after_seconds: None }));
    server.request.abort();
}
