;; Pollables, and the timer that makes them.
(import "wasi:io/poll@0.2.6" (instance $poll
  (export "pollable" (type $pollable (sub resource)))
  (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
  (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))
  (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
(alias export $poll "pollable" (type $pollable))
(import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
  (alias outer 1 $pollable (type $of-poll))
  (export "pollable" (type $own-pollable (eq $of-poll)))
  (export "subscribe-instant" (func (param "when" u64) (result (own $own-pollable))))
  (export "subscribe-duration" (func (param "when" u64) (result (own $own-pollable))))))
(core func $at (canon lower (func $clock "subscribe-instant")))
(core func $after (canon lower (func $clock "subscribe-duration")))
(core func $block (canon lower (func $poll "[method]pollable.block")))
(core func $ready (canon lower (func $poll "[method]pollable.ready")))
(core func $drop-pollable (canon resource.drop $pollable))
