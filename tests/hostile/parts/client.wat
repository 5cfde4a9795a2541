;; `event-client.id`, a text, and `event-client.metadata`, a list of pairs; what comes after it
;; lowers them.
(import "vestibule:actions/event-client@0.1.0" (instance $client
  (export "id" (func (result string)))
  (export "metadata" (func (result (list (tuple string string)))))))
