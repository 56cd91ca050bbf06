// Writes ../../omitted.txt and ../../../server/checks/internal.txt: facts of the Go types of Kubernetes that no API description tells.
//
//	go run .    # with k8s.io/kubernetes 1.34.3 (and the k8s.io modules that go with it) in go.mod
package main

import (
	"os"
	"reflect"
	"sort"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	core "k8s.io/kubernetes/pkg/apis/core"
)

func name(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	if len(parts) < 2 {
		return t.Name()
	}
	return strings.Join(parts[len(parts)-2:], ".") + "." + t.Name()
}

var omitted = map[string][]string{}

func visit(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		visit(t.Elem())
	case reflect.Struct:
		if _, seen := omitted[name(t)]; seen {
			return
		}
		omitted[name(t)] = []string{}
		fields(t, name(t))
	}
}

func fields(t reflect.Type, owner string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if tag == "" || tag == "-" {
			continue
		}
		if strings.Contains(tag, "inline") {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Name() != "TypeMeta" {
				fields(inner, owner)
			}
			continue
		}
		wire, options, _ := strings.Cut(tag, ",")
		switch f.Type.Kind() {
		case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Int, reflect.Float64:
			if strings.Contains(options, "omitempty") {
				omitted[owner] = append(omitted[owner], wire)
			}
		}
		visit(f.Type)
	}
}

// Internal types: name, then Go name, wire name and shape of each field. s text, n number, b flag, * as it is (pointers to scalars, lists of scalars, maps), a type, [type], or type? for pointers.
var internal = map[string]string{}

func shape(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int32, reflect.Int64, reflect.Int:
		return "n"
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Struct && strings.HasPrefix(t.Elem().PkgPath(), "k8s.io/kubernetes") {
			inside(t.Elem())
			return t.Elem().Name() + "?"
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct && strings.HasPrefix(t.Elem().PkgPath(), "k8s.io/kubernetes") {
			inside(t.Elem())
			return "[" + t.Elem().Name() + "]"
		}
	case reflect.Struct:
		if strings.HasPrefix(t.PkgPath(), "k8s.io/kubernetes") {
			inside(t)
			return t.Name()
		}
	}
	return "*"
}

func inside(t reflect.Type) {
	if _, seen := internal[t.Name()]; seen {
		return
	}
	internal[t.Name()] = ""
	internal[t.Name()] = strings.Join(internals(t), " ")
}

func internals(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type.Name() == "ObjectMeta" {
			out = append(out, "ObjectMeta:metadata:*")
			continue
		}
		if f.Anonymous {
			out = append(out, internals(f.Type)...)
			continue
		}
		out = append(out, f.Name+":"+wire(f.Name)+":"+shape(f.Type))
	}
	return out
}

// The wire name of a field: the Go name with its first word in small letters.
func wire(name string) string {
	for _, known := range [][2]string{{"TTY", "tty"}, {"DNSPolicy", "dnsPolicy"}, {"DNSConfig", "dnsConfig"}, {"OS", "os"}, {"FSGroupChangePolicy", "fsGroupChangePolicy"}, {"FSGroup", "fsGroup"}, {"SELinuxOptions", "seLinuxOptions"}, {"SELinuxChangePolicy", "seLinuxChangePolicy"}, {"FSType", "fsType"}, {"GRPC", "grpc"}, {"HTTPGet", "httpGet"}, {"TCPSocket", "tcpSocket"}, {"HTTPHeaders", "httpHeaders"}, {"HostPID", "hostPID"}, {"HostIPC", "hostIPC"}, {"IP", "ip"}, {"APIVersion", "apiVersion"}, {"APIGroup", "apiGroup"}, {"NFS", "nfs"}, {"ISCSI", "iscsi"}, {"RBD", "rbd"}, {"FC", "fc"}, {"CSI", "csi"}, {"CephFS", "cephfs"}, {"AWSElasticBlockStore", "awsElasticBlockStore"}, {"GCEPersistentDisk", "gcePersistentDisk"}, {"StorageOS", "storageos"}, {"IQN", "iqn"}, {"WWIDs", "wwids"}, {"SSLEnabled", "sslEnabled"}, {"PDName", "pdName"}, {"PdID", "pdID"}, {"RBDImage", "image"}, {"RBDPool", "pool"}, {"RadosUser", "user"}, {"CephMonitors", "monitors"}, {"EndpointsName", "endpoints"}, {"DataDiskURI", "diskURI"}, {"GMSACredentialSpecName", "gmsaCredentialSpecName"}, {"GMSACredentialSpec", "gmsaCredentialSpec"}} {
		if known[0] == name {
			return known[1]
		}
	}
	return strings.ToLower(name[:1]) + name[1:]
}

func write(file, head string, lines []string) {
	sort.Strings(lines)
	if err := os.WriteFile(file, []byte(head+strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		panic(err)
	}
}

func main() {
	s := scheme.Scheme
	_ = apiextensions.AddToScheme(s)
	_ = apiregistration.AddToScheme(s)
	for _, t := range s.AllKnownTypes() {
		visit(t)
	}
	var lines []string
	for owner, names := range omitted {
		if len(names) > 0 {
			lines = append(lines, owner+" "+strings.Join(names, " "))
		}
	}
	write("../../omitted.txt", "# Optional fields that are no pointers in Go: a zero there is the same as nothing.\n", lines)
	inside(reflect.TypeOf(core.PodTemplateSpec{}))
	inside(reflect.TypeOf(core.PersistentVolumeClaimSpec{}))
	lines = nil
	for owner, text := range internal {
		lines = append(lines, owner+" "+text)
	}
	write("../../../server/checks/internal.txt", "# Internal types as messages show them: fields in the order of Go, with their wire names and shapes.\n", lines)

}
