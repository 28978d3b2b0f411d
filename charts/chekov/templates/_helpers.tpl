{{- define "chekov.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "chekov.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "chekov.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "chekov.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "chekov.selectorLabels" -}}
app.kubernetes.io/name: chekov-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "chekov.commonLabels" -}}
app.kubernetes.io/part-of: chekov
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "chekov.labels" -}}
{{ include "chekov.selectorLabels" . }}
{{ include "chekov.commonLabels" . }}
{{- end -}}

{{/* The chart's labels and the user's; the chart's win, because selectors use them. */}}
{{- define "chekov.labelsWith" -}}
{{- toYaml (merge (include "chekov.labels" (first .) | fromYaml) (last .)) -}}
{{- end -}}

{{- define "chekov.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "chekov.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "chekov.reference" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%v" .repository .tag -}}
{{- end -}}
{{- end -}}

{{- define "chekov.image" -}}
{{- $image := .Values.image -}}
{{- include "chekov.reference" (dict "repository" $image.repository "digest" $image.digest "tag" (default .Chart.AppVersion $image.tag)) -}}
{{- end -}}

{{/* The runtime's image is the operator's, unless its repository is set. */}}
{{- define "chekov.runtimeImage" -}}
{{- $image := .Values.runtime.image -}}
{{- if $image.repository -}}
{{- include "chekov.reference" (dict "repository" $image.repository "digest" $image.digest "tag" (default .Chart.AppVersion $image.tag)) -}}
{{- else -}}
{{- include "chekov.image" . -}}
{{- end -}}
{{- end -}}

{{- define "chekov.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "chekov.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The operator's rights in a namespace that it watches. */}}
{{- define "chekov.rules" -}}
- apiGroups: [chekov.dev]
  resources: [eventstores, domainbundles]
  verbs: [get, list, watch]
- apiGroups: [chekov.dev]
  resources: [bundlerevisions, subscriptions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [chekov.dev]
  resources: [replays]
  verbs: [get, list, watch, delete]
- apiGroups: [chekov.dev]
  resources:
    - eventstores/status
    - domainbundles/status
    - bundlerevisions/status
    - subscriptions/status
    - replays/status
  verbs: [patch]
# To no pod and back, for bundles without commands.
- apiGroups: [chekov.dev]
  resources: [domainbundles/scale]
  verbs: [patch]
# Needed for owner references that block deletion, on clusters that enforce it.
- apiGroups: [chekov.dev]
  resources: [eventstores/finalizers, domainbundles/finalizers, bundlerevisions/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# The ports of the pods behind the Service of a database, for network policies.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# The results of checks that are too long for a termination message.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# Values are read by name, of the Secrets that specs name; of all others, only the metadata is listed
# and watched, so that a rotated password is noticed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, create, patch]
{{- end -}}
