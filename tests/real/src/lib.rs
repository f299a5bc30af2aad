//! A real Istio mesh on one machine: etcd, kube-apiserver, istiod, and a pilot-agent with its Envoy for each workload.
