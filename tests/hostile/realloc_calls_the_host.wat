;; Calls the host while the host is asking it for room.
;;! traps = "cannot leave component instance"
(component
  ;;+ count
  (core module $Memory
    (import "host" "count" (func $count (result i64)))
    (memory (export "memory") 4)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (drop (call $count))
      (i32.const 4096)))
  (core instance $memory (instantiate $Memory (with "host" (instance (export "count" (func $count))))))
  ;;+ client
  (core func $id
    (canon lower (func $client "id")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Hostile
    (import "host" "id" (func $id (param i32)))
    (func (export "run") (result i32)
      (call $id (i32.const 64))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance (export "id" (func $id))))))
  ;;+ exports
)
