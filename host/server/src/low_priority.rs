//! Threads that compute for others than logins: they get little of a processor that logins keep
//! busy, and all of one that is idle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

/// The `nice` value of the threads: they get a tenth of a processor that a thread of logins keeps
/// busy.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Starts a thread of low priority. A panic ends it, and is logged by the panic hook.
///
/// # Errors
/// When the operating system starts no further thread.
pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    Builder::new().name(name).spawn(move || {
        #[cfg(target_os = "linux")]
        {
            // A thread whose priority can't be lowered does the same work.
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
        }
        let _ = catch_unwind(AssertUnwindSafe(work));
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn threads_of_low_priority_leave_others_theirs() {
        let priority = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let own = priority();
        let (sender, receiver) = std::sync::mpsc::channel();
        spawn("low".to_owned(), move || sender.send(priority()).unwrap()).unwrap().join().unwrap();
        assert_eq!(receiver.recv().unwrap(), own.max(NICENESS));
        assert_eq!(priority(), own);
    }
}
