;; Waits for as many nanoseconds as the user has logged in often.
(component
  ;;+ memory
  ;;+ count
  ;;+ poll
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (func (export "run") (result i32)
      (call $block (call $after (call $count)))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance (export "count" (func $count)) (export "after" (func $after)) (export "block" (func $block))))))
  ;;+ exports
)
