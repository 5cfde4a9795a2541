;; Waits for no time at all, again and again.
;;! limits = { wall_time = "100 ms" }
;;! limit = ["cpu_time", "wall_time"] # Which comes first depends on what else computes.
(component
  ;;+ memory
  ;;+ poll
  (core module $Hostile
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "drop" (func $drop (param i32)))
    (func (export "run") (result i32)
      (local $pollable i32)
      (loop $for-ever
        (local.set $pollable (call $after (i64.const 0)))
        (call $block (local.get $pollable))
        (call $drop (local.get $pollable))
        (br $for-ever))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance
      (export "after" (func $after)) (export "block" (func $block)) (export "drop" (func $drop-pollable))))))
  ;;+ exports
)
