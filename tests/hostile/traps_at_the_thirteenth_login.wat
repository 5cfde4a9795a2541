;; Breaks off at a user's thirteenth login, and at no other.
;;! logins = 13
;;! traps = "unreachable"
(component
  ;;+ memory
  ;;+ count
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (func (export "run") (result i32)
      (if (i64.eq (call $count) (i64.const 13)) (then (unreachable)))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance (export "count" (func $count))))))
  ;;+ exports
)
