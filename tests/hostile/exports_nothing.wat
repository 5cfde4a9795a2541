;; Has none of the trigger's functions.
;;! load_error = "does not export `on-execute-post-login`"
(component)
