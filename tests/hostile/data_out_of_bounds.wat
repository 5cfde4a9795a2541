;; Has data that begin in its memory and end behind it, so that it can't be instantiated.
;;! traps = "outside of its memory"
(component
  (core module $Memory
    (memory (export "memory") 1)
    (data (i32.const 0) "marks of one tenant")
    (data (i32.const 65530) "marks of one tenant")
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "run" (core func $run))
  (core instance $hostile (export "run" (func $run)))
  ;;+ exports
)
