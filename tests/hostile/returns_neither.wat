;; Returns a result that is neither ok nor an error.
;;! traps = "discriminant"
(component
  ;;+ memory
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (func (export "run") (result i32)
      (i32.store8 (i32.const 64) (i32.const 2))
      (i32.const 64)))
  (core instance $hostile (instantiate $Hostile (with "memory" (instance $memory))))
  ;;+ exports
)
