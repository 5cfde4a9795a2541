//! The way to PostgreSQL over a network.

use vestibule_sessions::{PostgresSettings, PostgresStore, Registry, Store, StoreError};

use crate::parts::cluster::Cluster;
use crate::parts::logins::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_spoken_to_when_its_certificate_is_one_that_is_trusted() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cluster = Cluster::with_certificate(&certified.cert.pem(), &certified.signing_key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, certified.cert.pem()).unwrap();
    cluster.new_database().await;
    let connect = |host: &str, options: &str| {
        let url = format!("postgres://postgres@{host}:{}/test_0?{options}", cluster.port);
        async move { PostgresStore::connect(&url, PostgresSettings::default()).await }
    };
    let trusts = format!("sslmode=verify-full&sslrootcert={}", authorities.display());

    let store = connect("localhost", &trusts).await.unwrap();
    assert!(commit(&store, login("s1", at(1))).await.is_some());
    let encrypted = "DO $$ BEGIN ASSERT (SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE ssl AND application_name = 'vestibule'); END $$";
    cluster.execute("test_0", encrypted).await;
    store.flow_notice().await;
    let listens = "DO $$ BEGIN ASSERT (SELECT count(*) = 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE ssl AND query = 'LISTEN vestibule_flows'); END $$";
    cluster.execute("test_0", listens).await;
    store.close().await;

    for (host, options) in [("localhost", "sslmode=require"), ("127.0.0.1", trusts.as_str()), ("localhost", "sslmode=prefer")] {
        let error = connect(host, options).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{host} {options}: {error}");
    }
    for options in ["", "sslmode=disable"] {
        let store = connect("localhost", options).await.unwrap();
        assert!(find(&store, "s1", at(2)).await.is_some());
        store.close().await;
    }
}
