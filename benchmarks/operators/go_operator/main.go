// A minimal operator with controller-runtime that makes what Chekov's operator makes of a bundle
// with an image. It is measured beside it, and is of no other use: it has no rollout, no database,
// no drift by value and no errors in conditions.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	fieldManager   = "go-operator"
	hashAnnotation = "chekov.dev/hash"
	workers        = 16
	ofBundle       = "bundle"
)

type reconciler struct {
	client.Client
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	bundle := &DomainBundle{}
	if err := r.Get(ctx, request.NamespacedName, bundle); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	store := &EventStore{}
	named := types.NamespacedName{Namespace: bundle.Namespace, Name: bundle.Spec.EventStoreRef.Name}
	if err := r.Get(ctx, named, store); err != nil {
		return ctrl.Result{}, err
	}
	name, err := digest(bundle.Spec, store.Spec)
	if err != nil {
		return ctrl.Result{}, err
	}
	wanted := &revision{name: name, bundle: bundle, store: store}
	reached, err := r.reached(ctx, wanted)
	if err != nil {
		return ctrl.Result{}, err
	}
	for _, child := range children {
		if child.after > reached {
			continue
		}
		if err := r.apply(ctx, child, wanted); err != nil {
			return ctrl.Result{}, fmt.Errorf("apply %s: %w", child.kind, err)
		}
	}
	return ctrl.Result{}, r.report(ctx, wanted, reached)
}

// reached returns how far a revision has come, by the pods of its Jobs.
func (r *reconciler) reached(ctx context.Context, wanted *revision) (step, error) {
	pods := &corev1.PodList{}
	err := r.List(ctx, pods, client.InNamespace(wanted.bundle.Namespace),
		client.MatchingFields{ofBundle: wanted.bundle.Name})
	if err != nil {
		return created, err
	}
	check := succeeded(pods, wanted.name, "check")
	if check == nil {
		return created, nil
	}
	if err := json.Unmarshal([]byte(check.Message), &wanted.check); err != nil {
		return created, fmt.Errorf("result of the check: %w", err)
	}
	if succeeded(pods, wanted.name, "gate") == nil {
		return checked, nil
	}
	return gated, nil
}

func succeeded(pods *corev1.PodList, revision, component string) *corev1.ContainerStateTerminated {
	for _, pod := range pods.Items {
		if pod.Labels[revisionLabel] != revision || pod.Labels[componentLabel] != component {
			continue
		}
		for _, container := range pod.Status.ContainerStatuses {
			if ended := container.State.Terminated; ended != nil && ended.ExitCode == 0 {
				return ended
			}
		}
	}
	return nil
}

// apply applies a child, unless it was applied like that before.
func (r *reconciler) apply(ctx context.Context, child child, wanted *revision) error {
	configuration := child.apply(wanted)
	hash, err := digest(configuration)
	if err != nil {
		return err
	}
	live := child.live()
	name := types.NamespacedName{Namespace: wanted.bundle.Namespace, Name: *configuration.GetName()}
	switch err := r.Get(ctx, name, live); {
	case err == nil && live.GetAnnotations()[hashAnnotation] == hash:
		return nil
	case err != nil && !apierrors.IsNotFound(err):
		return err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(configuration)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{Object: content}
	object.SetAnnotations(labels.Merge(object.GetAnnotations(), labels.Set{hashAnnotation: hash}))
	applied := client.ApplyConfigurationFromUnstructured(object)
	return r.Apply(ctx, applied, client.FieldOwner(fieldManager), client.ForceOwnership)
}

func (r *reconciler) report(ctx context.Context, wanted *revision, reached step) error {
	bundle, before := wanted.bundle, wanted.bundle.DeepCopyObject().(*DomainBundle)
	live := &appsv1.Deployment{}
	name := types.NamespacedName{Namespace: bundle.Namespace, Name: wanted.objectName()}
	if err := r.Get(ctx, name, live); client.IgnoreNotFound(err) != nil {
		return err
	}
	ready := live.Status.ObservedGeneration == live.Generation && reached == gated &&
		live.Status.ReadyReplicas >= bundle.Spec.Replicas
	status := &bundle.Status
	status.ObservedGeneration = bundle.Generation
	status.Revision = wanted.name
	status.Replicas, status.ReadyReplicas = live.Status.Replicas, live.Status.ReadyReplicas
	status.Phase = "Progressing"
	if ready {
		status.Phase = "Ready"
	}
	set := func(kind string, met bool, reason, message string) {
		condition := metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message,
			ObservedGeneration: bundle.Generation,
		}
		if met {
			condition.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	set("Checked", reached >= checked, "Check", "whether the code loads")
	set("SchemaCompatible", reached >= gated, "Gate", "whether the code reads what is stored")
	set("Ready", ready, "Pods", fmt.Sprintf("%d of %d pods are ready", status.ReadyReplicas, bundle.Spec.Replicas))
	set("Progressing", !ready, "Pods", fmt.Sprintf("revision %s is rolled out", wanted.name))
	patch := client.MergeFrom(before)
	if data, err := patch.Data(bundle); err != nil || string(data) == "{}" {
		return err
	}
	return r.Status().Patch(ctx, bundle, patch)
}

func digest(values ...any) (string, error) {
	hash := sha256.New()
	for _, value := range values {
		if err := json.NewEncoder(hash).Encode(value); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:10], nil
}

func bundlesOfStore(reader client.Reader) handler.MapFunc {
	return func(ctx context.Context, store client.Object) []reconcile.Request {
		bundles := &DomainBundleList{}
		if err := reader.List(ctx, bundles, client.InNamespace(store.GetNamespace())); err != nil {
			return nil
		}
		var requests []reconcile.Request
		for i := range bundles.Items {
			if bundles.Items[i].Spec.EventStoreRef.Name == store.GetName() {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&bundles.Items[i])})
			}
		}
		return requests
	}
}

func bundleOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	name := types.NamespacedName{Namespace: pod.GetNamespace(), Name: pod.GetLabels()[bundleLabel]}
	return []reconcile.Request{{NamespacedName: name}}
}

func run() error {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	addToScheme(scheme)
	labelled, err := labels.NewRequirement(bundleLabel, selection.Exists, nil)
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Pod{}: {Label: labels.NewSelector().Add(*labelled)},
			},
		},
		LeaderElection:          true,
		LeaderElectionID:        fieldManager,
		LeaderElectionNamespace: "default",
		Metrics:                 metricsserver.Options{BindAddress: "127.0.0.1:0"},
		HealthProbeBindAddress:  "127.0.0.1:0",
	})
	if err != nil {
		return err
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	bundle := func(pod client.Object) []string { return []string{pod.GetLabels()[bundleLabel]} }
	if err := manager.GetFieldIndexer().IndexField(context.Background(), &corev1.Pod{}, ofBundle, bundle); err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).
		For(&DomainBundle{}).
		Owns(&corev1.ServiceAccount{}).
		Owns(&corev1.Service{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&batchv1.Job{}).
		Owns(&appsv1.Deployment{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		Owns(metadataOf("BundleRevision")(), builder.OnlyMetadata).
		Owns(metadataOf("Subscription")(), builder.OnlyMetadata).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(bundleOfPod)).
		Watches(&EventStore{}, handler.EnqueueRequestsFromMapFunc(bundlesOfStore(manager.GetClient()))).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(&reconciler{manager.GetClient()})
	if err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

func main() {
	ctrl.SetLogger(zap.New())
	if err := run(); err != nil {
		ctrl.Log.Error(err, "the operator failed")
		os.Exit(1)
	}
}
