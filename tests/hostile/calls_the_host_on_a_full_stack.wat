;; Calls itself without end, and at each level the host: with so little stack left, in the end, that
;; the host's function begins where the guest's stack ends. One of the two functions makes the host
;; call back, for room for a text.
;;! limits = { calls = "1000000", cpu_time = "10 s", wall_time = "60 s" }
;;! limit = "stack"
(component
  (core module $Memory
    (memory (export "memory") 4)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
  (core instance $memory (instantiate $Memory))
  ;;+ count
  ;;+ client
  (core func $id
    (canon lower (func $client "id")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (import "host" "id" (func $id (param i32)))
    (func $deeper (param $depth i64) (result i64)
      (call $id (i32.const 64))
      (i64.add (call $count) (call $deeper (i64.add (local.get $depth) (i64.const 1)))))
    (func (export "run") (result i32)
      (drop (call $deeper (i64.const 0)))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance (export "count" (func $count)) (export "id" (func $id))))))
  ;;+ exports
)
