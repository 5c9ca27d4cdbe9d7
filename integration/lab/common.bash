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
    arguments=("$@")
    dir=$(realpath -m "$dir")
}
