;; Standard output, as a stream that can be asked for again and again. It wants `poll` before it.
(import "wasi:io/streams@0.2.6" (instance $streams
  (alias outer 1 $pollable (type $of-poll))
  (export "pollable" (type $own-pollable (eq $of-poll)))
  (export "output-stream" (type $output-stream (sub resource)))
  (export "[method]output-stream.subscribe" (func (param "self" (borrow $output-stream)) (result (own $own-pollable))))))
(alias export $streams "output-stream" (type $output-stream))
(import "wasi:cli/stdout@0.2.6" (instance $stdout
  (alias outer 1 $output-stream (type $of-streams))
  (export "output-stream" (type $own-output-stream (eq $of-streams)))
  (export "get-stdout" (func (result (own $own-output-stream))))))
(core func $open (canon lower (func $stdout "get-stdout")))
(core func $subscribe (canon lower (func $streams "[method]output-stream.subscribe")))
(core func $drop-stream (canon resource.drop $output-stream))
