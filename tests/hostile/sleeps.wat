;; Waits for as many nanoseconds as the user has logged in often.
;;! logins = [18_446_744_073_709_551_615, 9_223_372_036_854_775_807, 4_611_686_018_427_387_904]
;;! limits = { wall_time = "100 ms" }
;;! limit = "wall_time"
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
