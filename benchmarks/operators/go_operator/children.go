package main

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	acbatch "k8s.io/client-go/applyconfigurations/batch/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	acnetworking "k8s.io/client-go/applyconfigurations/networking/v1"
	acpolicy "k8s.io/client-go/applyconfigurations/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	bundleLabel    = "chekov.dev/bundle"
	revisionLabel  = "chekov.dev/revision"
	componentLabel = "app.kubernetes.io/component"

	httpPort       = 8080
	managementPort = 9090
	postgresPort   = 5432
	dnsPort        = 53
)

// step says how far a bundle has to have come before a child is made.
type step int

const (
	created step = iota
	checked
	gated
)

// child is one object that every bundle has.
type child struct {
	kind  string
	after step
	live  func() client.Object
	apply func(*revision) named
}

// named is an apply configuration of any kind.
type named interface{ GetName() *string }

// children are those that Chekov's operator makes for a bundle with an image, in the same steps.
var children = []child{
	{"ServiceAccount", created, func() client.Object { return &corev1.ServiceAccount{} }, serviceAccount},
	{"BundleRevision", created, metadataOf("BundleRevision"), bundleRevision},
	{"NetworkPolicy", created, func() client.Object { return &networkingv1.NetworkPolicy{} }, checkPolicy},
	{"Job", created, func() client.Object { return &batchv1.Job{} }, checkJob},
	{"NetworkPolicy", checked, func() client.Object { return &networkingv1.NetworkPolicy{} }, gatePolicy},
	{"Job", checked, func() client.Object { return &batchv1.Job{} }, gateJob},
	{"NetworkPolicy", gated, func() client.Object { return &networkingv1.NetworkPolicy{} }, networkPolicy},
	{"Service", gated, func() client.Object { return &corev1.Service{} }, service},
	{"Service", gated, func() client.Object { return &corev1.Service{} }, managementService},
	{"Deployment", gated, func() client.Object { return &appsv1.Deployment{} }, deployment},
	{"PodDisruptionBudget", gated, func() client.Object { return &policyv1.PodDisruptionBudget{} }, disruptionBudget},
	{"Subscription", gated, metadataOf("Subscription"), subscription},
}

// metadataOf makes objects of a kind of which only the metadata is watched.
func metadataOf(kind string) func() client.Object {
	return func() client.Object {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(groupVersion.WithKind(kind))
		return object
	}
}

// revision is what the children of a bundle are made from.
type revision struct {
	name   string
	bundle *DomainBundle
	store  *EventStore
	// check is what the code contains, once that is known.
	check checkResult
}

type checkResult struct {
	Domain        string `json:"domain"`
	Subscriptions []struct {
		Name    string `json:"name"`
		Kind    string `json:"kind"`
		Version int64  `json:"version"`
	} `json:"subscriptions"`
}

func (r *revision) objectName() string { return r.bundle.Name + "-" + r.name }

func (r *revision) jobName(component string) string {
	return fmt.Sprintf("%s-%s-%s", r.bundle.Name, component, r.name)
}

func (r *revision) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":       "chekov-runtime",
		"app.kubernetes.io/instance":   r.bundle.Name,
		"app.kubernetes.io/managed-by": fieldManager,
		bundleLabel:                    r.bundle.Name,
	}
}

func (r *revision) labelsOf(component string) map[string]string {
	labels := r.labels()
	labels[revisionLabel] = r.name
	labels[componentLabel] = component
	return labels
}

func (r *revision) selector() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": "chekov-runtime",
		bundleLabel:              r.bundle.Name,
		componentLabel:           "runtime",
	}
}

func (r *revision) selectorOfRevision() map[string]string {
	selector := r.selector()
	selector[revisionLabel] = r.name
	return selector
}

func (r *revision) owner() *acmeta.OwnerReferenceApplyConfiguration {
	return acmeta.OwnerReference().
		WithAPIVersion(groupVersion.String()).WithKind("DomainBundle").
		WithName(r.bundle.Name).WithUID(r.bundle.UID).
		WithController(true).WithBlockOwnerDeletion(true)
}

func serviceAccount(r *revision) named {
	return accore.ServiceAccount(r.bundle.Name, r.bundle.Namespace).
		WithLabels(r.labels()).WithOwnerReferences(r.owner()).
		WithAutomountServiceAccountToken(false)
}

