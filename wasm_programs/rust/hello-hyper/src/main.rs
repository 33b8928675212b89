//! hello-hyper: a server on hyper, without a framework; with UPSTREAM a proxy to another program of the cell, by its name.
//!
//! ```text
//! hello-hyper [PORT [UPSTREAM]]        default 8080; UPSTREAM is NAME:PORT
//!
//! every request        the method and the path, and for how many requests this connection was used
//! with UPSTREAM        what the upstream answers to the same method and path
//! ```

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use replicode_guest::tokio::{TcpListener, TcpStream};
use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;

type Answer = Response<Full<Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().map_or(Ok(8080), |port| port.parse())?;
    let upstream: Option<Rc<str>> = args.next().map(Rc::from);
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    // There is one thread, and what stays on it need not be sent to another.
    tokio::task::LocalSet::new()
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::task::spawn_local(serve(TokioIo::new(stream), upstream.clone()));
            }
        })
        .await
}

async fn serve(stream: TokioIo<tokio::net::TcpStream>, upstream: Option<Rc<str>>) {
    let requests = Cell::new(0);
    let service = service_fn(|request: Request<Incoming>| {
        requests.set(requests.get() + 1);
        let (number, upstream) = (requests.get(), upstream.clone());
        async move {
            Ok::<_, Infallible>(match upstream {
                None => Response::new(Full::from(format!("{number}: {} {}\n", request.method(), request.uri()))),
                Some(upstream) => forward(request, &upstream).await.unwrap_or_else(|error| refuse(&*error)),
            })
        }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await {
        eprintln!("hello-hyper: a connection ended: {error}");
    }
}

async fn forward(request: Request<Incoming>, upstream: &str) -> Result<Answer, Box<dyn Error>> {
    let stream = TcpStream::connect(upstream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::task::spawn_local(connection);
    let asked = Request::builder().method(request.method()).uri(request.uri()).header("host", upstream);
    let answer = sender.send_request(asked.body(request.into_body())?).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    Ok(Response::builder().status(head.status).body(Full::from(body))?)
}

fn refuse(error: &dyn Error) -> Answer {
    let mut answer = Response::new(Full::from(format!("{error}\n")));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
