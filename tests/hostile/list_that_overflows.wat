;; Asks for the roles with these ids: a list whose length in bytes, counted in 32 bits, is eight.
;;! traps = "out of bounds"
(component
  ;;+ memory
  (import "vestibule:actions/roles@0.1.0" (instance $roles
    (type $role' (record (field "id" string) (field "name" string) (field "description" (option string))))
    (export "role" (type $role (eq $role')))
    (export "get-user-effective-roles-by-ids" (func (param "ids" (list string)) (result (list $role))))))
  (core func $by-ids
    (canon lower (func $roles "get-user-effective-roles-by-ids")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Hostile
    (import "host" "by-ids" (func $by-ids (param i32 i32 i32)))
    (func (export "run") (result i32)
      (call $by-ids (i32.const 64) (i32.const 0x20000001) (i32.const 128))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance (export "by-ids" (func $by-ids))))))
  ;;+ exports
)
