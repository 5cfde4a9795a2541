;; Computes a number as often as the user has logged in.
;;! allowed = true
(component
  ;;+ memory
  ;;+ count
  (core module $Hostile
    (import "memory" "memory" (memory 1))
    (import "host" "count" (func $count (result i64)))
    (func (export "run") (result i32)
      (local $left i64) (local $number i64)
      (local.set $left (call $count))
      (loop $again
        (local.set $number
          (i64.rem_u (i64.add (i64.mul (local.get $number) (i64.const 48271)) (local.get $left)) (i64.const 2147483647)))
        (br_if $again (i64.ne (local.tee $left (i64.sub (local.get $left) (i64.const 1))) (i64.const 0))))
      ;; The number is kept, so that it has to be computed; the result lies elsewhere.
      (i64.store (i32.const 64) (local.get $number))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "memory" (instance $memory))
    (with "host" (instance (export "count" (func $count))))))
  ;;+ exports
)
