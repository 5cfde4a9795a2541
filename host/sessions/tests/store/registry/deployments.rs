//! Deployments: versions are made once, run again, and one of two who have looked at the same is
//! told so.

use tokio::task::JoinSet;
use vestibule_sessions::{
    ActionChange, ActionChanged, ActionUid, Basis, BindingsReplaced, BuildError, BuildStatus, Deployed, Draft, Keeping,
    NewBinding, NewBindings, PolicyRevision, Store, StoredAction, Version, VersionUid,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_all! {
    a_version_is_what_the_draft_was,
    what_is_not_built_is_not_deployed,
    a_draft_that_is_deployed_already_makes_a_new_version,
    whoever_has_looked_at_another_draft_or_version_is_overtaken,
    a_deployment_decided_by_another_name_or_policy_is_overtaken,
    a_rename_or_binding_decided_by_another_policy_is_overtaken,
    of_many_who_deploy_with_one_look_one_does,
    of_many_who_run_versions_again_with_one_look_one_does,
    an_old_version_runs_again_and_can_become_the_draft,
    versions_come_newest_first_in_pages,
    the_oldest_versions_go_and_what_runs_stays,
}

async fn a_version_is_what_the_draft_was(database: &Database) {
    let store = database.open().await;
    let id = create_action(&*store, "first").await.id;
    build(&*store, "acme", &id, "bytes", at(2)).await;
    let deployed = deploy(&*store, "acme", &id, at(5)).await;
    let version = deployed.deployed.clone().unwrap();
    let expected = Version {
        id: version.id,
        number: 1,
        digest: digest_of("bytes"),
        size: 5,
        info: info("bytes"),
        created_at: at(5),
        built_at: at(2),
    };
    assert_eq!(version, expected);
    assert_eq!((deployed.updated_at, deployed.revision), (at(5), 3));
    assert_eq!(action(&*store, &id).await, deployed);
    assert_eq!(store.version(&tenant("acme"), &id, &version.id).await.unwrap(), Some(version.clone()));
    upload(&*store, "acme", &id, "more", at(6)).await;
    assert_eq!(action(&*store, &id).await.deployed, Some(version), "an upload changes nothing of what runs");
}

async fn what_is_not_built_is_not_deployed(database: &Database) {
    let store = database.open().await;
    let (acme, id, digest) = (tenant("acme"), create_action(&*store, "raw").await.id, digest_of("bytes"));
    let ask = async |id: &ActionUid| store.deploy_draft(&acme, id, &digest, None.into(), ALL, at(9)).await.unwrap();
    assert_eq!(ask(&ActionUid::random().unwrap()).await, Deployed::Absent);
    assert_eq!(ask(&id).await, Deployed::NotBuilt, "there is no draft");
    upload(&*store, "acme", &id, "bytes", at(2)).await;
    assert_eq!(ask(&id).await, Deployed::NotBuilt, "it is pending");
    assert!(store.begin_build(&acme, &id, &digest, at(3), at(4)).await.unwrap());
    assert_eq!(ask(&id).await, Deployed::NotBuilt, "it is being built");
    let errors = vec![BuildError { id: "x".into(), message: "y".into() }];
    store.end_build(&acme, &id, &digest, Err(errors), at(4)).await.unwrap();
    assert_eq!(ask(&id).await, Deployed::NotBuilt, "it has failed");
    assert_eq!(store.versions(&acme, &id, 0, 10).await.unwrap().unwrap().total, 0);
    build(&*store, "acme", &id, "bytes", at(5)).await;
    assert!(matches!(ask(&id).await, Deployed::Deployed(_)));
}

async fn a_draft_that_is_deployed_already_makes_a_new_version(database: &Database) {
    let store = database.open().await;
    let first = deployed(&*store, "same").await;
    let second = deploy(&*store, "acme", &first.id, at(9)).await;
    let [one, two] = [first.deployed.unwrap(), second.deployed.unwrap()];
    assert_eq!((one.number, two.number), (1, 2));
    assert_eq!(Version { id: one.id, number: 1, created_at: at(3), ..two }, one);
}

async fn whoever_has_looked_at_another_draft_or_version_is_overtaken(database: &Database) {
    let store = database.open().await;
    let before = deployed(&*store, "looked").await;
    let (acme, id) = (tenant("acme"), before.id);
    let running = before.deployed.as_ref().map(|version| version.id);
    let other = Some(VersionUid::random().unwrap());
    let (mine, another) = (digest_of("the component of looked"), digest_of("another"));
    for (digest, running) in [(&another, running), (&mine, None), (&mine, other)] {
        let answer = store.deploy_draft(&acme, &id, digest, running.into(), ALL, at(9)).await.unwrap();
        assert_eq!(answer, Deployed::Overtaken);
    }
    let version = running.unwrap();
    for running in [None, other] {
        let answer = store.deploy_version(&acme, &id, &version, running.into(), true, at(9)).await.unwrap();
        assert_eq!(answer, Deployed::Overtaken);
    }
    let nobodys = VersionUid::random().unwrap();
    assert_eq!(store.deploy_version(&acme, &id, &nobodys, running.into(), true, at(9)).await.unwrap(), Deployed::Absent);
    let theirs = deployed(&*store, "neighbour").await;
    let of_another = store.deploy_version(&acme, &theirs.id, &version, theirs.deployed.map(|v| v.id).into(), true, at(9)).await;
    assert_eq!(of_another.unwrap(), Deployed::Absent, "a version of another Action");
    let gone = ActionUid::random().unwrap();
    assert_eq!(store.deploy_version(&acme, &gone, &version, running.into(), true, at(9)).await.unwrap(), Deployed::Absent);
    assert_eq!(action(&*store, &id).await, before);
}

/// What a deployment of this Action is decided on now.
async fn basis(store: &dyn Store, looked_at: &StoredAction) -> Basis {
    let running = looked_at.deployed.as_ref().map(|version| version.id);
    Basis { running, action: Some(looked_at.revision), policy: Some(policy(store).await) }
}

async fn policy(store: &dyn Store) -> PolicyRevision {
    PolicyRevision::of(store.policy(&tenant("acme")).await.unwrap().as_ref())
}

async fn a_deployment_decided_by_another_name_or_policy_is_overtaken(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let id = deployed(&*store, "allowed").await.id;
    let version = versions(&*store, &id).await[0].id;
    let digest = digest_of("the component of allowed");
    let draft = async |basis| store.deploy_draft(&acme, &id, &digest, basis, ALL, at(9)).await.unwrap();
    let again = async |basis| store.deploy_version(&acme, &id, &version, basis, false, at(9)).await.unwrap();

    let stale = basis(&*store, &action(&*store, &id).await).await;
    change(&*store, &id, renames("refused")).await;
    assert_eq!((draft(stale).await, again(stale).await), (Deployed::Overtaken, Deployed::Overtaken));

    for body in [Some(map(&[])), Some(map(&[])), None] {
        let stale = basis(&*store, &action(&*store, &id).await).await;
        store.set_policy(&acme, body, at(9)).await.unwrap();
        assert_eq!((draft(stale).await, again(stale).await), (Deployed::Overtaken, Deployed::Overtaken));
    }
    let right = basis(&*store, &action(&*store, &id).await).await;
    assert!(matches!(draft(right).await, Deployed::Deployed(_)));
    let right = basis(&*store, &action(&*store, &id).await).await;
    assert!(matches!(again(right).await, Deployed::Deployed(_)));
}

async fn a_rename_or_binding_decided_by_another_policy_is_overtaken(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let id = deployed(&*store, "first").await.id;
    let rename = async |policy| {
        let change = ActionChange { policy: Some(policy), ..renames("second") };
        store.change_action(&acme, &id, change, None, at(9)).await.unwrap()
    };
    let bind = async |policy| {
        let bindings = vec![NewBinding { action: id, display_name: "first".into() }];
        let new = NewBindings { policy: Some(policy), ..bindings.into() };
        store.replace_bindings(&acme, LOGIN, new, at(9)).await.unwrap()
    };
    let stale = policy(&*store).await;
    store.set_policy(&acme, Some(map(&[])), at(9)).await.unwrap();
    assert_eq!((rename(stale).await, bind(stale).await), (ActionChanged::Overtaken, BindingsReplaced::Overtaken));
    let right = policy(&*store).await;
    assert!(matches!(rename(right).await, ActionChanged::Changed(_)));
    assert_eq!(bind(right).await, BindingsReplaced::Replaced);
}

async fn of_many_who_deploy_with_one_look_one_does(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let id = deployed(&*stores[0], "raced").await.id;
    for round in 2..6 {
        let looked_at = action(&*stores[0], &id).await;
        let (digest, running) = (looked_at.draft.unwrap().digest, looked_at.deployed.map(|version| version.id));
        let mut callers = JoinSet::new();
        for caller in 0..8 {
            let store = stores[caller % 2].clone();
            callers.spawn(
                async move { store.deploy_draft(&tenant("acme"), &id, &digest, running.into(), ALL, at(9)).await.unwrap() },
            );
        }
        count_one_deployed(&callers.join_all().await);
        let numbers: Vec<_> = versions(&*stores[1], &id).await.iter().map(|version| version.number).collect();
        assert_eq!(numbers, (1..=round).rev().collect::<Vec<_>>());
    }
}

async fn of_many_who_run_versions_again_with_one_look_one_does(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let id = deployed(&*stores[0], "raced").await.id;
    for _ in 0..3 {
        deploy(&*stores[0], "acme", &id, at(6)).await;
    }
    let all = versions(&*stores[0], &id).await;
    let running = Some(all[0].id);
    let mut callers = JoinSet::new();
    for caller in 0..9 {
        let (store, version) = (stores[caller % 2].clone(), all[1 + caller % 3].id);
        callers.spawn(async move {
            store.deploy_version(&tenant("acme"), &id, &version, running.into(), false, at(9)).await.unwrap()
        });
    }
    count_one_deployed(&callers.join_all().await);
}

fn count_one_deployed(answers: &[Deployed]) {
    let done = answers.iter().filter(|answer| matches!(answer, Deployed::Deployed(_))).count();
    let overtaken = answers.iter().filter(|answer| **answer == Deployed::Overtaken).count();
    assert_eq!((done, overtaken), (1, answers.len() - 1));
}

async fn an_old_version_runs_again_and_can_become_the_draft(database: &Database) {
    let store = database.open().await;
    let id = create_action(&*store, "back").await.id;
    build(&*store, "acme", &id, "one", at(2)).await;
    let first = deploy(&*store, "acme", &id, at(3)).await.deployed.unwrap();
    build(&*store, "acme", &id, "two", at(4)).await;
    let second: StoredAction = deploy(&*store, "acme", &id, at(5)).await;
    let again = run_again(&*store, &id, &first, false).await;
    let expected =
        StoredAction { deployed: Some(first.clone()), updated_at: at(20), revision: second.revision + 1, ..second.clone() };
    assert_eq!(again, expected, "its number and all else of it are as they were");
    let drafted = run_again(&*store, &id, &first, true).await;
    let draft = Draft {
        digest: digest_of("one"),
        size: 3,
        status: BuildStatus::Built,
        errors: Vec::new(),
        info: Some(info("one")),
        updated_at: at(20),
        built_at: Some(at(2)),
    };
    assert_eq!(drafted.draft, Some(draft));
    let third = deploy(&*store, "acme", &id, at(21)).await.deployed.unwrap();
    assert_eq!((third.number, third.digest), (3, digest_of("one")));
}

async fn versions(store: &dyn Store, id: &ActionUid) -> Vec<Version> {
    store.versions(&tenant("acme"), id, 0, 100).await.unwrap().expect("the Action is there").versions
}

async fn versions_come_newest_first_in_pages(database: &Database) {
    let store = database.open().await;
    let id = deployed(&*store, "many").await.id;
    let other = deployed(&*store, "other").await.id;
    for round in 0..11 {
        deploy(&*store, "acme", &id, at(10 + round)).await;
    }
    let all = versions(&*store, &id).await;
    assert_eq!(all.iter().map(|version| version.number).collect::<Vec<_>>(), (1..=12).rev().collect::<Vec<_>>());
    for take in [1, 5, 12] {
        let mut found = Vec::new();
        while found.len() < all.len() {
            let page = store.versions(&tenant("acme"), &id, found.len(), take).await.unwrap().unwrap();
            assert!(!page.versions.is_empty() && page.versions.len() <= take && page.total == 12);
            found.extend(page.versions);
        }
        assert_eq!(found, all, "in pages of {take}");
    }
    let beyond = store.versions(&tenant("acme"), &id, 12, 5).await.unwrap().unwrap();
    assert_eq!((beyond.versions.len(), beyond.total), (0, 12));
    assert_eq!(store.versions(&tenant("acme"), &ActionUid::random().unwrap(), 0, 5).await.unwrap(), None);
    let none = store.version(&tenant("acme"), &other, &all[0].id).await.unwrap();
    assert_eq!(none, None, "a version is one Action's");
}

async fn the_oldest_versions_go_and_what_runs_stays(database: &Database) {
    let store = database.open().await;
    let (acme, id) = (tenant("acme"), create_action(&*store, "often").await.id);
    let keeping = Keeping { bytes: u64::MAX, versions: 2 };
    let deploy = async |bytes: &str| {
        let running = action(&*store, &id).await.deployed.map(|version| version.id);
        build(&*store, "acme", &id, bytes, at(2)).await;
        match store.deploy_draft(&acme, &id, &digest_of(bytes), running.into(), keeping, at(3)).await.unwrap() {
            Deployed::Deployed(deployed) => deployed.deployed.unwrap(),
            other => panic!("the draft should have been deployed: {other:?}"),
        }
    };
    let first = deploy("first").await;
    deploy("second").await;
    run_again(&*store, &id, &first, false).await;
    // While it runs it is the third newest, and goes with the next deployment.
    let third = deploy("third").await;
    let kept = store.versions(&acme, &id, 0, 10).await.unwrap().unwrap();
    assert_eq!((kept.total, kept.versions.iter().map(|version| version.number).collect::<Vec<_>>()), (2, vec![3, 2]));
    assert_eq!(action(&*store, &id).await.deployed.unwrap(), third);
    assert_eq!(store.version(&acme, &id, &first.id).await.unwrap(), None);
    assert!(!has_component(&*store, "acme", "first").await && has_component(&*store, "acme", "second").await);
    // Its bytes stay where another Action names them.
    let other = create_action(&*store, "other").await.id;
    upload(&*store, "acme", &other, "second", at(4)).await;
    deploy("fourth").await;
    assert!(has_component(&*store, "acme", "second").await && has_component(&*store, "acme", "third").await);
    assert_eq!(deploy("fifth").await.number, 5, "numbers go on");
}
