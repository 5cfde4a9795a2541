;; Grows a table to as many elements as the user has logged in often.
;;! logins = [20_001, 10_000_000, 0xffff_ffff]
;;! limit = "table_elements"
(component
  ;;+ memory
  ;;+ count
  (core module $Hostile
    (import "host" "count" (func $count (result i64)))
    (table $table 0 funcref)
    (func (export "run") (result i32)
      (if (i32.eq (table.grow $table (ref.null func) (i32.wrap_i64 (call $count))) (i32.const -1)) (then (unreachable)))
      (i32.const 0)))
  (core instance $hostile (instantiate $Hostile (with "host" (instance (export "count" (func $count))))))
  ;;+ exports
)
