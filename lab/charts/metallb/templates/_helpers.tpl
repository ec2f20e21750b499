{{- define "metallb.fullname" -}}
{{ contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) }}
{{- end }}

{{- define "metallb.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "metallb.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "metallb.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Selector and template of a component's Pods. Takes a dict: root, name, values, args, tolerations. */}}
{{- define "metallb.pods" -}}
{{- $root := .root -}}
selector:
  matchLabels: {{- include "metallb.selectorLabels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
template:
  metadata:
    labels: {{- include "metallb.selectorLabels" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
      {{- with .values.labels }}{{ toYaml . | nindent 6 }}{{ end }}
    annotations:
      {{- if $root.Values.prometheus.scrapeAnnotations }}
      prometheus.io/scrape: "true"
      prometheus.io/scheme: https
      prometheus.io/port: {{ $root.Values.prometheus.metricsPort | quote }}
      {{- end }}
      {{- with .values.podAnnotations }}{{ toYaml . | nindent 6 }}{{ end }}
  spec:
    serviceAccountName: {{ include "metallb.fullname" $root }}-{{ .name }}
    {{- with $root.Values.imagePullSecrets }}
    imagePullSecrets: {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .values.securityContext }}
    securityContext: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if eq .name "speaker" }}
    hostNetwork: true
    {{- end }}
    containers:
    - name: {{ .name }}
      image: {{ .values.image.repository }}:{{ .values.image.tag | default $root.Chart.AppVersion }}
      {{- with .values.image.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      args: {{- .args | toYaml | nindent 6 }}
      ports:
      - { name: metricshttps, containerPort: {{ $root.Values.prometheus.metricsPort }} }
      {{- with .values.resources }}
      resources: {{- toYaml . | nindent 8 }}
      {{- end }}
      # Pod Security looks at these, whoever plays the Pod.
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL]{{ if eq .name "speaker" }}, add: [NET_RAW]{{ end }} }
    nodeSelector:
      kubernetes.io/os: linux
      {{- with .values.nodeSelector }}{{ toYaml . | nindent 6 }}{{ end }}
    {{- with .values.affinity }}
    affinity: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .tolerations }}
    tolerations: {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .values.priorityClassName }}
    priorityClassName: {{ . | quote }}
    {{- end }}
{{- end }}

{{- define "metallb.args" -}}
- --port={{ .root.Values.prometheus.metricsPort }}
- --log-level={{ .values.logLevel }}
{{- with .root.Values.loadBalancerClass }}
- --lb-class={{ . }}
{{- end }}
{{- end }}
