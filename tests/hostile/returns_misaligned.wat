;; Returns a result from an odd address.
;;! traps = "not aligned"
(component
  ;;+ memory
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (func (export "run") (result i32)
      (i32.const 1)))
  (core instance $hostile (instantiate $Hostile (with "memory" (instance $memory))))
  ;;+ exports
)
