{{- define "authentik.fullname" -}}
{{ contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) }}
{{- end }}

{{- /* Both take a dict: root, component (optional). */}}
{{- define "authentik.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "authentik.labels" -}}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{ include "authentik.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: authentik
app.kubernetes.io/version: {{ .root.Values.global.image.tag | default .root.Chart.AppVersion | quote }}
{{- with .root.Values.global.additionalLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Variables of a tree of settings. Takes a dict: root, prefix, settings. Empty ones are left out. */}}
{{- define "authentik.variables" -}}
{{- $root := .root }}
{{- $prefix := .prefix }}
{{- range $name, $value := .settings }}
{{- $variable := printf "%s%s" $prefix (upper $name) }}
{{- if kindIs "map" $value }}
{{- include "authentik.variables" (dict "root" $root "prefix" (printf "%s__" $variable) "settings" $value) }}
{{- else if not (has $value (list nil "")) }}
{{ $variable }}: {{ tpl (toString $value) $root | b64enc | quote }}
{{- end }}
{{- end }}
{{- end }}
