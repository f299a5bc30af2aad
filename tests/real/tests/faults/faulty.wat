;; A filter in the place of ours, for faults that ours does not have. It says `allow` to every request, as ours would,
;;   - traps where a request has the header `x-trap`,
;;   - and refuses every later configuration on a worker that has seen a request with the header `x-mark`. Where only its
;;     configuration changes, a worker keeps its VM; the canary is a new one, and takes it.
(module
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "regionguard")
  (data (i32.const 16) "allow;rule.allowed;faulty/all;inline;faulty@1+000000000000;us-east-1>us-east-1>us-east-1")
  (data (i32.const 128) "x-trap")
  (data (i32.const 144) "x-mark")
  (global $heap (mut i32) (i32.const 4096))
  (global $marked (mut i32) (i32.const 0))

  (func (export "proxy_abi_version_0_2_1"))
  ;; What the host hands over is of no lasting interest: the memory is used round and round.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $heap) (local.get $size)) (i32.const 200000))
      (then (global.set $heap (i32.const 4096))))
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $size))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))

  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.eqz (global.get $marked)))

  (func $has_header (param $name i32) (param $size i32) (result i32)
    (i32.store (i32.const 212) (i32.const 0))
    (drop (call $get_header (i32.const 0) (local.get $name) (local.get $size) (i32.const 208) (i32.const 212)))
    (i32.load (i32.const 212)))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (call $has_header (i32.const 128) (i32.const 6)) (then unreachable))
    (if (call $has_header (i32.const 144) (i32.const 6)) (then (global.set $marked (i32.const 1))))
    (drop (call $set_property (i32.const 0) (i32.const 11) (i32.const 16) (i32.const 88)))
    (i32.const 0)))
