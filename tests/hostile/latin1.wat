;; Logs a text in Latin-1, as it should be.
;;! allowed = true
;;! log = ["café"]
(component
  ;;+ memory
  ;;+ log
  (core func $write (canon lower (func $log "write") string-encoding=latin1+utf16 (memory (core memory $memory "memory"))))
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (import "host" "write" (func $write (param i32 i32 i32)))
    (data (i32.const 64) "caf\e9")
    (func (export "run") (result i32)
      (call $write (i32.const 2) (i32.const 64) (i32.const 4))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "memory" (instance $memory))
    (with "host" (instance (export "write" (func $write))))))
  ;;+ exports
)
