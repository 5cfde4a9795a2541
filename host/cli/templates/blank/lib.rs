use vestibule_sdk::{Api, Event, PostLogin, Result};

struct {{Name}};

impl PostLogin for {{Name}} {
    fn on_execute_post_login(_event: &Event, _api: &Api) -> Result {
        Ok(())
    }
}

vestibule_sdk::export!({{Name}});

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::testing::Login;

    #[test]
    fn a_login_is_allowed() {
        let outcome = Login::new().run::<{{Name}}>();
        assert!(outcome.is_allowed());
    }
}
