#!/usr/bin/env bash
# The benchmark's adapter for Sealpost: every verb of its adapters/template.
#
# The runner sets BENCH_*; beside those:
#   SEALPOST_BINARY      the binary to measure (default: build/release/sealpost of this tree, which `info` builds)
#   SEALPOST_BENCH_TOML  a file of settings that come on top of those below
#
# Sealpost runs with its defaults, durability and its own validating resolver among them. What differs is told at
# each key: the lab's addresses are forbidden by default, and a benchmark's retries wait for its flush.
set -eu
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../../../.." && pwd)
binary=${SEALPOST_BINARY:-$root/build/release/sealpost}
state=${BENCH_STATE:?}
config=$state/sealpost.toml

build() {
    [ -z "${SEALPOST_BINARY:-}" ] || return 0
    (cd "$root" && { [ -f build/release/build.ninja ] || cmake --preset release; } &&
        cmake --build --preset release --target sealpost) >&2
}

write_config() {
    mkdir -p "$state/conf.d"
    cat >"$config" <<END
[daemon]
hostname = "${BENCH_HOSTNAME:-mta.src.bench}"
state_directory = "$state/state"
admin_socket = "$state/run/admin.sock"

[listener]
listen = ["${BENCH_LISTEN_HOST:?}:${BENCH_LISTEN_PORT:?}"]

[queue]
# As the other senders of the benchmark: nothing is tried again before the flush.
retry_first = "5min"
retry_max = "5min"
# What the backlog of the benchmark fits into, as the others' active queues do.
active_limit = 60000

[delivery]
# The lab's receivers have addresses that are forbidden by default, because they route nowhere.
forbidden_networks = ["0.0.0.0/8", "127.0.0.0/8"]
ipv6 = false

[dns]
trust_anchor_file = "${BENCH_TRUST_ANCHOR:?}"
root_hints_file = "${BENCH_ROOT_HINTS:?}"
ipv6 = false
END
    : >"$state/conf.d/extra.toml"
    [ -z "${SEALPOST_BENCH_TOML:-}" ] || cat "$SEALPOST_BENCH_TOML" >"$state/conf.d/extra.toml"
}

start() {
    write_config
    setsid "$binary" serve -c "$config" >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
}

ask() { "$binary" -c "$config" "$@"; }

case $1 in
info)
    build
    printf '{"name":"Sealpost","version":"%s","variant":"%s","dane":true}\n' \
        "$("$binary" --version | sed 's/^sealpost //')" "${BENCH_VARIANT:-}"
    ;;
start) start ;;
stop) kill "$(cat "$state/pid")" 2>/dev/null || true ;;
flush) ask queue retry --all --yes ;;
qlist)
    after=() # page by page: one list has a limit
    while :; do
        ask queue list --limit 100000 --json "${after[@]}" 2>"$state/next" | python3 -c 'import json, sys
for line in sys.stdin:
    row = json.loads(line)
    print(row["id"], row["state"], row["size"], row["received_at"], row["sender"], row["recipient"], row.get("reply", ""))'
        next=$(sed -n 's/.*--after \([^ ]*\).*/\1/p' "$state/next")
        [ -n "$next" ] || break
        after=(--after "$next")
    done
    ;;
qcount) ask status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["messages"])' ;;
logs) tail -n "${2:-20}" "$state/log" ;;
loadgen_opts) : ;;
*)
    echo "adapter: unknown verb $1" >&2
    exit 2
    ;;
esac
