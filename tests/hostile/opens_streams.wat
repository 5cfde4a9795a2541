;; Asks for standard output as often as the user has logged in, and drops none of the streams.
;;! logins = 1_000_000
;;! limit = "resources"
;;! says = "is there one that it forgets to drop?"
(component
  ;;+ memory
  ;;+ count
  ;;+ poll
  ;;+ stdout
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (import "host" "open" (func $open (result i32)))
    (func (export "run") (result i32)
      (local $left i64)
      (local.set $left (call $count))
      (loop $again
        (drop (call $open))
        (br_if $again (i64.ne (local.tee $left (i64.sub (local.get $left) (i64.const 1))) (i64.const 0))))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance (export "count" (func $count)) (export "open" (func $open))))))
  ;;+ exports
)
