;; Logs a text in UTF-16 from an odd address.
;;! traps = "string pointer not aligned to 2"
(component
  ;;+ memory
  ;;+ log
  (core func $write (canon lower (func $log "write") string-encoding=utf16 (memory (core memory $memory "memory"))))
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (import "host" "write" (func $write (param i32 i32 i32)))
    (data (i32.const 64) "xxxx")
    (func (export "run") (result i32)
      (call $write (i32.const 2) (i32.const 65) (i32.const 1))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "memory" (instance $memory))
    (with "host" (instance (export "write" (func $write))))))
  ;;+ exports
)
