//! Guests that take more time, memory or stack than they may.

use super::*;

pub(crate) mod loops_for_ever {
    use super::*;

    #[tokio::test]
    async fn cpu_time_ends_it_and_the_next_login_passes() {
        let runtime = runtime();
        let outcome = run_guest(&runtime, artifacts::LOOPS_FOR_EVER, &[]).await;
        assert_eq!(limit_broken(&outcome), LimitBroken::CpuTime { allowed: limits().cpu_time });
        assert_nothing_is_left(&outcome);
        assert_next_login_passes(&runtime).await;
    }

    #[tokio::test]
    async fn others_run_on_its_thread_meanwhile() {
        let runtime = runtime();
        let looping = run_guest(&runtime, artifacts::LOOPS_FOR_EVER, &[]);
        let other = run_guest(&runtime, artifacts::ORGANIZATION_SESSION_METADATA, &[]);
        tokio::pin!(looping);
        tokio::select! {
            outcome = other => assert!(outcome.is_allowed()),
            _ = &mut looping => panic!("the endless loop has held the thread until its end"),
        }
        assert!(looping.await.failed().is_some());
    }
}

pub(crate) mod sleeps_for_ever {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn wall_time_ends_it_and_the_next_login_passes() {
        let allowed = Duration::from_secs(1);
        let runtime = runtime_with(vestibule::limits::Limits { wall_time: allowed, ..limits() });
        let outcome = run_guest(&runtime, artifacts::SLEEPS_FOR_EVER, &[]).await;
        assert_eq!(limit_broken(&outcome), LimitBroken::WallTime { allowed });
        assert_next_login_passes(&runtime).await;
    }
}

pub(crate) mod grows_memory {
    use super::*;

    #[tokio::test]
    async fn memory_just_under_its_limit_passes() {
        let outcome = run_guest(&runtime(), artifacts::GROWS_MEMORY, &[("mebibytes", "60")]).await;
        assert_eq!(outcome.session.metadata.get("mebibytes"), Some("60"));
        assert!(outcome.actions[0].peak_memory_bytes > 60 << 20);
    }

    #[tokio::test]
    async fn memory_over_its_limit_fails_and_the_next_login_passes() {
        let runtime = runtime();
        let outcome = run_guest(&runtime, artifacts::GROWS_MEMORY, &[]).await;
        assert!(matches!(limit_broken(&outcome), LimitBroken::Memory { given, allowed } if given > allowed), "{outcome:?}");
        assert_nothing_is_left(&outcome);
        assert_next_login_passes(&runtime).await;
    }
}

pub(crate) mod recurses {
    use super::*;

    #[tokio::test]
    async fn stack_over_its_limit_fails_and_the_next_login_passes() {
        let runtime = runtime();
        let outcome = run_guest(&runtime, artifacts::RECURSES, &[]).await;
        assert_eq!(limit_broken(&outcome), LimitBroken::Stack { allowed: host_limits().stack });
        assert_next_login_passes(&runtime).await;
    }

    #[tokio::test]
    async fn on_the_stack_in_its_own_memory_it_traps_with_a_hint() {
        let runtime = runtime();
        let outcome = run_guest(&runtime, artifacts::RECURSES, &[("memory", "yes")]).await;
        assert!(failure(&outcome).to_string().contains("a recursion that doesn't end"), "{outcome:?}");
        assert_next_login_passes(&runtime).await;
    }
}
