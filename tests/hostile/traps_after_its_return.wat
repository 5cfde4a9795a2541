;; Returns well, and breaks off when the host has read what it returned.
;;! traps = "unreachable"
(component
  ;;+ memory
  ;;+ count
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (func (export "run") (result i32) (i32.const 0))
    (func (export "after") (param i32)
      (unreachable)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance (export "count" (func $count))))))
  (func $run (result (result (error string)))
    (canon lift (core func $hostile "run") (memory (core memory $memory "memory")) (post-return (core func $hostile "after"))))
  (export "on-execute-post-login" (func $run))
  (export "on-continue-post-login" (func $run))
)
