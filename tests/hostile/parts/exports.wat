;; The core instance `$hostile`, whose `run` gives the place of its result in `$memory`, as a
;; post-login Action.
(func $run (result (result (error string)))
  (canon lift (core func $hostile "run") (memory (core memory $memory "memory"))))
(export "on-execute-post-login" (func $run))
(export "on-continue-post-login" (func $run))
