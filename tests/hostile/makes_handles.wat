;; Makes as many handles of a resource of its own as the user has logged in often.
;;! logins = 1_000_000
;;! limit = "resources"
(component
  ;;+ memory
  ;;+ count
  (type $thing (resource (rep i32)))
  (core func $new (canon resource.new $thing))
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (import "host" "new" (func $new (param i32) (result i32)))
    (func (export "run") (result i32)
      (local $left i64)
      (local.set $left (call $count))
      (loop $again
        (drop (call $new (i32.const 7)))
        (br_if $again (i64.ne (local.tee $left (i64.sub (local.get $left) (i64.const 1))) (i64.const 0))))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance (export "count" (func $count)) (export "new" (func $new))))))
  ;;+ exports
)
