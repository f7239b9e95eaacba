{{- define "crm-steward.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "crm-steward.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "crm-steward.labels" -}}
{{ include "crm-steward.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "crm-steward.secret" -}}
{{- if .Values.secrets.existing }}{{ .Values.secrets.existing }}
{{- else if .Values.secrets.values }}{{ include "crm-steward.name" . }}{{ end }}
{{- end }}

{{- /* Of two services on one database the second waits; rules given here are read. */ -}}
{{- define "crm-steward.settings" -}}
{{- $more := dict }}
{{- if gt (int .Values.replicas) 1 }}{{ $_ := set $more "service" (dict "standby" true) }}{{ end }}
{{- if .Values.rules }}{{ $_ := set $more "rules" (dict "paths" (list "rules")) }}{{ end }}
{{- toYaml (merge (deepCopy .Values.settings) $more) }}
{{- end }}
