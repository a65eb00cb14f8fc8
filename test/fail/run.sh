#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Each .cpp here is a beginner's mistake. It must not compile, the compiler must say the sentence of its `// error:` line,
# and all it says must fit 12 lines. One PASS or FAIL line each, with the number of lines. `-v` shows what the compiler said.
# CXX is the compiler, SINTER_DEPS a folder with the dependencies' headers (or empty).
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
CXX=${CXX:-g++}
verbose=${1:-}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
failures=0

# compiles FILE: what a user would type; the text goes to $tmp/log
compiles() {
  # shellcheck disable=SC2086  # flags are words
  "$CXX" -std=c++20 -O1 -fsyntax-only ${CXXFLAGS:-} ${SINTER_DEPS:+-isystem "$SINTER_DEPS"} -I"$root/include" "$1" >"$tmp/log" 2>&1
}
fail() {
  echo "FAIL mistake: $1 ($CXX)"
  failures=$((failures + 1))
}

compiles "$root/test/consumer/my.cpp" || { cat "$tmp/log"; fail "a right program does not compile either"; }
for file in "$root"/test/fail/*.cpp; do
  name=$(basename "$file" .cpp)
  want=$(sed -n 's|^// error: ||p' "$file")
  if compiles "$file"; then fail "$name: it compiles"; continue; fi
  lines=$(wc -l <"$tmp/log")
  if [ -z "$want" ] || ! grep -qF -- "$want" "$tmp/log"; then
    cut -c1-300 "$tmp/log" | head -n 30
    fail "$name: the error does not say: $want"
  elif [ "$lines" -gt 12 ]; then
    cut -c1-300 "$tmp/log" | head -n 30
    fail "$name: $lines lines of errors"
  else
    [ "$verbose" != -v ] || cut -c1-300 "$tmp/log"
    echo "PASS mistake: $name, $lines lines ($CXX)"
  fi
done
[ "$failures" = 0 ]
