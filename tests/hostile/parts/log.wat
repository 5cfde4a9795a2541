;; `log.write`; what comes after it lowers it.
(import "vestibule:actions/log@0.1.0" (instance $log
  (type $level' (enum "error" "warn" "info" "debug" "trace"))
  (export "level" (type $level (eq $level')))
  (export "write" (func (param "level" $level) (param "message" string)))))
