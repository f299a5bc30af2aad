{{- define "regionguard.ecds" -}}
# What the filter `regionguard` is configured with: the module, and the bundle of policy under `configuration.value`.
# Envoy reads this file at its start and whenever the folder around it changes as a mounted ConfigMap does.
#
# The bundle stands from `value:` on. `regionguard render ecds FOLDER` writes this file from a folder of documents, which is the better place to edit
# it: raise `metadata.version` there with each change. A bundle that does not validate is refused as a whole: the one before it goes on serving, and
# Envoy's log says which field is wrong. By hand, quote what looks like a number or a truth value but is text: "18.10", "09:00", "NO".
#
# Whoever may write this file owns the proxy: it names the code that runs, whom it trusts and what it allows.
version_info: "1"
resources:
  - "@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
    name: regionguard # the name of the HTTP filter in the bootstrap
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
      config:
        name: regionguard
        root_id: regionguard
        # A module that traps is loaded anew; until then the requests of that worker are answered 503. Never FAIL_OPEN.
        failure_policy: FAIL_RELOAD
        vm_config:
          vm_id: regionguard
          runtime: envoy.wasm.runtime.v8
          allow_precompiled: false # machine code inside a module would bypass the sandbox
          code:
            local: {filename: {{ $.Values.policy.moduleFile | quote }}}
        configuration:
          "@type": type.googleapis.com/google.protobuf.Struct
          value:
            {{- include "regionguard.bundle" $ | nindent 12 }}
{{- end -}}
