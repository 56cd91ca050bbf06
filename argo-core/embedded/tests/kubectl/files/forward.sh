# forward.sh POD PORT PATH...: asks for paths through a forwarded port, then for what kubectl complained of.
pod=$1 port=$2
shift 2
: >forwarded.txt
kubectl port-forward "pod/$pod" ":$port" >forwarded.txt 2>&1 &
for _ in $(seq 100); do grep -q Forwarding forwarded.txt && break; sleep 0.1; done
local_port=$(sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p' forwarded.txt | head -1)
for path; do curl -s "http://127.0.0.1:$local_port$path" || echo "nothing at $path"; done
for _ in $(seq 20); do grep -q 'refused' forwarded.txt && break; [ "$port" = 8080 ] && break; sleep 0.1; done
kill $! 2>/dev/null
grep -o 'connect: connection refused' forwarded.txt | head -1
