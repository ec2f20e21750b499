{{- define "longhorn.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion }}
{{- end }}

{{- define "longhorn.image" -}}
docker.io/longhornio/{{ .name }}:{{ .root.Chart.AppVersion }}
{{- end }}

{{- /* Where a component's Pods run, and for whom. Takes a dict: root, values, account. */}}
{{- define "longhorn.placement" -}}
serviceAccountName: {{ .account | default "longhorn-service-account" }}
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .values.priorityClass }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations | default .root.Values.global.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .values.nodeSelector | default .root.Values.global.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Environment from the Pod's own fields. Takes a dict: variable -> field. */}}
{{- define "longhorn.fields" -}}
{{- range $name, $field := . }}
- { name: {{ $name }}, valueFrom: { fieldRef: { fieldPath: {{ $field }} } } }
{{- end }}
{{- end }}
