;; `transaction.set-metadata`, whose value is an option of a variant.
(import "vestibule:actions/transaction@0.1.0" (instance $transaction
  (type $value' (variant (case "text" string) (case "number" f64) (case "boolean" bool)))
  (export "transaction-value" (type $value (eq $value')))
  (type $limit' (record (field "given" u32) (field "limit" u32)))
  (export "limit-exceeded" (type $limit (eq $limit')))
  (type $too-long' (record (field "key" string) (field "given" u32) (field "limit" u32)))
  (export "value-too-long" (type $too-long (eq $too-long')))
  (type $error' (variant
    (case "unavailable") (case "empty-key") (case "key-too-long" $limit) (case "value-too-long" $too-long)
    (case "number-not-finite" string) (case "too-large" $limit)))
  (export "transaction-error" (type $error (eq $error')))
  (export "set-metadata" (func (param "key" string) (param "value" (option $value)) (result (result (error $error)))))))
(core func $set
  (canon lower (func $transaction "set-metadata")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
