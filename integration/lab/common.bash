# Shared by the lab's shell scripts; sourced, not run.
# shellcheck shell=bash
PATH=$PATH:/usr/sbin:/sbin

die() {
    local code=$1
    shift
    echo "lab: $*" >&2
    exit "$code"
}

usage() {
    sed -n '/^# usage/,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 64
}

# Takes --dir and --help off the front: sets `dir` and `arguments`.
parse_directory() {
    dir=${SEALPOST_LAB:-${TMPDIR:-/tmp}/sealpost-lab-$(id -u)}
    while [ $# -gt 0 ]; do
        case $1 in
        --dir)
            [ $# -ge 2 ] || usage
            dir=$2
            shift 2
            ;;
        --help | -h)
            sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) break ;;
        esac
    done
    # shellcheck disable=SC2034  # for the caller
    arguments=("$@")
    dir=$(realpath -m "$dir")
}

# The process that the lab in `dir` hangs on. That it has the lock open proves that its number is not a stale one.
lab_process() {
    local pid
    pid=$(cat "$dir/lab.pid" 2>/dev/null) && [ "/proc/$pid/fd/9" -ef "$dir/lab.lock" ] && echo "$pid"
}
