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

{{/* The pods whose policy is mounted: those of `selector`, or else those with the label. */}}
{{- define "regionguard.fileSelector" -}}
{{- if .Values.selector -}}
{{- toYaml .Values.selector -}}
{{- else -}}
security.io/regionguard-policy: file
{{- end -}}
{{- end -}}
