;; Returns a result that lies behind the end of its memory.
;;! traps = "pointer out of bounds"
(component
  ;;+ memory
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (func (export "run") (result i32)
      (i32.const 0xfffffff0)))
  (core instance $hostile (instantiate $Hostile (with "memory" (instance $memory))))
  ;;+ exports
)
