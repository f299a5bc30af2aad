;; A filter in the place of ours, for faults that ours does not have. It says `allow` to every request, as ours would,
;;   - traps where a request has the header `x-trap`,
;;   - and, where its configuration is not empty, refuses the third and the fourth instance that is made from it. The first is
;;     the canary. The main thread and each worker have one more: of three workers, one refuses and one does not, at least.
(module
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "regionguard")
  (data (i32.const 16) "allow;rule.allowed;faulty/all;inline;faulty@1+000000000000;us-east-1>us-east-1>us-east-1")
  (data (i32.const 128) "x-trap")
  (data (i32.const 144) "instances")
  (global $heap (mut i32) (i32.const 4096))

  (func (export "proxy_abi_version_0_2_1"))
  ;; What the host hands over is of no lasting interest: the memory is used round and round.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $heap) (local.get $size)) (i32.const 200000))
      (then (global.set $heap (i32.const 4096))))
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $size))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))

  ;; How many instances there are now, in what all of them share: the value at 204, its version at 200.
  (func $count (result i32)
    (loop $again
      (i32.store (i32.const 200) (i32.const 0))
      (i32.store (i32.const 204) (i32.const 0))
      (if (i32.eqz (call $get_shared (i32.const 144) (i32.const 9) (i32.const 192) (i32.const 196) (i32.const 200)))
        (then (i32.store (i32.const 204) (i32.load (i32.load (i32.const 192))))))
      (i32.store (i32.const 204) (i32.add (i32.load (i32.const 204)) (i32.const 1)))
      ;; Refused where another thread was faster.
      (br_if $again (call $set_shared (i32.const 144) (i32.const 9) (i32.const 204) (i32.const 4) (i32.load (i32.const 200)))))
    (i32.load (i32.const 204)))

  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (local $instance i32)
    (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
    (local.set $instance (call $count))
    (i32.and (i32.ne (local.get $instance) (i32.const 3)) (i32.ne (local.get $instance) (i32.const 4))))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $get_header (i32.const 0) (i32.const 128) (i32.const 6) (i32.const 208) (i32.const 212)))
      (then (if (i32.load (i32.const 212)) (then unreachable))))
    (drop (call $set_property (i32.const 0) (i32.const 11) (i32.const 16) (i32.const 88)))
    (i32.const 0)))
