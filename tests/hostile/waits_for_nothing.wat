;; Waits for one of no pollables.
;;! traps = "empty poll list"
(component
  ;;+ memory
  ;;+ poll
  (core func $wait
    (canon lower (func $poll "poll")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Hostile
    (import "host" "wait" (func $wait (param i32 i32 i32)))
    (func (export "run") (result i32)
      (call $wait (i32.const 0) (i32.const 0) (i32.const 64))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance (export "wait" (func $wait))))))
  ;;+ exports
)
