;; Three components in it: one has a resource, one lends a handle of it, and one keeps what it was
;; lent when its call returns.
;;! traps = "borrow handles still remain at the end of the call"
(component
  (component $Owner
    (type $thing' (resource (rep i32)))
    (export $thing "thing" (type $thing'))
    (core func $new (canon resource.new $thing'))
    (core module $New
      (import "things" "new" (func $new (param i32) (result i32)))
      (func (export "new") (result i32) (call $new (i32.const 7))))
    (core instance $new (instantiate $New (with "things" (instance (export "new" (func $new))))))
    (func (export "new") (result (own $thing)) (canon lift (core func $new "new"))))
  (component $Keeper
    (import "thing" (type $thing (sub resource)))
    (core module $Keep (func (export "keep") (param i32)))
    (core instance $keep (instantiate $Keep))
    (func (export "keep") (param "it" (borrow $thing)) (canon lift (core func $keep "keep"))))
  (component $Lender
    (import "thing" (type $thing (sub resource)))
    (import "new" (func $new (result (own $thing))))
    (import "keep" (func $keep (param "it" (borrow $thing))))
    ;;+ memory
    (core func $new (canon lower (func $new)))
    (core func $keep (canon lower (func $keep)))
    (core module $Hostile
      (import "things" "new" (func $new (result i32)))
      (import "things" "keep" (func $keep (param i32)))
      (func (export "run") (result i32)
        (call $keep (call $new))
        (i32.const 0)))
    (core instance $hostile (instantiate $Hostile
      (with "things" (instance (export "new" (func $new)) (export "keep" (func $keep))))))
    ;;+ exports
  )
  (instance $owner (instantiate $Owner))
  (alias export $owner "thing" (type $thing))
  (instance $keeper (instantiate $Keeper (with "thing" (type $thing))))
  (instance $lender (instantiate $Lender
    (with "thing" (type $thing)) (with "new" (func $owner "new")) (with "keep" (func $keeper "keep"))))
  (export "on-execute-post-login" (func $lender "on-execute-post-login"))
  (export "on-continue-post-login" (func $lender "on-continue-post-login"))
)
