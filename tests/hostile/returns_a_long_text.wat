;; Returns an error of 200,000 bytes of text: all zero.
;;! limits = { call_bytes = "1000" }
;;! limit = "call_bytes"
(component
  ;;+ memory
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (func (export "run") (result i32)
      (i32.store8 (i32.const 64) (i32.const 1))
      (i32.store (i32.const 68) (i32.const 1024))
      (i32.store (i32.const 72) (i32.const 200000))
      (i32.const 64)))
  (core instance $hostile (instantiate $Hostile (with "memory" (instance $memory))))
  ;;+ exports
)
