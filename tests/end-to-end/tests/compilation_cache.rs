//! Compiled code is loaded from the cache only where this host has written it, for this tenant,
//! component and engine.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vestibule::compile::Compiler;
use vestibule::load::{CacheFault, CacheKey, CompilationCache, Loader, Source};
use vestibule::model::TenantId;
use vestibule::{Binding, Config, Runtime};
use vestibule_test_artifacts::{ORGANIZATION_GATE as OTHER_ACTION, ORGANIZATION_SESSION_METADATA as ACTION};
use vestibule_tests::{comparable, example_event, host_limits, load, run, runtime};

const KEY: [u8; 32] = [7; 32];

fn cache(folder: &Path, key: [u8; 32]) -> CompilationCache {
    CompilationCache::new(Dir::open_ambient_dir(folder, ambient_authority()).unwrap(), CacheKey::from_bytes(key))
}

fn loader_of(runtime: Runtime, folder: &Path, key: [u8; 32]) -> Loader {
    let compiler = Compiler::new(env!("CARGO_BIN_EXE_compile-worker"), []);
    runtime.loader().compiler(compiler).cache(cache(folder, key))
}

fn loader(folder: &Path) -> Loader {
    loader_of(runtime(), folder, KEY)
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// Where the action comes from, and what was wrong.
fn loaded(loader: &Loader, tenant: &str) -> (Source, Vec<CacheFault>) {
    let loaded = loader.load(&self::tenant(tenant), "guest", ACTION).expect("it is an Action");
    assert_eq!(loaded.action.id().name(), "organization-session-metadata");
    (loaded.from, loaded.faults)
}

/// All files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The one file that loading for this tenant writes, and its bytes.
fn written(folder: &Path, tenant: &str) -> (PathBuf, Vec<u8>) {
    let before = files(folder);
    assert_eq!(loaded(&loader(folder), tenant), (Source::Compiled, vec![]));
    let new: Vec<PathBuf> = files(folder).into_iter().filter(|file| !before.contains(file)).collect();
    let [file] = &new[..] else { panic!("one file should have been written: {new:?}") };
    (file.clone(), std::fs::read(file).unwrap())
}

/// Puts something else into the place of a cached file: it is reported and not loaded, and then all
/// is as before.
fn assert_is_not_loaded(attack: impl FnOnce(&Path, &Path, &[u8])) -> CacheFault {
    let folder = tempfile::tempdir().unwrap();
    let (file, bytes) = written(folder.path(), "acme");
    attack(folder.path(), &file, &bytes);
    let (from, faults) = loaded(&loader(folder.path()), "acme");
    assert_eq!(from, Source::Compiled);
    let [fault] = &faults[..] else { panic!("one fault should have been told: {faults:?}") };
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(fault.to_string().starts_with(name), "{fault}");
    assert_eq!(loaded(&loader(folder.path()), "acme"), (Source::Cached, vec![]));
    assert!(file.symlink_metadata().unwrap().is_file());
    assert!(!files(folder.path()).iter().any(|file| file.extension().is_some_and(|extension| extension == "new")));
    fault.clone()
}

#[tokio::test]
async fn a_cached_action_runs_as_a_compiled_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = written(folder.path(), "acme");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let runtime = runtime();
    let cached = loader_of(runtime.clone(), folder.path(), KEY).load(&tenant("acme"), "guest", ACTION).unwrap();
    assert_eq!(cached.from, Source::Cached);
    let compiled = load(&runtime, ACTION);
    assert_eq!((cached.action.id(), cached.action.capabilities()), (compiled.id(), compiled.capabilities()));
    let cached = run(&runtime, vec![Binding::new(cached.action)], example_event("organization-login")).await;
    let compiled = run(&runtime, vec![Binding::new(compiled)], example_event("organization-login")).await;
    assert!(compiled.is_allowed() && compiled.session.metadata.len() == 3, "{compiled:?}");
    assert_eq!(comparable(&cached), comparable(&compiled));
}

#[test]
fn each_tenant_component_and_engine_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), "acme");
    written(folder.path(), "initech");
    let loader = loader(folder.path());
    assert_eq!(loader.load(&tenant("acme"), "guest", OTHER_ACTION).unwrap().from, Source::Compiled);
    let without_fuel = Runtime::new(Config { host_limits: host_limits(), ..Config::default() }).unwrap();
    let without_fuel = loader_of(without_fuel, folder.path(), KEY);
    assert_eq!(loaded(&without_fuel, "acme"), (Source::Compiled, vec![]));
    assert_eq!(loaded(&without_fuel, "acme"), (Source::Cached, vec![]));
    assert_eq!(files(folder.path()).len(), 4);
}

#[test]
fn what_is_no_action_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let component = wat::parse_str("(component)").unwrap();
    loader(folder.path()).load(&tenant("acme"), "suspect", &component).unwrap_err();
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_forged_file_is_not_loaded() {
    let fault = assert_is_not_loaded(|_, file, _| std::fs::write(file, vec![0x90; 100_000]).unwrap());
    assert!(matches!(fault, CacheFault::NotOurs { .. }), "{fault}");
}

