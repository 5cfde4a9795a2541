;; Sets a value that is neither there nor not there.
;;! traps = "invalid option discriminant"
(component
  ;;+ memory
  ;;+ transaction
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (import "host" "set" (func $set (param i32 i32 i32 i32 i64 i32 i32)))
    (data (i32.const 64) "key")
    (func (export "run") (result i32)
      (call $set (i32.const 64) (i32.const 3) (i32.const 2) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 128))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "memory" (instance $memory))
    (with "host" (instance (export "set" (func $set))))))
  ;;+ exports
)
