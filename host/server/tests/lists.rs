//! Lists as Auth0's tools ask for them.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use common::{Running, event, start};
use reqwest::Method;
use serde_json::{Value, json};

impl Running {
    /// A list, with these parameters.
    async fn list(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let (status, answer) = self.answer(self.request(Method::GET, &format!("{path}?{query}"))).await;
        assert_eq!(status, 200, "{path} {parameters:?}: {answer}");
        answer
    }
}

fn members(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn the_log_is_searched_sorted_and_shown_in_part() {
    let running = start().await;
    for number in 1..=3 {
        let mut login = event(&format!("sess_{number}"), &format!("txn_{number}"));
        login["user"]["user_id"] = format!("auth0|{}", number % 2).into();
        running.login(&login).await;
    }
    running.answer(running.request(Method::DELETE, "/api/v2/sessions/sess_2")).await;
    let search = async |q: &str, sort: &str| {
        let parameters = [("q", q), ("sort", sort), ("page", "0"), ("per_page", "100")];
        members(&running.list("/api/v2/logs", &parameters).await, "session_id")
    };
    assert_eq!(search("type:s", "date:1").await, ["sess_1", "sess_2", "sess_3"]);
    assert_eq!(search("type:s AND user_id:\"auth0|1\"", "date:-1").await, ["sess_3", "sess_1"]);
    assert_eq!(search("type:slo", "date:-1").await, ["sess_2"]);
    assert_eq!(search("type:f", "date:-1").await, [""; 0]);
    assert_eq!(search("type:fp", "").await, [""; 0], "a type that only Auth0 has");
    assert_eq!(search("session_id:sess_2 AND date:[2026-01-01 TO *]", "date:1").await, ["sess_2", "sess_2"]);
    assert_eq!(search("date:[* TO 2026-01-01]", "").await, [""; 0]);

    let all = running.list("/api/v2/logs", &[("from", ""), ("take", "100"), ("page", "0"), ("per_page", "50")]).await;
    assert_eq!(members(&all, "type"), ["s", "s", "s", "slo"]);
    let third = all[2]["log_id"].as_str().unwrap();
    let tail = running.list("/api/v2/logs", &[("q", &format!("log_id:[{third} TO *]")), ("sort", "date:-1")]).await;
    assert_eq!(members(&tail, "type"), ["slo", "s"]);

    let some = running.list("/api/v2/logs", &[("fields", "type,date"), ("q", "type:slo")]).await;
    assert_eq!(some[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["date", "type"]);
    let rest = running
        .list("/api/v2/logs", &[("fields", "date"), ("include_fields", "false"), ("q", "type:slo"), ("include_totals", "true")])
        .await;
    assert!(rest["logs"][0]["date"].is_null() && rest["logs"][0]["type"] == "slo", "{rest}");
    assert_eq!((&rest["start"], &rest["length"]), (&json!(0), &json!(1)));
    running.stop().await;
}

#[tokio::test]
async fn clients_are_listed_as_tools_ask_for_them() {
    let running = start().await;
    let new = json!({ "name": "Shop", "client_id": "shop", "callbacks": ["https://shop.example/"], "jwt_configuration": { "alg": "RS256" } });
    let (status, _) = running.answer(running.request(Method::POST, "/api/v2/clients").json(&new)).await;
    assert_eq!(status, 201);
    let everything = [("is_global", "false"), ("include_totals", "true"), ("page", "0"), ("per_page", "100")];
    let list = running.list("/api/v2/clients", &everything).await;
    assert!(members(&list["clients"], "client_id").contains(&"shop".to_owned()), "{list}");
    let shop = running.list("/api/v2/clients/shop", &[("fields", "callbacks,jwt_configuration")]).await;
    assert_eq!(shop, json!({ "callbacks": ["https://shop.example/"] }), "what is of no use here is not stored");
    running.stop().await;
}
