//! A network that loses the first answer to a login.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Forwards to a server, but for the first answer to a login, with which the connection ends.
/// Returns its URL and whether one was lost.
pub(crate) async fn in_front_of(origin: &str) -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let server = origin.strip_prefix("http://").unwrap().replace("localhost", "127.0.0.1");
    let lost = Arc::new(AtomicBool::new(false));
    let has_lost = Arc::clone(&lost);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(client, server.clone(), Arc::clone(&has_lost)));
        }
    });
    (url, lost)
}

async fn forward(mut client: TcpStream, server: String, lost: Arc<AtomicBool>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut of_client, mut of_server) = ([0; 65_536], [0; 65_536]);
    let mut loses = false;
    loop {
        tokio::select! {
            read = client.read(&mut of_client) => {
                let sent = &of_client[..read?];
                let is_login = sent.windows(19).any(|bytes| bytes == b"POST /v1/post-login");
                loses |= is_login && !lost.load(Ordering::Relaxed);
                if sent.is_empty() {
                    return Ok(());
                }
                server.write_all(sent).await?;
            }
            read = server.read(&mut of_server) => {
                let sent = &of_server[..read?];
                if sent.is_empty() {
                    return Ok(());
                }
                if loses {
                    lost.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                client.write_all(sent).await?;
            }
        }
    }
}
