package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "chekov.dev", Version: "v1alpha1"}

// DomainBundle has the fields that this operator takes into account.
type DomainBundle struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DomainBundleSpec   `json:"spec"`
	Status DomainBundleStatus `json:"status,omitempty"`
}

type DomainBundleSpec struct {
	EventStoreRef Reference `json:"eventStoreRef"`
	Code          Code      `json:"code"`
	Entrypoint    string    `json:"entrypoint"`
	Replicas      int32     `json:"replicas"`
}

type Reference struct {
	Name string `json:"name"`
}

type Code struct {
	Image string `json:"image"`
}

type DomainBundleStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Phase              string             `json:"phase,omitempty"`
	Revision           string             `json:"revision,omitempty"`
	Replicas           int32              `json:"replicas,omitempty"`
	ReadyReplicas      int32              `json:"readyReplicas,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type DomainBundleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DomainBundle `json:"items"`
}

// EventStore names the Secret with the address of a database.
type EventStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec EventStoreSpec `json:"spec"`
}

type EventStoreSpec struct {
	Connection Connection `json:"connection"`
	Schema     string     `json:"schema"`
}

type Connection struct {
	SecretRef SecretRef `json:"secretRef"`
}

type SecretRef struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

type EventStoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []EventStore `json:"items"`
}

func (b *DomainBundle) DeepCopyObject() runtime.Object {
	copied := *b
	b.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	copied.Status.Conditions = append([]metav1.Condition(nil), b.Status.Conditions...)
	return &copied
}

func (l *DomainBundleList) DeepCopyObject() runtime.Object {
	copied := *l
	l.ListMeta.DeepCopyInto(&copied.ListMeta)
	copied.Items = make([]DomainBundle, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopyObject().(*DomainBundle)
	}
	return &copied
}

func (s *EventStore) DeepCopyObject() runtime.Object {
	copied := *s
	s.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	return &copied
}

func (l *EventStoreList) DeepCopyObject() runtime.Object {
	copied := *l
	l.ListMeta.DeepCopyInto(&copied.ListMeta)
	copied.Items = make([]EventStore, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopyObject().(*EventStore)
	}
	return &copied
}

func addToScheme(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &DomainBundle{}, &DomainBundleList{}, &EventStore{}, &EventStoreList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}
