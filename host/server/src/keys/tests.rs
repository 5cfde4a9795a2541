use super::*;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::time::Instant;

/// Made by `openssl ecparam -name prime256v1 -genkey`, for this test.
const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----\n\
     MHcCAQEEIN9a0m42+Xlmk5M8cPzSinqxscQvCZ0J31Tg9ur0qZOeoAoGCCqGSM49\n\
     AwEHoUQDQgAExuUdlWVG2mNOsPmh5upR78wEro7kb1VPIrjWHdJ6TcPKrkITK5dw\n\
     s2L4jpa/AcReEOdwSINZZt2VRrwlUCeBnA==\n\
     -----END EC PRIVATE KEY-----\n";
/// Of another curve.
const SEC1_P384: &str = "-----BEGIN EC PRIVATE KEY-----\n\
     MIGkAgEBBDAYCMJ0Uch4cxNF3BGRpYHwQaN9ufg4PJnk/iFR5D/Az4yMTXeed/1K\n\
     7QiK1qonTZegBwYFK4EEACKhZANiAASnkaACmyCDwh7kl8Yj8TkUT90thHtE5VOo\n\
     waDUyf91XSK2QOVewMQQpsk1KC6Bb3GMco6Yr1mgcatCwtUjfHbeCqEYJl8SRTYD\n\
     jc3aQw1MyGz9DsmN7IleA29uqqPtgCs=\n\
     -----END EC PRIVATE KEY-----\n";

fn folder() -> (tempfile::TempDir, Dir) {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    (folder, dir)
}

fn ring(dir: &Dir, tenant: &str, hours: u64) -> Result<KeyRing, KeyError> {
    KeyRing::kept_in(dir, &tenant.parse().unwrap(), Purpose::Logout, SigningAlgorithm::Rs256, at(hours))
}

fn signing(ring: &KeyRing, hours: u64) -> String {
    ring.signing(at(hours)).expect("one signs").id.clone()
}

fn refresh(ring: &KeyRing, hours: u64) -> Result<bool, KeyError> {
    ring.refresh(at(hours), Instant::now())
}

/// When a folder that could not be read is read again.
fn refresh_later(ring: &KeyRing, hours: u64) -> Result<bool, KeyError> {
    ring.refresh(at(hours), Instant::now() + Duration::from_secs(10))
}

fn at(hours: u64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + hours * 3_600_000)
}

#[test]
fn a_key_is_made_once_and_kept_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, dir) = folder();
    let first = signing(&ring(&dir, "acme", 0).unwrap(), 0);
    assert_eq!(signing(&ring(&dir, "acme", 1).unwrap(), 1), first);
    assert_ne!(signing(&ring(&dir, "globex", 1).unwrap(), 1), first);
    let file = folder.path().join("acme.logout/first.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(ring(&dir, "acme", 1), Err(KeyError::Open { mode: 0o644, .. })));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, b"no key").unwrap();
    assert!(matches!(ring(&dir, "acme", 1), Err(KeyError::File { .. })));
}

#[test]
fn a_new_key_is_served_before_it_signs_and_the_one_before_until_no_token_of_it_can_live() {
    let (_folder, dir) = folder();
    let running = ring(&dir, "acme", 0).unwrap();
    let first = signing(&running, 0);
    let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
    assert!(!refresh(&running, 10).unwrap(), "nothing has changed");
    let second = keys.rotate(SigningAlgorithm::Es256, Begin::WhenKnown, at(10)).unwrap().id;
    assert_eq!(signing(&running, 10), first, "it has not been read");
    assert!(refresh(&running, 10).unwrap());
    assert_eq!((signing(&running, 10), running.public().len()), (first.clone(), 2), "it is served, and does not sign yet");
    assert_eq!(signing(&running, 11), second, "a server that runs on changes over by the clock");
    let listed = |hours| keys.list(at(hours)).unwrap().into_iter().map(|key| (key.id, key.served_until)).collect::<Vec<_>>();
    let until = at(58).plus(LEAD);
    assert_eq!(listed(10), [(second.clone(), None), (first.clone(), None)]);
    assert_eq!(listed(11), [(second.clone(), None), (first.clone(), Some(until))]);
    assert!(!refresh(&running, 58).unwrap() && running.find(&first).is_some());
    assert!(refresh(&running, 59).unwrap(), "its time is over");
    assert_eq!((running.find(&first).is_none(), running.public().len()), (true, 1));
}

#[test]
fn a_key_that_is_not_to_be_trusted_any_more_signs_no_longer_at_once() {
    let (_folder, dir) = folder();
    let first = signing(&ring(&dir, "acme", 0).unwrap(), 0);
    let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
    let second = keys.rotate(SigningAlgorithm::Rs256, Begin::AtOnce, at(1)).unwrap().id;
    assert_ne!(first, second);
    assert_eq!(signing(&ring(&dir, "acme", 1).unwrap(), 1), second);
}

