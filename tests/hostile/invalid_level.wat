;; Logs a line with the sixth of five levels.
;;! traps = "discriminant"
(component
  ;;+ memory
  ;;+ log
  ;;+ write
  (core module $Hostile
    (import "host" "write" (func $write (param i32 i32 i32)))
    (func (export "run") (result i32)
      (call $write (i32.const 5) (i32.const 64) (i32.const 1))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance $host))))
  ;;+ exports
)
