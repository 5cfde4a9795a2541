//! Wants to open a connection.

use std::io::Read;
use std::net::TcpStream;

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct OpensASocket;

impl PostLogin for OpensASocket {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        let mut answer = String::new();
        TcpStream::connect("127.0.0.1:80")?.read_to_string(&mut answer)?;
        api.access().deny(&answer)?;
        Ok(())
    }
}

vestibule_sdk::export!(OpensASocket);
