;; Gives the host room for pairs at an odd address.
;;! traps = "realloc return: result not aligned"
(component
  (core module $Memory
    (memory (export "memory") 4)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (i32.const 4097)))
  (core instance $memory (instantiate $Memory))
  ;;+ client
  (core func $metadata
    (canon lower (func $client "metadata")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Hostile
    (import "host" "metadata" (func $metadata (param i32)))
    (func (export "run") (result i32)
      (call $metadata (i32.const 64))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance (export "metadata" (func $metadata))))))
  ;;+ exports
)
