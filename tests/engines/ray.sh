#!/bin/bash
# A Ray cluster of a head and two nodes on this host, for tests, each with a loopback address of its own.
#
#   tests/engines/ray.sh start FOLDER    starts it
#   tests/engines/ray.sh stop FOLDER     ends all of it
#   tests/engines/ray.sh node FOLDER n1  starts one node again
#
# The head (127.0.0.2) takes no work; n1 (127.0.0.3) and n2 (127.0.0.4) take two orders each. RAY names the program ray.
# Exit code 77: it is missing.
set -eu
action=$1
folder=$(mkdir -p "$2" && cd "$2" && pwd)
ray=${RAY:-ray}
port=${RAY_TEST_PORT:-6390}
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token RAY_USAGE_STATS_ENABLED=0
export RAY_gcs_rpc_server_reconnect_timeout_s=3600 RAY_health_check_period_ms=1000 RAY_health_check_timeout_ms=2000
unset RAY_ADDRESS

start_node() {
    case $1 in
    head) where="--head --port=$port --node-ip-address=127.0.0.2 --num-cpus=0 --include-dashboard=false --temp-dir=$folder/t" ;;
    n1) where="--address=127.0.0.2:$port --node-ip-address=127.0.0.3 --num-cpus=2" ;;
    n2) where="--address=127.0.0.2:$port --node-ip-address=127.0.0.4 --num-cpus=2" ;;
    esac
    # shellcheck disable=SC2086
    "$ray" start $where --node-name="$1" --object-store-memory=80000000 --min-worker-port=0 --max-worker-port=0 \
        --disable-usage-stats >"$folder/$1.out" 2>&1 || { cat "$folder/$1.out" >&2; exit 1; }
}

case $action in
start)
    command -v "$ray" >/dev/null || { echo "no program ray: pip install 'archspec-vision[ray]'" >&2; exit 77; }
    (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$folder/token")
    for node in head n1 n2; do start_node $node; done
    ;;
node)
    start_node "$3"
    ;;
stop)
    "$ray" stop --force >"$folder/stop.out" 2>&1 || true
    ;;
*)
    echo "unknown action $action" >&2
    exit 2
    ;;
esac
