;; `log.write` with texts in UTF-8.
(core func $write (canon lower (func $log "write") (memory (core memory $memory "memory"))))
(core instance $host (export "write" (func $write)))
