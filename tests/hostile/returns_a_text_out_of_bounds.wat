;; Returns an error whose text lies behind the end of its memory.
;;! traps = "out of bounds"
(component
  ;;+ memory
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (func (export "run") (result i32)
      (i32.store8 (i32.const 64) (i32.const 1))
      (i32.store (i32.const 68) (i32.const 262143))
      (i32.store (i32.const 72) (i32.const 2))
      (i32.const 64)))
  (core instance $hostile (instantiate $Hostile (with "memory" (instance $memory))))
  ;;+ exports
)
