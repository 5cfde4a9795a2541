;; Computes without end while it is instantiated: none of its functions is ever called.
;;! limit = "cpu_time"
(component
  ;;+ memory
  (core module $Hostile
    (func $start (loop $for-ever (br $for-ever)))
    (start $start)
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $hostile (instantiate $Hostile))
  ;;+ exports
)
