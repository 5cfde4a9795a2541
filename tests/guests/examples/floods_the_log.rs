//! Logs more than anybody wants to read, three ways, with what a terminal would take for commands.

use vestibule_sdk::{Api, Event, PostLogin, Result, log};

struct FloodsTheLog;

impl PostLogin for FloodsTheLog {
    fn on_execute_post_login(_: &Event, _: &Api) -> Result {
        println!("on standard output");
        eprintln!("on standard error");
        log::debug("\u{1b}[2Jgone\nforged line");
        for number in 0..1_000 {
            log::info(format_args!("{number}"));
        }
        Ok(())
    }
}

vestibule_sdk::export!(FloodsTheLog);