#[test]
fn access_keys_before_one_that_signs_at_once_are_served_no_more() {
    let (_folder, dir) = folder();
    let tenant = "acme".parse().unwrap();
    let keys = |purpose| KeyFolder::of(&dir, &tenant, purpose).unwrap();
    for (purpose, expected) in [(Purpose::Access, 1), (Purpose::Logout, 2)] {
        let running = KeyRing::kept_in(&dir, &tenant, purpose, SigningAlgorithm::Es256, at(0)).unwrap();
        let second = keys(purpose).rotate(SigningAlgorithm::Es256, Begin::AtOnce, at(1)).unwrap().id;
        assert!(refresh(&running, 1).unwrap());
        assert_eq!((signing(&running, 1), running.public().len()), (second, expected), "{purpose:?}");
        assert_eq!(keys(purpose).list(at(1)).unwrap().len(), expected);
    }
}

#[test]
fn revoked_key_is_gone_and_is_not_taken_in_again() {
    let (folder, dir) = folder();
    let running = ring(&dir, "acme", 0).unwrap();
    let first = signing(&running, 0);
    let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    keys.import(&pem, Some("imported".into()), at(1)).unwrap();
    assert!(refresh(&running, 1).unwrap());
    let generation = running.generation();

    assert_eq!(keys.revoke(&first, SigningAlgorithm::Rs256, at(2)).unwrap().made, None, "it doesn't sign");
    assert!(refresh(&running, 2).unwrap() && running.generation() > generation);
    assert_eq!((running.find(&first).is_none(), signing(&running, 2).as_str()), (true, "imported"));

    let made = keys.revoke("imported", SigningAlgorithm::Rs256, at(3)).unwrap().made.expect("another key signs").id;
    assert!(refresh(&running, 3).unwrap());
    assert_eq!((signing(&running, 3), running.public().len()), (made, 1));
    for id in [Some("imported".to_owned()), Some("renamed".to_owned()), None] {
        assert!(matches!(keys.import(&pem, id, at(4)), Err(KeyError::Revoked { .. })), "it is the same key");
    }
    assert!(matches!(keys.revoke("imported", SigningAlgorithm::Rs256, at(4)), Err(KeyError::Unknown { .. })));
    let kept = std::fs::read_dir(folder.path().join("acme.logout")).unwrap();
    let texts: Vec<_> = kept.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert_eq!(texts.iter().filter(|text| text.contains("PRIVATE KEY")).count(), 1, "no revoked key is kept");
}

#[test]
fn revoked_key_counts_no_more_where_the_folder_cannot_be_read() {
    let (folder, dir) = folder();
    let running = ring(&dir, "acme", 0).unwrap();
    let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
    let second = keys.rotate(SigningAlgorithm::Es256, Begin::AtOnce, at(1)).unwrap().id;
    assert!(refresh(&running, 1).unwrap());
    keys.revoke(&second, SigningAlgorithm::Es256, at(2)).unwrap();
    std::fs::write(folder.path().join("acme.logout/broken.json"), "no key").unwrap();
    assert!(refresh(&running, 2).is_err() && running.is_behind());
    assert!(running.find(&second).is_none() && running.public().len() == 1);
    assert_ne!(signing(&running, 2), second, "it doesn't sign, either");
    let _ = refresh(&running, 2);
    assert!(running.is_behind(), "until the folder was read");
    std::fs::remove_file(folder.path().join("acme.logout/broken.json")).unwrap();
    assert!(refresh_later(&running, 2).unwrap() && !running.is_behind());
}

#[test]
fn nothing_is_signed_by_a_revoked_key_though_it_was_the_only_one() {
    let (folder, dir) = folder();
    let running = ring(&dir, "acme", 0).unwrap();
    let first = signing(&running, 0);
    let keys = logout(&dir);
    keys.revoke(&first, SigningAlgorithm::Es256, at(1)).unwrap();
    let broken = folder.path().join("acme.logout/broken.json");
    std::fs::write(&broken, "no key").unwrap();
    assert!(refresh(&running, 1).is_err());
    assert!(running.signing(at(1)).is_none() && running.find(&first).is_none() && running.public().is_empty());
    std::fs::remove_file(broken).unwrap();
    assert!(refresh_later(&running, 1).unwrap());
    assert_ne!(signing(&running, 1), first);
}

/// The files of a folder of keys, so that a copy of them can be put back.
fn files(folder: &tempfile::TempDir, name: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder.path().join(name)).unwrap().map(|file| file.unwrap().path());
    files.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// Puts back files that have gone, and says how many these are.
