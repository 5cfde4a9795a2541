;; Calls itself as deep as the user has logged in often.
;;! logins = 1_000_000
;;! limit = "stack"
;;! says = "is there a recursion that doesn't end?"
(component
  ;;+ memory
  ;;+ count
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (func $deeper (param $left i64) (result i64)
      (if (result i64) (i64.eqz (local.get $left))
        (then (i64.const 0))
        (else (i64.add (local.get $left) (call $deeper (i64.sub (local.get $left) (i64.const 1)))))))
    (func (export "run") (result i32)
      (drop (call $deeper (call $count)))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance (export "count" (func $count))))))
  ;;+ exports
)
