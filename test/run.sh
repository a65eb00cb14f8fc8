#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds and runs every test: all of them with g++, then the mistakes, the consumers, a smoke set and the fuzz targets with clang++.
# The last line counts Catch2 cases, examples and script checks from their real results; exit 1 on any failure.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/deps.sh"

usage() {
  cat <<'TEXT'
usage: sh test/run.sh [--full] [--cross] [--no-install] [--deps DIR]
Configures build/test and build/clang, runs all tests, ends with one line: N passed, N failed, N skipped.
  --full         every bit pattern, every matrix: hours instead of minutes
  --cross        also a few tests for aarch64 (by qemu) and Windows (by wine), as far as compilers for them are installed
TEXT
  common_help
}

cross=no
while [ $# -gt 0 ]; do
  if [ "$1" = --full ]; then SINTER_FULL=1; export SINTER_FULL; shift; continue; fi
  if [ "$1" = --cross ]; then cross=yes; shift; continue; fi
  common_option "$@"
  [ "$taken" -gt 0 ] || { usage >&2; exit 2; }
  shift "$taken"
done

passed=0 failed=0 skipped=0
count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

# tally FILE: "passed failed skipped" of one meson-logs/*.json, a line per test. A Catch2 program counts as its cases, as its
# own summary says; one that ends badly without a failed case (a crash, a time-out) counts as one more failure.
tally() {
  awk '
    function number(text, word) { return match(text, "[0-9]+ " word) ? substr(text, RSTART) + 0 : 0 }
    {
      p = f = s = 0; known = 0
      if (match($0, /All tests passed \([0-9]+ assertions? in [0-9]+ test cases?/)) {
        line = substr($0, RSTART, RLENGTH); match(line, /in [0-9]+ test/); p = substr(line, RSTART + 3) + 0; known = 1
      } else if (match($0, /test cases: +[0-9]+[^\\]*/)) {
        line = substr($0, RSTART, RLENGTH); p = number(line, "passed"); f = number(line, "failed"); s = number(line, "skipped"); known = 1
      }
      match($0, /"result": "[A-Z]+"/); result = substr($0, RSTART + 11, RLENGTH - 12)
      if (result == "SKIP") { if (!known) s = 1 }
      else if (result != "OK") { if (f == 0) f = 1 }
      else if (!known) p = 1
      passed += p; failed += f; skipped += s
    }
    END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

# meson_tests BUILD LOG ARG...: runs them and counts them; a folder without such tests counts nothing
meson_tests() {
  build=$1 log=$2
  shift 2
  rm -f "$build/meson-logs/$log.json"
  meson test -C "$build" --no-rebuild --print-errorlogs --num-processes "$jobs" --logbase "$log" "$@"
  # shellcheck disable=SC2046  # three numbers
  if [ -s "$build/meson-logs/$log.json" ]; then count $(tally "$build/meson-logs/$log.json"); fi
}

# scripts FOLDER-TAG...: the checks that are scripts, test/FOLDER/run.sh with clang++ where the tag says so; as many at a time as
# there are processors. Counts the lines that start with PASS, FAIL, SKIP; a script without any of them failed.
scripts() {
  export root CXX
  for name in "$@"; do  # what an earlier run left does not count
    : >"$root/build/$name.log"
    echo unknown >"$root/build/$name.status"
  done
  # shellcheck disable=SC2016  # the inner shell's variables
  printf '%s\n' "$@" | SINTER_DEPS=$deps SINTER_JOBS=$jobs xargs -P "$jobs" -n 1 sh -c '
    case $1 in *-clang) CXX=clang++ ;; esac
    sh "$root/test/${1%-*}/run.sh" >"$root/build/$1.log" 2>&1
    echo $? >"$root/build/$1.status"' sh
  for name in "$@"; do
    log=$root/build/$name.log
    say "== $name"
    cat "$log"
    p=$(grep -c '^PASS ' "$log") f=$(grep -c '^FAIL ' "$log") s=$(grep -c '^SKIP ' "$log") status=$(cat "$root/build/$name.status")
    if [ "$f" = 0 ] && { [ "$status" != 0 ] || [ $((p + s)) = 0 ]; }; then say "FAIL $name (exit $status)"; f=1; fi
    count "$p" "$f" "$s"
  done
}

need cxx meson ninja xsimd xtensor catch2
mkdir -p "$root/build"
configure "$root/build/test" "$CXX" -Dtests=true -Dexamples=true -Dbench=false -Ddebug=false
if ! ninja -k 0 -j "$jobs" -C "$root/build/test"; then
  say "FAIL build with $CXX"  # what was not built fails once more below, by name
  count 0 1 0
fi
meson_tests "$root/build/test" all --timeout-multiplier "$([ -n "${SINTER_FULL:-}" ] && echo 100 || echo 1)"

checks="link-gcc fail-gcc consumer-gcc debug-gcc"
try_install clang
if found clang; then
  configure "$root/build/clang" clang++ -Dtests=true -Dexamples=false -Dbench=false -Dcuda=disabled -Dopenmp=disabled -Ddebug=false
  if ninja -j "$jobs" -C "$root/build/clang" test/smoke; then
    meson_tests "$root/build/clang" smoke --suite smoke
  else
    say "FAIL build of the smoke set with clang++"
    count 0 1 0
  fi
  checks="link-clang link-gcc fail-gcc fail-clang consumer-clang consumer-gcc fuzz-clang debug-gcc debug-clang"  # the longest first
else
  say "SKIP clang++ is absent (Debian package: clang)"
  count 0 0 1
fi
if [ "$cross" = yes ]; then checks="cross-gcc $checks"; fi
# shellcheck disable=SC2086  # names
scripts $checks

say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
