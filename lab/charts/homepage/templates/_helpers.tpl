{{- define "homepage.fullname" -}}
{{ contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) }}
{{- end }}

{{- define "homepage.selectorLabels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "homepage.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "homepage.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "homepage.serviceAccountName" -}}
{{- $made := or .Values.serviceAccount.create .Values.enableRbac -}}
{{ .Values.serviceAccount.name | default ($made | ternary (include "homepage.fullname" .) "default") }}
{{- end }}

{{- /* Environment of the container: a list, or a map of names to values or sources. Templates in values are rendered. */}}
{{- define "homepage.env" -}}
{{- $root := . }}
{{- range $key, $item := .Values.env }}
{{- $entry := kindIs "map" $item | ternary $item (dict "value" $item) }}
{{- $name := kindIs "int" $key | ternary (get $entry "name") $key }}
- name: {{ required "env: every item of the list needs a name" $name }}
  {{- if hasKey $entry "value" }}
  value: {{ tpl (toString $entry.value) $root | quote }}
  {{- else }}
  valueFrom: {{- get $entry "valueFrom" | default (omit $entry "name") | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
