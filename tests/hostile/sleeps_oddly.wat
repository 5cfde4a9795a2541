;; Waits for no time at all, until a time that is over, and asks whether a wait of minus one
;; nanosecond is over, which is one of 584 years.
;;! allowed = true
(component
  ;;+ memory
  ;;+ poll
  (core module $Hostile
    (import "host" "at" (func $at (param i64) (result i32)))
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "ready" (func $ready (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (func (export "run") (result i32)
      (local $pollable i32)
      (call $block (call $after (i64.const 0)))
      (call $block (call $at (i64.const 0)))
      (local.set $pollable (call $after (i64.const -1)))
      (if (call $ready (local.get $pollable)) (then (unreachable)))
      (call $drop (local.get $pollable))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance
      (export "at" (func $at)) (export "after" (func $after)) (export "block" (func $block))
      (export "ready" (func $ready)) (export "drop" (func $drop-pollable))))))
  ;;+ exports
)
