;; Fills its memory with marks, grown pages included, and waits for as many nanoseconds as the user
;; has logged in often. At a first login it looks for marks instead, and returns an error where it
;; finds one.
;;! allowed = true
(component
  ;;+ memory
  ;;+ count
  ;;+ poll
  (core module $Hostile
    (import "host" "memory" (memory 4))
    (import "host" "count" (func $count (result i64)))
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (func $found (result i32)
      (i32.store (i32.const 0) (i32.const 1))
      (i32.store (i32.const 4) (i32.const 64))
      (i32.store (i32.const 8) (i32.const 22))
      (memory.init $words (i32.const 64) (i32.const 0) (i32.const 22))
      (i32.const 0))
    (data $words "marks of another login")
    (func (export "run") (result i32)
      (local $at i32)
      (if (i32.ne (memory.grow (i32.const 60)) (i32.const 4)) (then (unreachable)))
      (if (i64.gt_u (call $count) (i64.const 1))
        (then
          (memory.fill (i32.const 8192) (i32.const 0xa5) (i32.const 4186112))
          (call $block (call $after (call $count)))
          (return (i32.const 0))))
      (local.set $at (i32.const 8192))
      (loop $next
        (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (call $found))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 4194304))))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance
      (export "memory" (memory $memory "memory"))
      (export "count" (func $count))
      (export "after" (func $after))
      (export "block" (func $block))))))
  ;;+ exports
)
