#!/usr/bin/env bash
# Check the arrows between the folders: mta -> queue -> security -> config, and what each folder may touch.
#
# usage: tests/layers.sh [--self-test | ROOT]
#
# Every rule is one line of `rules` below. --self-test proves that each of them finds what it forbids.
# Exit codes: 0 all arrows point down, 1 one does not (each with file:line), 64 usage.
set -euo pipefail

# folder | must not hold this (extended regular expression, comments removed) | because
rules=(
    'config | #include ["<](mta|queue|security)/ | config is the leaf'
    'security | #include ["<](mta|queue)/ | security points only at config'
    'queue | #include ["<]mta/ | queue points only at security and config'
    'config security queue mta | #include ["<]\.\.?/ | an include starts at the top folder'
    'config security queue mta | #include ["<](tests|integration)/ | the product does not know its tests'
    'config security mta | #include [<"]sqlite3 | SQLite lives only in queue/'
    'config security queue | #include [<"]boost/(asio|beast) | Asio and Beast live only in mta/'
    'config security queue | #include [<"]unbound | libunbound lives only in mta/'
    'mta/smtp | #include [<"](boost/(asio|beast)|mta/net/) | the SMTP steps are pure'
    'mta/smtp security | #include [<"](sys/(socket|un|epoll|select|poll|file|mman|wait|ioctl)|netdb|poll|unistd|fcntl)[.]h | no sockets or descriptors here'
    'mta/smtp security | #include <(fstream|iostream|filesystem|cstdio|stdio[.]h|thread|mutex|condition_variable)> | no file or thread here'
    'security | random_device | chance is an argument'
    'mta/smtp security | (^|[^_[:alnum:]])((system|steady|high_resolution|utc|file)_clock::now|std::time|time|gettimeofday|clock_gettime)[[:space:]]*[(]([[:space:]]*([&]|NULL|nullptr|CLOCK|0[[:space:]]*[)])|[)]) | now is an argument'
)

# Prints "file:line: text (because)" for each breach under the root.
check() {
    local root=$1 rule folders pattern because folder found=0 files
    for rule in "${rules[@]}"; do
        folders=${rule%% | *}
        because=${rule##* | }
        pattern=${rule#"$folders" | }
        pattern=${pattern%" | $because"}
        for folder in $folders; do
            [ -d "$root/$folder" ] || continue
            mapfile -d '' -t files < <(find "$root/$folder" \( -name '*.cpp' -o -name '*.hpp' -o -name '*.h' -o -name '*.ipp' \) -print0)
            [ ${#files[@]} -gt 0 ] || continue
            PATTERN=$pattern BECAUSE=$because ROOT=$root/ awk '
                { line = $0; sub(/\/\/.*/, "", line); sub(/^[ \t]*#[ \t]*include[ \t]*/, "#include ", line) }
                line ~ ENVIRON["PATTERN"] {
                    name = substr(FILENAME, length(ENVIRON["ROOT"]) + 1)
                    print name ":" FNR ": " $0 "  (" ENVIRON["BECAUSE"] ")"; found = 1
                }
                END { exit found }' "${files[@]}" || found=1
        done
    done
    return "$found"
}

# file | line | "bad" or "good"
self_tests=(
    'config/a.hpp | #include "security/tlsa.hpp" | bad'
    'config/a.hpp | #include "config/b.hpp" | good'
    'security/a.hpp | #include "queue/store.hpp" | bad'
    'security/a.hpp | #  include <mta/daemon.hpp> | bad'
    'security/a.hpp | #include "config/domain.hpp" | good'
    'security/a.hpp | // #include "queue/store.hpp" | good'
    'queue/a.cpp | #include "mta/daemon.hpp" | bad'
    'queue/a.cpp | #include <sqlite3.h> | good'
    'queue/deep/a.cpp | #include "../security/mx.hpp" | bad'
    'mta/a.cpp | #include "tests/support/main.hpp" | bad'
    'mta/a.cpp | #include <sqlite3.h> | bad'
    'mta/a.cpp | #include <boost/asio/post.hpp> | good'
    'mta/net/a.cpp | #include "queue/store.hpp" | good'
    'queue/a.cpp | #include <boost/asio/post.hpp> | bad'
    'security/a.cpp | #include <boost/beast/http.hpp> | bad'
    'security/a.cpp | #include <boost/json.hpp> | good'
    'security/a.cpp | #include <unbound.h> | bad'
    'mta/smtp/a.cpp | #include <boost/asio/buffer.hpp> | bad'
    'mta/smtp/a.cpp | #include "mta/net/async.hpp" | bad'
    'mta/smtp/a.cpp | #include "mta/smtp/reply.hpp" | good'
    'security/a.cpp | #include <sys/socket.h> | bad'
    'security/a.cpp | #include <fstream> | bad'
    'security/a.cpp | auto now = std::chrono::system_clock::now(); | bad'
    'security/a.cpp | auto now = std::chrono::steady_clock::now (); | bad'
    'security/a.cpp | auto now = time(nullptr); | bad'
    'security/a.cpp | auto now = std::time(&t); | bad'
    'security/a.cpp | void f(std::chrono::system_clock::time_point now); | good'
    'security/a.cpp | expires(time_of(answer)); // not system_clock::now() | good'
    'security/a.cpp | std::random_device device; | bad'
    'mta/clock.cpp | auto now = std::chrono::system_clock::now(); | good'
)

self_test() {
    local tree test file line wanted got failures=0
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' RETURN
    for test in "${self_tests[@]}"; do
        IFS='|' read -r file line wanted <<<"${test// | /|}"
        rm -rf "${tree:?}"/*
        mkdir -p "$tree/$(dirname "$file")"
        printf '#pragma once\n%s\n' "$line" >"$tree/$file"
        got=good
        check "$tree" >"$tree/out" || got=bad
        if [ "$got" = bad ] && ! grep -qF "$file:2: " "$tree/out"; then got="bad without $file:2"; fi
        if [ "$got" != "$wanted" ]; then
            echo "layers.sh --self-test: $file: $line: wanted $wanted, got $got" >&2
            failures=1
        fi
    done
    return "$failures"
}

case ${1:-} in
--self-test)
    self_test
    echo "layers: ${#self_tests[@]} self-tests"
    ;;
-*)
    sed -n '/^# usage/,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
*)
    root=${1:-$(cd "$(dirname "$0")/.." && pwd)}
    check "${root%/}" || {
        echo "layers: an arrow points the wrong way (above)" >&2
        exit 1
    }
    echo "layers: mta -> queue -> security -> config holds"
    ;;
esac