// custom is an apply configuration of a kind for which none was generated.
type custom struct {
	APIVersion string                               `json:"apiVersion"`
	Kind       string                               `json:"kind"`
	Metadata   *acmeta.ObjectMetaApplyConfiguration `json:"metadata"`
	Spec       map[string]any                       `json:"spec"`
}

func (c *custom) GetName() *string { return c.Metadata.Name }

func (r *revision) custom(kind, name string, labels map[string]string, spec map[string]any) named {
	metadata := acmeta.ObjectMeta().
		WithNamespace(r.bundle.Namespace).WithName(name).
		WithLabels(labels).WithOwnerReferences(r.owner())
	return &custom{groupVersion.String(), kind, metadata, spec}
}

func bundleRevision(r *revision) named {
	spec := r.bundle.Spec
	return r.custom("BundleRevision", r.objectName(), r.labelsOf("revision"), map[string]any{
		"bundle":     r.bundle.Name,
		"revision":   r.name,
		"number":     int64(1),
		"image":      spec.Code.Image,
		"entrypoint": spec.Entrypoint,
		"template": map[string]any{
			"eventStoreRef": map[string]any{"name": spec.EventStoreRef.Name},
			"code":          map[string]any{"image": spec.Code.Image},
			"entrypoint":    spec.Entrypoint,
			"replicas":      int64(spec.Replicas),
		},
	})
}

// subscription is that of the one handler that the benchmark's domain has.
func subscription(r *revision) named {
	handler := r.check.Subscriptions[0]
	return r.custom("Subscription", r.bundle.Name+"-"+handler.Name, r.labels(), map[string]any{
		"bundleRef":     map[string]any{"name": r.bundle.Name},
		"eventStoreRef": map[string]any{"name": r.bundle.Spec.EventStoreRef.Name},
		"domain":        r.check.Domain,
		"handler":       handler.Name,
		"kind":          handler.Kind,
		"version":       handler.Version,
	})
}

func port(number int, protocols ...corev1.Protocol) []*acnetworking.NetworkPolicyPortApplyConfiguration {
	ports := make([]*acnetworking.NetworkPolicyPortApplyConfiguration, 0, len(protocols))
	for _, protocol := range protocols {
		ports = append(ports, acnetworking.NetworkPolicyPort().
			WithProtocol(protocol).WithPort(intstr.FromInt(number)))
	}
	return ports
}

func egress(number int, protocols ...corev1.Protocol) *acnetworking.NetworkPolicyEgressRuleApplyConfiguration {
	return acnetworking.NetworkPolicyEgressRule().WithPorts(port(number, protocols...)...)
}

func (r *revision) policy(
	name string, pods map[string]string, ports ...int,
) *acnetworking.NetworkPolicyApplyConfiguration {
	spec := acnetworking.NetworkPolicySpec().
		WithPodSelector(acmeta.LabelSelector().WithMatchLabels(pods)).
		WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress).
		WithEgress(egress(dnsPort, corev1.ProtocolUDP, corev1.ProtocolTCP))
	for _, number := range ports {
		spec.WithEgress(egress(number, corev1.ProtocolTCP))
	}
	return acnetworking.NetworkPolicy(name, r.bundle.Namespace).
		WithLabels(r.labels()).WithOwnerReferences(r.owner()).WithSpec(spec)
}

func (r *revision) podsOf(component string) map[string]string {
	return map[string]string{bundleLabel: r.bundle.Name, componentLabel: component}
}

func checkPolicy(r *revision) named {
	return r.policy(r.bundle.Name+"-check", r.podsOf("check"))
}

func gatePolicy(r *revision) named {
	return r.policy(r.bundle.Name+"-gate", r.podsOf("gate"), postgresPort)
}

func networkPolicy(r *revision) named {
	policy := r.policy(r.bundle.Name, r.selector(), postgresPort)
	policy.Spec.WithIngress(
		acnetworking.NetworkPolicyIngressRule().WithPorts(port(httpPort, corev1.ProtocolTCP)...),
		acnetworking.NetworkPolicyIngressRule().WithPorts(port(managementPort, corev1.ProtocolTCP)...).
			WithFrom(acnetworking.NetworkPolicyPeer().WithNamespaceSelector(acmeta.LabelSelector())),
	)
	return policy
}

