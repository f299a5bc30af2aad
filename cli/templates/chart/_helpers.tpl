{{/* The centers, for proxies that know only what they route to: NAMESPACE/HOST,… */}}
{{- define "regionguard.referencedServices" -}}
{{- $namespace := .Release.Namespace -}}
{{- $hosts := list -}}
{{- range .Values.centers -}}
{{- $hosts = append $hosts (printf "%s/%s" $namespace .host) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- end -}}

{{/* The image by its digest, as a pod names it. */}}
{{- define "regionguard.imageReference" -}}
{{- $image := trimPrefix "oci://" .Values.image.url -}}
{{- printf "%s@sha256:%s" (regexReplaceAll ":[^:/]*$" $image "") .Values.image.sha256 -}}
{{- end -}}

{{/* The pods whose policy is mounted: of those of `selector`, if there is one, the ones with the label. */}}
{{- define "regionguard.fileSelector" -}}
{{- toYaml (merge (dict "security.io/regionguard-policy" "file") (default dict .Values.selector)) -}}
{{- end -}}

{{/* The bundle. The chart has none of its own. */}}
{{- define "regionguard.bundle" -}}
{{- if not .Values.bundle -}}
{{- fail "set bundle: `regionguard render helm-values FOLDER --out DIR` writes it into DIR/values.yaml; give that file by --values" -}}
{{- end -}}
{{- toYaml .Values.bundle -}}
{{- end -}}
