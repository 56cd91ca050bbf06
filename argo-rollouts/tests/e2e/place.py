#!/usr/bin/env python3
"""place.py PORT CERTIFICATE KEY REAL_NODE: an admission webhook that says where pods run.

Pods that need containers (Jobs, commands, probes, readiness gates that a test sets, images that must fail) go to the
real node, all others to nodes labelled type=fake, where they are ready at once.
"""
import base64
import http.server
import json
import ssl
import sys

port, certificate, key, real_node = sys.argv[1:]
NO_IMAGE = ("error", "not-exist")


def needs_containers(pod):
    spec = pod["spec"]
    containers = spec.get("containers", []) + spec.get("initContainers", [])
    if spec.get("readinessGates") or any(o["kind"] == "Job" for o in pod["metadata"].get("ownerReferences", [])):
        return True
    fields = ("command", "args", "readinessProbe", "livenessProbe", "lifecycle")
    return any(any(c.get(f) for f in fields) or any(w in c["image"] for w in NO_IMAGE) for c in containers)


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        pod = request["object"]
        real = needs_containers(pod)
        selector = dict(pod["spec"].get("nodeSelector") or {})
        selector.update({"kubernetes.io/hostname": real_node} if real else {"type": "fake"})
        patch = [{"op": "add", "path": "/spec/nodeSelector", "value": selector}]
        response = {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch",
                    "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
