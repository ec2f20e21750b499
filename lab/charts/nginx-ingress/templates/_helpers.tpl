{{- define "nginx-ingress.fullname" -}}
{{ contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) }}
{{- end }}

{{- define "nginx-ingress.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nginx-ingress.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "nginx-ingress.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* The controller's command line: what the lab's data plane reads its configuration from. */}}
{{- define "nginx-ingress.args" -}}
{{- $name := include "nginx-ingress.fullname" . -}}
{{- with .Values.controller -}}
- -nginx-plus=false
- -nginx-reload-timeout={{ .nginxReloadTimeout }}
- -nginx-configmaps=$(POD_NAMESPACE)/{{ $name }}
{{- with .defaultTLS.secret }}
- -default-server-tls-secret={{ . }}
{{- end }}
{{- with .wildcardTLS.secret }}
- -wildcard-tls-secret={{ . }}
{{- end }}
- -ingress-class={{ .ingressClass.name }}
{{- with .watchNamespace }}
- -watch-namespace={{ . }}
{{- end }}
- -health-status={{ .healthStatus }}
- -health-status-uri={{ .healthStatusURI }}
- -log-level={{ .logLevel }}
- -log-format={{ .logFormat }}
- -nginx-status={{ .nginxStatus.enable }}
{{- if .nginxStatus.enable }}
- -nginx-status-port={{ .nginxStatus.port }}
- -nginx-status-allow-cidrs={{ .nginxStatus.allowCidrs }}
{{- end }}
{{- if .reportIngressStatus.enable }}
- -report-ingress-status
{{- if and .service.create (eq .service.type "LoadBalancer") }}
- -external-service={{ $name }}-controller
{{- end }}
{{- end }}
- -enable-leader-election={{ .reportIngressStatus.enableLeaderElection }}
{{- if .reportIngressStatus.enableLeaderElection }}
- -leader-election-lock-name={{ $name }}-leader-election
{{- end }}
- -enable-prometheus-metrics={{ $.Values.prometheus.create }}
- -prometheus-metrics-listen-port={{ $.Values.prometheus.port }}
- -enable-custom-resources={{ .enableCustomResources }}
- -enable-snippets={{ .enableSnippets }}
- -disable-ipv6={{ .disableIPV6 }}
- -default-http-listener-port={{ .defaultHTTPListenerPort }}
- -default-https-listener-port={{ .defaultHTTPSListenerPort }}
- -ready-status={{ .readyStatus.enable }}
- -ready-status-port={{ .readyStatus.port }}
- -enable-latency-metrics={{ .enableLatencyMetrics }}
- -ssl-dynamic-reload={{ .enableSSLDynamicReload }}
- -enable-telemetry-reporting={{ .telemetryReporting.enable }}
{{- end }}
{{- end }}