func servicePort(name string, number int32) *accore.ServicePortApplyConfiguration {
	return accore.ServicePort().WithName(name).WithPort(number).
		WithProtocol(corev1.ProtocolTCP).WithTargetPort(intstr.FromString(name))
}

func service(r *revision) named {
	return accore.Service(r.bundle.Name, r.bundle.Namespace).
		WithLabels(r.labels()).WithOwnerReferences(r.owner()).
		WithSpec(accore.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(r.selector()).
			WithPorts(servicePort("http", httpPort)))
}

func managementService(r *revision) named {
	return accore.Service(r.bundle.Name+"-management", r.bundle.Namespace).
		WithLabels(r.labels()).WithOwnerReferences(r.owner()).
		WithSpec(accore.ServiceSpec().
			WithClusterIP(corev1.ClusterIPNone).
			WithPublishNotReadyAddresses(true).
			WithSelector(r.selector()).
			WithPorts(servicePort("management", managementPort)))
}

func disruptionBudget(r *revision) named {
	labels := r.labels()
	labels[revisionLabel] = r.name
	return acpolicy.PodDisruptionBudget(r.objectName(), r.bundle.Namespace).
		WithLabels(labels).WithOwnerReferences(r.owner()).
		WithSpec(acpolicy.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow).
			WithSelector(acmeta.LabelSelector().WithMatchLabels(r.selectorOfRevision())))
}

func value(name, text string) *accore.EnvVarApplyConfiguration {
	return accore.EnvVar().WithName(name).WithValue(text)
}

func (r *revision) storeVariables() []*accore.EnvVarApplyConfiguration {
	secret := r.store.Spec.Connection.SecretRef
	dsn := accore.SecretKeySelector().WithName(secret.Name).WithKey(secret.Key)
	return []*accore.EnvVarApplyConfiguration{
		accore.EnvVar().WithName("CHEKOV_STORE").
			WithValueFrom(accore.EnvVarSource().WithSecretKeyRef(dsn)),
		value("CHEKOV_SCHEMA", r.store.Spec.Schema),
	}
}

func (r *revision) codeVariables() []*accore.EnvVarApplyConfiguration {
	return []*accore.EnvVarApplyConfiguration{
		value("CHEKOV_DOMAIN", r.bundle.Spec.Entrypoint),
		value("CHEKOV_BUNDLE", r.bundle.Name),
		value("CHEKOV_REVISION", r.name),
		value("CHEKOV_LOG_FORMAT", "json"),
	}
}

func (r *revision) container(
	cpu, memory string, variables []*accore.EnvVarApplyConfiguration, command ...string,
) *accore.ContainerApplyConfiguration {
	return accore.Container().
		WithName("runtime").
		WithImage(r.bundle.Spec.Code.Image).
		WithCommand(command...).
		WithSecurityContext(accore.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithCapabilities(accore.Capabilities().WithDrop("ALL")).
			WithReadOnlyRootFilesystem(true)).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithVolumeMounts(accore.VolumeMount().WithName("tmp").WithMountPath("/tmp")).
		WithEnv(variables...).
		WithResources(accore.ResourceRequirements().
			WithRequests(corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse(cpu),
				corev1.ResourceMemory: resource.MustParse(memory),
			}).
			WithLimits(corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}))
}

