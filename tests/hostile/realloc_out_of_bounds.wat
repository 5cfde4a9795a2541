;; Gives the host room behind the end of its memory.
;;! traps = "realloc return: beyond end of memory"
(component
  (core module $Memory
    (memory (export "memory") 4)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (i32.const 0xfffffff0)))
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
