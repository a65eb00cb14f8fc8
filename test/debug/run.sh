#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What gdb prints with tools/debug/sinter_gdb.py, against the lines in program.cpp. One PASS, FAIL or SKIP line a value.
# CXX is the compiler, SINTER_DEPS a folder with the dependencies' headers (or empty).
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
CXX=${CXX:-g++}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
failures=0
fail() {
  echo "FAIL debug: $1 ($CXX)"
  failures=$((failures + 1))
}

# Nothing here runs a natvis file; but each member that it names must exist.
natvis=$root/tools/debug/sinter.natvis unknown=''
for member in $(grep -o '\b[a-z_]*[a-z]_\b' "$natvis" | sort -u); do
  grep -qrwE -- "$member" "$root/include/sinter/tensor" "$root/include/sinter/autograd/variable.hpp" || unknown="$unknown $member"
done
if ! grep -q 'data_' "$natvis"; then fail "sinter.natvis names nothing"
elif [ -n "$unknown" ]; then fail "sinter.natvis names what is not there:$unknown"
else echo "PASS debug: the members in sinter.natvis exist"; fi

if ! command -v gdb >/dev/null 2>&1; then echo "SKIP debug: gdb is absent"; exit 0; fi
if ! gdb -nx -batch -ex 'python print("has", "python")' 2>&1 | grep -q 'has python'; then echo "SKIP debug: gdb is without Python"; exit 0; fi
if ! gdb -nx -batch -ex run --args /bin/true 2>&1 | grep -q 'exited normally'; then echo "SKIP debug: gdb may not run programs here"; exit 0; fi

# shellcheck disable=SC2086  # flags are words
if ! "$CXX" -std=c++20 -g -O0 -DSINTER_NO_O0_WARNING ${CXXFLAGS:-} ${SINTER_DEPS:+-isystem "$SINTER_DEPS"} -I"$root/include" \
  "$root/test/debug/program.cpp" -o "$tmp/program" >"$tmp/log" 2>&1; then
  cat "$tmp/log"
  fail "program.cpp does not compile"
  exit 1
fi
sed -n 's|^// print \([a-z_]*\): .*|\1|p' "$root/test/debug/program.cpp" >"$tmp/names"
{
  echo "source $root/tools/debug/sinter_gdb.py"
  echo 'set width 0'
  echo 'break here'
  echo 'run'
  echo 'up'
  while read -r name; do printf 'printf "%s: "\noutput %s\nprintf "\\n"\n' "$name" "$name"; done <"$tmp/names"
} >"$tmp/commands"
gdb -nx -batch -x "$tmp/commands" "$tmp/program" >"$tmp/log" 2>&1
sed -n 's|^// print ||p' "$root/test/debug/program.cpp" >"$tmp/expected"
while IFS= read -r line; do
  name=${line%%:*}
  got=$(grep "^$name: " "$tmp/log" | head -n 1)
  case $line in *0x) got=${got%%0x*}0x ;; esac  # an address is another one every time
  if [ "$got" = "$line" ]; then
    echo "PASS debug: $name ($CXX)"
  else
    echo "expected: $line"
    echo "got:      ${got:-nothing; gdb says: $(tail -n 3 "$tmp/log")}"
    fail "$name"
  fi
done <"$tmp/expected"
[ "$failures" = 0 ]