func (r *revision) podSpec(container *accore.ContainerApplyConfiguration) *accore.PodSpecApplyConfiguration {
	return accore.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithSecurityContext(accore.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(10001).WithRunAsGroup(10001).WithFSGroup(10001).
			WithSeccompProfile(accore.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithContainers(container).
		WithVolumes(accore.Volume().WithName("tmp").
			WithEmptyDir(accore.EmptyDirVolumeSource().WithSizeLimit(resource.MustParse("64Mi")))).
		WithServiceAccountName(r.bundle.Name)
}

func (r *revision) job(component string, container *accore.ContainerApplyConfiguration) named {
	labels := r.labelsOf(component)
	return acbatch.Job(r.jobName(component), r.bundle.Namespace).
		WithLabels(labels).WithOwnerReferences(r.owner()).
		WithSpec(acbatch.JobSpec().
			WithBackoffLimit(0).
			WithActiveDeadlineSeconds(300).
			WithTemplate(accore.PodTemplateSpec().
				WithLabels(labels).
				WithSpec(r.podSpec(container).WithRestartPolicy(corev1.RestartPolicyNever))))
}

func checkJob(r *revision) named {
	return r.job("check", r.container("50m", "96Mi", r.codeVariables(),
		"chekov", "check", "--output", "frame", "--termination-log", "/dev/termination-log"))
}

func gateJob(r *revision) named {
	variables := append(r.storeVariables(), r.codeVariables()...)
	return r.job("gate", r.container("50m", "96Mi", variables, "chekov", "gate", "--output", "frame"))
}

func probe(path string, period, failures int32) *accore.ProbeApplyConfiguration {
	return accore.Probe().
		WithHTTPGet(accore.HTTPGetAction().WithPath(path).
			WithPort(intstr.FromString("management")).WithScheme(corev1.URISchemeHTTP)).
		WithPeriodSeconds(period).WithFailureThreshold(failures).WithTimeoutSeconds(3)
}

func containerPort(name string, number int32) *accore.ContainerPortApplyConfiguration {
	return accore.ContainerPort().WithName(name).WithContainerPort(number).WithProtocol(corev1.ProtocolTCP)
}

func deployment(r *revision) named {
	labels := r.labelsOf("runtime")
	variables := slices.Concat(r.storeVariables(), r.codeVariables(), []*accore.EnvVarApplyConfiguration{
		value("CHEKOV_HTTP_PORT", fmt.Sprint(httpPort)),
		value("CHEKOV_MANAGEMENT_PORT", fmt.Sprint(managementPort)),
		accore.EnvVar().WithName("CHEKOV_NODE").WithValueFrom(accore.EnvVarSource().
			WithFieldRef(accore.ObjectFieldSelector().WithFieldPath("metadata.name"))),
		value("CHEKOV_LOG_LEVEL", "info"),
		value("CHEKOV_DRAIN_DELAY", "3"),
		value("CHEKOV_DRAIN_TIMEOUT", "30"),
		value("OTEL_SERVICE_NAME", r.bundle.Name),
	})
	container := r.container("100m", "128Mi", variables, "chekov", "serve").
		WithPorts(containerPort("http", httpPort), containerPort("management", managementPort)).
		WithStartupProbe(probe("/startupz", 1, 120)).
		WithReadinessProbe(probe("/readyz", 2, 2)).
		WithLivenessProbe(probe("/livez", 10, 3))
	pod := r.podSpec(container).
		WithTerminationGracePeriodSeconds(40).
		WithTopologySpreadConstraints(accore.TopologySpreadConstraint().
			WithMaxSkew(1).
			WithTopologyKey(corev1.LabelHostname).
			WithWhenUnsatisfiable(corev1.ScheduleAnyway).
			WithLabelSelector(acmeta.LabelSelector().WithMatchLabels(maps.Clone(labels))))
	return acapps.Deployment(r.objectName(), r.bundle.Namespace).
		WithLabels(labels).WithOwnerReferences(r.owner()).
		WithSpec(acapps.DeploymentSpec().
			WithReplicas(r.bundle.Spec.Replicas).
			WithRevisionHistoryLimit(3).
			WithProgressDeadlineSeconds(1<<31 - 1).
			WithSelector(acmeta.LabelSelector().WithMatchLabels(r.selectorOfRevision())).
			WithStrategy(acapps.DeploymentStrategy().
				WithType(appsv1.RollingUpdateDeploymentStrategyType).
				WithRollingUpdate(acapps.RollingUpdateDeployment().
					WithMaxSurge(intstr.FromInt32(1)).WithMaxUnavailable(intstr.FromInt32(0)))).
			WithTemplate(accore.PodTemplateSpec().
				WithLabels(labels).
				WithAnnotations(map[string]string{
					"prometheus.io/scrape": "true",
					"prometheus.io/port":   fmt.Sprint(managementPort),
					"prometheus.io/path":   "/metrics",
				}).
				WithSpec(pod)))
}
