;; Sets a claim of as many arrays, each in the next, as the user has logged in often, and returns
;; what the rule says.
;;! logins = [1_000, 10_000]
;;! returns = "recursion limit exceeded"
(component
  ;;+ memory
  ;;+ count
  (import "vestibule:actions/access-token@0.1.0" (instance $access-token
    (type $limit' (record (field "given" u32) (field "limit" u32)))
    (export "limit-exceeded" (type $limit (eq $limit')))
    (type $error' (variant
      (case "empty-name") (case "name-too-long" $limit) (case "reserved-claim" string) (case "invalid-json" string)
      (case "invalid-scope" string) (case "too-large" $limit)))
    (export "token-error" (type $error (eq $error')))
    (export "set-custom-claim"
      (func (param "name" string) (param "value" string) (result (result (error $error)))))))
  (core func $set
    (canon lower (func $access-token "set-custom-claim")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $Hostile
    (import "memory" "memory" (memory 4))
    (import "host" "count" (func $count (result i64)))
    (import "host" "set" (func $set (param i32 i32 i32 i32 i32)))
    (data (i32.const 64) "claim")
    (func (export "run") (result i32)
      (local $depth i32)
      (local.set $depth (i32.wrap_i64 (call $count)))
      ;; Behind the room that the allocator gives.
      (memory.fill (i32.const 65536) (i32.const 0x5b) (local.get $depth))
      (memory.fill (i32.add (i32.const 65536) (local.get $depth)) (i32.const 0x5d) (local.get $depth))
      (call $set (i32.const 64) (i32.const 5) (i32.const 65536) (i32.mul (local.get $depth) (i32.const 2)) (i32.const 128))
      ;; Of an error that has a text, the text; of one that has none, nothing.
      (i32.store (i32.const 256) (i32.load8_u (i32.const 128)))
      (i32.store (i32.const 260) (i32.load (i32.const 136)))
      (i32.store (i32.const 264) (i32.load (i32.const 140)))
      (i32.const 256)))
  (core instance $hostile (instantiate $Hostile
    (with "memory" (instance $memory))
    (with "host" (instance (export "count" (func $count)) (export "set" (func $set))))))
  ;;+ exports
)
