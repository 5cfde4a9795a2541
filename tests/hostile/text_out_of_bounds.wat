;; Logs a text whose last byte lies behind the end of its memory.
;;! traps = "out of bounds"
(component
  ;;+ memory
  ;;+ log
  (core func $write (canon lower (func $log "write") (memory (core memory $memory "memory"))))
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (import "host" "write" (func $write (param i32 i32 i32)))
    (data (i32.const 64) "x")
    (func (export "run") (result i32)
      (call $write (i32.const 2) (i32.const 262143) (i32.const 2))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "memory" (instance $memory))
    (with "host" (instance (export "write" (func $write))))))
  ;;+ exports
)
