;; Drops a pollable twice.
;;! traps = "unknown handle index"
(component
  ;;+ memory
  ;;+ poll
  ;;+ stdout
  (core module $Hostile
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "drop-pollable" (func $drop-pollable (param i32)))
    (import "host" "open" (func $open (result i32)))
    (import "host" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "host" "drop-stream" (func $drop-stream (param i32)))
    (func (export "run") (result i32)
      (local $handle i32)
      (local.set $handle (call $after (i64.const 0)))
      (call $drop-pollable (local.get $handle))
      (call $drop-pollable (local.get $handle))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance
      (export "after" (func $after)) (export "block" (func $block)) (export "drop-pollable" (func $drop-pollable))
      (export "open" (func $open)) (export "subscribe" (func $subscribe)) (export "drop-stream" (func $drop-stream))))))
  ;;+ exports
)