fn put_back(files: &[(std::path::PathBuf, Vec<u8>)]) -> usize {
    use std::os::unix::fs::OpenOptionsExt as _;
    let gone = files.iter().filter(|(file, _)| !file.exists());
    let write = |(file, text): &(std::path::PathBuf, Vec<u8>)| {
        let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        std::io::Write::write_all(&mut open.unwrap(), text).unwrap();
    };
    gone.map(write).count()
}

fn logout(dir: &Dir) -> KeyFolder {
    KeyFolder::of(dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap()
}

/// The ids of the keys that count.
fn listed(keys: &KeyFolder, hours: u64) -> Vec<String> {
    keys.list(at(hours)).unwrap().into_iter().map(|key| key.id).collect()
}

#[test]
fn revoking_a_key_brings_back_none_that_it_has_withdrawn() {
    let (folder, dir) = folder();
    let tenant = "acme".parse().unwrap();
    let running = KeyRing::kept_in(&dir, &tenant, Purpose::Access, SigningAlgorithm::Es256, at(0)).unwrap();
    let first = signing(&running, 0);
    let leaked = files(&folder, "acme.access");
    let keys = KeyFolder::of(&dir, &tenant, Purpose::Access).unwrap();
    let second = keys.rotate(SigningAlgorithm::Es256, Begin::AtOnce, at(1)).unwrap().id;
    assert_eq!(put_back(&leaked), 1, "the file of a key whose time is over is gone");
    let third = keys.revoke(&second, SigningAlgorithm::Es256, at(2)).unwrap().made.expect("the revoked key signed").id;
    for (hours, what) in [(2, "its file is gone again"), (3, "and one that comes back counts for nothing")] {
        assert!(refresh(&running, hours).unwrap());
        let found = [&first, &second, &third].map(|id| running.find(id).is_some());
        assert_eq!(found, [false, false, true], "{what}");
        assert_eq!((signing(&running, hours), running.public().len()), (third.clone(), 1), "{what}");
        assert_eq!(listed(&keys, hours), std::slice::from_ref(&third), "{what}");
        put_back(&leaked);
    }
    let started = KeyRing::kept_in(&dir, &tenant, Purpose::Access, SigningAlgorithm::Es256, at(3)).unwrap();
    assert!(started.find(&first).is_none(), "nor at the next start");
}

#[test]
fn revoking_a_key_brings_back_none_whose_time_was_over() {
    let (folder, dir) = folder();
    let running = ring(&dir, "acme", 0).unwrap();
    let first = signing(&running, 0);
    let before = files(&folder, "acme.logout");
    let keys = logout(&dir);
    let second = keys.rotate(SigningAlgorithm::Es256, Begin::WhenKnown, at(10)).unwrap().id;
    // Its overlap is over after 48 hours and a quarter.
    let third = keys.revoke(&second, SigningAlgorithm::Es256, at(60)).unwrap().made.expect("the revoked key signed").id;
    for gone in [1, 0] {
        assert!(refresh(&running, 60).unwrap());
        assert!(running.find(&first).is_none() && running.find(&second).is_none());
        assert_eq!(listed(&keys, 60), std::slice::from_ref(&third));
        assert_eq!(put_back(&before), gone, "its file is gone, and one that comes back counts for nothing");
    }
}

#[test]
fn the_overlap_of_a_key_that_is_revoked_goes_on_for_the_one_before() {
    let (_folder, dir) = folder();
    let running = ring(&dir, "acme", 0).unwrap();
    let first = signing(&running, 0);
    let keys = logout(&dir);
    let second = keys.rotate(SigningAlgorithm::Es256, Begin::WhenKnown, at(10)).unwrap().id;
    let third = keys.revoke(&second, SigningAlgorithm::Es256, at(20)).unwrap().made.expect("the revoked key signed").id;
    let until = |hours| keys.list(at(hours)).unwrap().into_iter().map(|key| (key.id, key.served_until)).collect::<Vec<_>>();
    assert_eq!(until(58), [(third.clone(), None), (first.clone(), Some(at(58).plus(LEAD)))]);
    assert_eq!(until(59), [(third, None)], "and not for longer");
}

#[test]
fn a_key_that_is_revoked_before_it_signs_ends_no_other() {
    let (_folder, dir) = folder();
    let running = ring(&dir, "acme", 0).unwrap();
    let first = signing(&running, 0);
    let keys = logout(&dir);
    let second = keys.rotate(SigningAlgorithm::Es256, Begin::WhenKnown, at(10)).unwrap().id;
    assert_eq!(keys.revoke(&second, SigningAlgorithm::Es256, at(10)).unwrap().made, None);
    assert!(refresh(&running, 100).unwrap());
    assert_eq!((signing(&running, 100), listed(&keys, 100)), (first.clone(), vec![first]));
}

#[test]
fn a_key_that_is_taken_in_again_brings_back_none_that_it_has_ended() {
    let (folder, dir) = folder();
    let first = signing(&ring(&dir, "acme", 0).unwrap(), 0);
    let before = files(&folder, "acme.logout");
    let keys = logout(&dir);
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    keys.import(&pem, Some("platform".into()), at(1)).unwrap();
    assert_eq!(listed(&keys, 2), ["platform".to_owned(), first]);
    keys.import(&pem, Some("platform".into()), at(100)).unwrap();
    put_back(&before);
    assert_eq!(listed(&keys, 100), ["platform"]);
}

#[test]
fn keys_are_in_the_order_in_which_they_came_though_a_clock_is_behind() {
    let (_folder, dir) = folder();
    let tenant = "acme".parse().unwrap();
    let running = KeyRing::kept_in(&dir, &tenant, Purpose::Access, SigningAlgorithm::Es256, at(0)).unwrap();
    let first = signing(&running, 0);
    let keys = KeyFolder::of(&dir, &tenant, Purpose::Access).unwrap();
    let second = keys.rotate(SigningAlgorithm::Es256, Begin::AtOnce, at(5)).unwrap().id;
    // On another server.
    let third = keys.revoke(&second, SigningAlgorithm::Es256, at(4)).unwrap().made.expect("the revoked key signs").id;
    assert!(refresh(&running, 5).unwrap());
    assert!(running.find(&first).is_none(), "it was withdrawn");
    assert_eq!((signing(&running, 5), listed(&keys, 5)), (third.clone(), vec![third]));
}

#[test]
fn a_time_that_was_wrong_for_a_moment_does_not_put_off_the_next_look_at_a_folder() {
    let (folder, dir) = folder();
    let running = ring(&dir, "acme", 0).unwrap();
    let keys = logout(&dir);
    // A file system that keeps times by the day.
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
    let touch = || std::fs::File::open(folder.path().join("acme.logout")).unwrap().set_modified(hour_ago).unwrap();
    let start = Instant::now();
    touch();
    let after = |seconds| start + Duration::from_secs(seconds);
    assert!(!running.refresh(at(24), after(0)).unwrap(), "nothing has changed, and it is tomorrow for a moment");
    let second = keys.rotate(SigningAlgorithm::Es256, Begin::AtOnce, at(1)).unwrap().id;
    touch();
    assert!(!running.refresh(at(1), after(1)).unwrap(), "the folder is looked at later");
    assert!(running.refresh(at(1), after(61)).unwrap());
    assert_eq!(signing(&running, 1), second);
}

#[test]
fn an_id_names_one_key_and_one_that_is_taken_in_again_is_there_once() {
    let (_folder, dir) = folder();
    let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
    let pem = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let (one, other) = (pem(), pem());
    keys.import(&one, Some("platform".into()), at(0)).unwrap();
    keys.import(&other, None, at(1)).unwrap();
    assert!(matches!(keys.import(&other, Some("platform".into()), at(2)), Err(KeyError::Taken { .. })));
    keys.import(&one, Some("platform".into()), at(3)).unwrap();
    let ring = ring(&dir, "acme", 3).unwrap();
    assert_eq!((signing(&ring, 3).as_str(), ring.public().len()), ("platform", 2));
}

#[test]
fn a_key_that_a_platform_has_already_is_imported_under_its_own_id() {
    let (_folder, dir) = folder();
    let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let info = keys.import(&pem, Some("of the platform".into()), at(0)).unwrap();
    assert_eq!((info.id.as_str(), info.algorithm), ("of the platform", SigningAlgorithm::Es256));
    let unnamed = keys.import(&pem, None, at(1)).unwrap();
    assert_eq!(unnamed.id.len(), 43, "its thumbprint");
    let ring = ring(&dir, "acme", 2).unwrap();
    assert_eq!((signing(&ring, 2), ring.public().len()), (unnamed.id, 2));
    // The same key, as `openssl ecparam -genkey` writes it.
    let sec1 = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n".to_owned() + SEC1;
    let info = keys.import(&sec1, Some("sec1".into()), at(2)).unwrap();
    assert_eq!((info.id.as_str(), info.algorithm), ("sec1", SigningAlgorithm::Es256));
    for wrong in [SEC1_P384, "", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        assert!(matches!(keys.import(wrong, None, at(3)), Err(KeyError::Import { .. })), "{wrong:?}");
    }
    let curve = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    assert!(matches!(keys.import(&curve, None, at(3)), Err(KeyError::Import { .. })));
}
