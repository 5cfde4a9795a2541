;; Lends a handle to a component in it, which keeps it when its call returns.
(component
  ;;+ memory
  (component $Keeper
    (import "thing" (type $thing (sub resource)))
    (core module $Keep (func (export "keep") (param i32)))
    (core instance $keep (instantiate $Keep))
    (func (export "keep") (param "it" (borrow $thing)) (canon lift (core func $keep "keep"))))
  (type $thing (resource (rep i32)))
  (instance $keeper (instantiate $Keeper (with "thing" (type $thing))))
  (core func $new (canon resource.new $thing))
  (core func $keep (canon lower (func $keeper "keep")))
  (core module $Hostile
    (import "things" "new" (func $new (param i32) (result i32)))
    (import "things" "keep" (func $keep (param i32)))
    (func (export "run") (result i32)
      (call $keep (call $new (i32.const 7)))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile
    (with "things" (instance (export "new" (func $new)) (export "keep" (func $keep))))))
  ;;+ exports
)