#[test]
fn code_under_the_mac_of_another_is_not_loaded() {
    let fault = assert_is_not_loaded(|folder, file, bytes| {
        // A whole file of another component, with this one's header.
        let other = tempfile::tempdir().unwrap();
        loader(other.path()).load(&tenant("acme"), "guest", OTHER_ACTION).unwrap();
        let mut forged = std::fs::read(&files(other.path())[0]).unwrap();
        forged[..48].copy_from_slice(&bytes[..48]);
        assert!(file.starts_with(folder));
        std::fs::write(file, forged).unwrap();
    });
    assert!(matches!(fault, CacheFault::NotOurs { .. }), "{fault}");
}

#[test]
fn a_file_with_one_bit_flipped_is_not_loaded() {
    let fault = assert_is_not_loaded(|_, file, bytes| {
        let mut flipped = bytes.to_vec();
        flipped[bytes.len() / 2] ^= 1;
        std::fs::write(file, flipped).unwrap();
    });
    assert!(matches!(fault, CacheFault::NotOurs { .. }), "{fault}");
}

#[test]
fn a_truncated_file_is_not_loaded() {
    for kept in [0, 1, 47, 48, 1_000] {
        let fault = assert_is_not_loaded(|_, file, bytes| std::fs::write(file, &bytes[..kept]).unwrap());
        assert!(matches!(fault, CacheFault::NotOurs { .. }), "{kept}: {fault}");
    }
}

#[test]
fn a_file_of_another_tenant_is_not_loaded() {
    let fault = assert_is_not_loaded(|folder, file, _| {
        let (other, _) = written(folder, "initech");
        let aside = folder.join("aside");
        // Both at once: each has the other's.
        std::fs::rename(file, &aside).unwrap();
        std::fs::rename(&other, file).unwrap();
        std::fs::rename(&aside, &other).unwrap();
        let (from, faults) = loaded(&loader(folder), "initech");
        assert!(from == Source::Compiled && matches!(faults[..], [CacheFault::NotOurs { .. }]), "{faults:?}");
    });
    assert!(matches!(fault, CacheFault::NotOurs { .. }), "{fault}");
}

#[test]
fn a_link_is_not_followed_even_to_the_very_file() {
    let fault = assert_is_not_loaded(|folder, file, _| {
        std::fs::rename(file, folder.join("aside")).unwrap();
        std::os::unix::fs::symlink("aside", file).unwrap();
    });
    assert!(matches!(fault, CacheFault::NoFile { what: "a link", .. }), "{fault}");
}

#[test]
fn a_folder_is_not_a_file_and_makes_way_for_one() {
    let fault = assert_is_not_loaded(|_, file, bytes| {
        std::fs::remove_file(file).unwrap();
        std::fs::create_dir(file).unwrap();
        std::fs::write(file.join("inside"), bytes).unwrap();
    });
    assert!(matches!(fault, CacheFault::NoFile { what: "a folder", .. }), "{fault}");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let fault = assert_is_not_loaded(|_, file, _| {
        std::fs::remove_file(file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
    });
    assert!(matches!(fault, CacheFault::NoFile { .. }), "{fault}");
}

#[test]
fn a_file_of_another_key_is_not_loaded() {
    let fault = assert_is_not_loaded(|folder, file, bytes| {
        std::fs::remove_file(file).unwrap();
        assert_eq!(loaded(&loader_of(runtime(), folder, [8; 32]), "acme"), (Source::Compiled, vec![]));
        let of_another_key = std::fs::read(file).expect("it has the same name");
        assert_eq!(of_another_key.len(), bytes.len());
    });
    assert!(matches!(fault, CacheFault::NotOurs { .. }), "{fault}");
}

#[test]
fn a_file_of_another_engine_is_not_loaded() {
    let fault = assert_is_not_loaded(|_, file, _| {
        let other = tempfile::tempdir().unwrap();
        let without_fuel = Runtime::new(Config { host_limits: host_limits(), ..Config::default() }).unwrap();
        assert_eq!(loaded(&loader_of(without_fuel, other.path(), KEY), "acme"), (Source::Compiled, vec![]));
        std::fs::copy(&files(other.path())[0], file).unwrap();
    });
    assert!(matches!(fault, CacheFault::NotOurs { .. }), "{fault}");
}

#[test]
fn a_file_that_is_larger_than_code_can_be_is_not_read() {
    let fault = assert_is_not_loaded(|_, file, _| {
        // No disk has to have room for it.
        std::fs::File::create(file).unwrap().set_len(1 << 40).unwrap();
    });
    assert!(matches!(fault, CacheFault::TooLarge { .. }), "{fault}");
}

#[test]
fn many_that_write_one_file_at_once_leave_one_that_is_right() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // As processes do: each with a loader of its own.
                let (_, faults) = loaded(&loader(folder.path()), "acme");
                assert_eq!(faults, []);
            });
        }
    });
    assert_eq!(files(folder.path()).len(), 1);
    assert_eq!(loaded(&loader(folder.path()), "acme"), (Source::Cached, vec![]));
}

#[test]
fn a_folder_that_is_gone_costs_the_cache_and_not_the_action() {
    let folder = tempfile::tempdir().unwrap();
    let loader = loader(folder.path());
    std::fs::remove_dir(folder.path()).unwrap();
    let (from, faults) = loaded(&loader, "acme");
    assert_eq!(from, Source::Compiled);
    assert!(matches!(faults[..], [CacheFault::NotKept { .. }]), "{faults:?}");
}
