;; `event-stats.logins-count`: a number that the test chooses.
(import "vestibule:actions/event-stats@0.1.0" (instance $stats (export "logins-count" (func (result u64)))))
(core func $count (canon lower (func $stats "logins-count")))
