;; Fills its memory, its table and a global with marks while it is instantiated, and breaks off
;; before it is.
;;! traps = "unreachable"
(component
  (core module $Memory
    (memory (export "memory") 32)
    (table $table 1000 funcref)
    (global $global (mut i64) (i64.const 0))
    (elem declare func $start)
    (func $start
      (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 2097152))
      (table.fill $table (i32.const 0) (ref.func $start) (i32.const 1000))
      (global.set $global (i64.const -1))
      (unreachable))
    (start $start)
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "run" (core func $run))
  (core instance $hostile (export "run" (func $run)))
  ;;+ exports
)
