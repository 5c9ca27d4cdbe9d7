#!/usr/bin/env bash
# Look for the statements with co_await that g++ 12 compiles wrongly: tests/gcc12_coroutines.query.
#
# usage: tests/coroutines.sh BUILD   (a build tree configured with clang: its compile_commands.json is read)
#
# First the query must find what it is for in a sample, so that it cannot rot unseen.
# Exit codes: 0 none found, 1 some found or the query failed, 64 usage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -eq 1 ] || {
    sed -n '/^# usage/,/^[^#]/s/^# \{0,1\}//p' tests/coroutines.sh >&2
    exit 64
}
build=$1
query=tests/gcc12_coroutines.query
sample=$(mktemp --suffix=.cpp)
trap 'rm -f "$sample"' EXIT
cat >"$sample" <<'SAMPLE'
#include <coroutine>
#include <string>
struct Task {
    struct promise_type {
        Task get_return_object() { return {}; }
        std::suspend_never initial_suspend() { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
};
struct Pair {
    std::string a, b;
};
std::suspend_never take(Pair);
template <class F>
std::suspend_never call(F);
std::suspend_never plain(int);
Task braces() { co_await take({"a", "b"}); }
Task lambda(std::string s) { co_await call([s] { return s; }); }
Task condition(bool b) { b ? co_await plain(1) : co_await plain(2); }
Task good(int n) { co_await plain(n); }
SAMPLE
lines=$(clang-query-19 -f "$query" "$sample" -- -std=c++20 2>/dev/null | sed -n 's/^.*\.cpp:\([0-9]*\):.*"root" binds here.*/\1/p' |
    sort -nu | xargs)
[ "$lines" = "19 20 21" ] || {
    echo "coroutines: the query found lines '$lines' of its sample, not '19 20 21'" >&2
    exit 1
}

mapfile -t files < <(grep -rlE --include='*.cpp' '\bco_await\b' mta | sort)
# clang-query's own exit code is 0 whatever it finds. What clang warns of is clang-tidy's to tell.
output=$(printf '%s\0' "${files[@]}" | xargs -0 -n 3 -P "${JOBS:-$(nproc)}" clang-query-19 -p "$build" -f "$query" --extra-arg=-w 2>&1) || {
    echo "$output" >&2
    exit 1
}
if grep -qE '^[1-9][0-9]* match|error:' <<<"$output" || ! grep -q '^0 matches' <<<"$output"; then
    grep -v 'Processing file' <<<"$output" >&2
    exit 1
fi
echo "coroutines: ${#files[@]} files hold nothing that g++ 12 compiles wrongly"
