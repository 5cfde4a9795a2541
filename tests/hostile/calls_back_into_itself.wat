;; Calls a component in it, which would call back while it is still waiting: that call is forbidden
;; already.
;;! traps = "cannot enter component instance"
(component
  ;;+ memory
  (component $Child
    (import "back" (func $back))
    (core func $back (canon lower (func $back)))
    (core module $Caller (import "parent" "back" (func $back)) (func (export "call") (call $back)))
    (core instance $caller (instantiate $Caller (with "parent" (instance (export "back" (func $back))))))
    (func (export "call") (canon lift (core func $caller "call"))))
  (core module $Back (func (export "back")))
  (core instance $back (instantiate $Back))
  (func $back (canon lift (core func $back "back")))
  (instance $child (instantiate $Child (with "back" (func $back))))
  (core func $call (canon lower (func $child "call")))
  (core module $Hostile
    (import "child" "call" (func $call))
    (func (export "run") (result i32)
      (call $call)
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "child" (instance (export "call" (func $call))))))
  ;;+ exports
)
