#!/usr/bin/env python3
"""services.py ADDRESS HOOK_PORT CERTIFICATE KEY [NODE_LABEL=VALUE]: what upstream's tests expect around them.

ADDRESS is one of this machine that pods reach. There, on port 9100, listens as much of httpbin as the tests ask for. On
127.0.0.1:HOOK_PORT an admission webhook tells pods where `minio` and `httpbin` are, and keeps them on the nodes with the
label: no name service is needed, and no workflow is touched.
"""
import base64
import http.server
import json
import ssl
import sys
import threading

address, hook_port, certificate, key = sys.argv[1:5]
selector = dict(it.split("=", 1) for it in sys.argv[5:])


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, body, kind="application/json", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Hook(Quiet):
    def do_POST(self):
        request = json.loads(self.body())["request"]
        spec = request["object"]["spec"]
        aliases = (spec.get("hostAliases") or []) + [{"ip": address, "hostnames": ["minio", "httpbin"]}]
        patch = [{"op": "add", "path": "/spec/hostAliases", "value": aliases}]
        if selector:
            merged = {**selector, **(spec.get("nodeSelector") or {})}
            patch.append({"op": "add", "path": "/spec/nodeSelector", "value": merged})
        encoded = base64.b64encode(json.dumps(patch).encode()).decode()
        response = {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": encoded}
        self.answer(200, {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


class HttpBin(Quiet):
    def any(self):
        sent = self.body()
        what, *rest = self.path.split("?")[0].strip("/").split("/")
        authorization = self.headers.get("Authorization", "")
        if what in ("get", "put", "post", "anything"):
            self.answer(200, {"url": self.path, "headers": dict(self.headers), "data": sent.decode(errors="replace")})
        elif what == "status" and rest:
            self.answer(int(rest[0]), b"")
        elif what == "basic-auth" and len(rest) == 2:
            wanted = "Basic " + base64.b64encode(":".join(rest).encode()).decode()
            if authorization == wanted:
                self.answer(200, {"authenticated": True, "user": rest[0]})
            else:
                self.answer(401, b"", **{"WWW-Authenticate": 'Basic realm="Fake Realm"'})
        elif what == "bearer":
            if authorization.startswith("Bearer "):
                self.answer(200, {"authenticated": True, "token": authorization[7:]})
            else:
                self.answer(401, b"", **{"WWW-Authenticate": "Bearer"})
        elif what == "base64" and rest:
            self.answer(200, base64.b64decode(rest[0]), "text/plain")
        else:
            self.answer(404, b"")

    do_GET = do_PUT = do_POST = do_HEAD = any


def serve(host, port, handler, context=None):
    server = http.server.ThreadingHTTPServer((host, port), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(certificate, key)
serve("127.0.0.1", int(hook_port), Hook, tls)
serve(address, 9100, HttpBin)
