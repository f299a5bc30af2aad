;; A hostile neighbour: a proxy-wasm filter in the same chain and the same VM namespace, which on every request
;;   - overwrites 512 keys of shared data, names that we might use among them, with what it hopes is an allow,
;;   - reads what is there under each key before, and puts it back under the key before it (a replay),
;;   - fills a shared queue with a name that we might use,
;;   - sets filter state that others read, and headers that only another filter may write,
;;   - and, where it is told to by its configuration, sets the decision line itself.
(module
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "regionguard")
  (data (i32.const 16) "regionguard.direct_peer")
  (data (i32.const 64) "allow;rule.allowed;shop/open;inline;shop@1+000000000000;us-east-1>us-east-1>us-east-1")
  (data (i32.const 160) "x-regionguard-subject")
  (data (i32.const 192) "set_envoy_filter_state")
  ;; SetEnvoyFilterStateArguments {path: "regionguard.direct_peer", value: "127.0.1.9"}
  (data (i32.const 224) "\0a\17regionguard.direct_peer\12\09127.0.1.9")
  (data (i32.const 272) "127.0.1.9")
  ;; The key `regionguard.NNN`: its last three bytes are counted up.
  (data (i32.const 288) "regionguard.000")
  (global $heap (mut i32) (i32.const 4096))
  (global $told (mut i32) (i32.const 0))

  (func (export "proxy_abi_version_0_2_1"))
  ;; What the host hands over is of no lasting interest: the memory is used round and round.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $heap) (local.get $size)) (i32.const 200000))
      (then (global.set $heap (i32.const 4096))))
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $size))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  ;; Told: a configuration that is not empty.
  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (global.set $told (local.get $size))
    (i32.const 1))

  (func $count (param $number i32)
    (i32.store8 (i32.const 300) (i32.add (i32.const 48) (i32.div_u (local.get $number) (i32.const 100))))
    (i32.store8 (i32.const 301) (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $number) (i32.const 10)) (i32.const 10))))
    (i32.store8 (i32.const 302) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10)))))

  (func $flood
    (local $number i32)
    (local $key i32)
    (drop (call $set_shared (i32.const 0) (i32.const 11) (i32.const 64) (i32.const 85) (i32.const 0)))
    (drop (call $set_shared (i32.const 16) (i32.const 23) (i32.const 272) (i32.const 9) (i32.const 0)))
    (loop $next
      (call $count (local.get $number))
      ;; What is there, if anything, is put back under a key that it was not under.
      (if (i32.eqz (call $get_shared (i32.const 288) (i32.const 15) (i32.const 320) (i32.const 324) (i32.const 328)))
        (then (drop (call $set_shared (i32.const 0) (i32.const 11) (i32.load (i32.const 320)) (i32.load (i32.const 324)) (i32.const 0)))))
      (drop (call $set_shared (i32.const 288) (i32.const 15) (i32.const 64) (i32.const 85) (i32.const 0)))
      (local.set $number (i32.add (local.get $number) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $number) (i32.const 512)))))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $flood)
    (if (i32.eqz (call $register_queue (i32.const 0) (i32.const 11) (i32.const 332)))
      (then (drop (call $enqueue (i32.load (i32.const 332)) (i32.const 64) (i32.const 85)))))
    ;; Where the request comes from, as filter state of ours and as the native filter's.
    (drop (call $set_property (i32.const 16) (i32.const 23) (i32.const 272) (i32.const 9)))
    (drop (call $foreign (i32.const 192) (i32.const 22) (i32.const 224) (i32.const 36) (i32.const 336) (i32.const 340)))
    (drop (call $add_header (i32.const 0) (i32.const 160) (i32.const 21) (i32.const 272) (i32.const 9)))
    (if (global.get $told)
      (then (drop (call $set_property (i32.const 0) (i32.const 11) (i32.const 64) (i32.const 85)))))
    (i32.const 0)))
