;; Asks for as many random bytes in one call as the user has logged in often.
;;! logins = [3_221_225_472, 18_446_744_073_709_551_615]
;;! limit = "random_bytes"
(component
  ;;+ memory
  ;;+ count
  (import "wasi:random/random@0.2.6" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core func $random-bytes
    (canon lower (func $random "get-random-bytes")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (import "host" "random-bytes" (func $random-bytes (param i64 i32)))
    (func (export "run") (result i32)
      (call $random-bytes (call $count) (i32.const 64))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "host" (instance (export "count" (func $count)) (export "random-bytes" (func $random-bytes))))))
  ;;+ exports
)
