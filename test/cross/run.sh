#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A few tests of every layer for other machines: aarch64 (NEON), run by qemu-user, and Windows by mingw, run by wine where it
# is present. One PASS, FAIL or SKIP line for each program and each run. Part of `sh test/run.sh --cross` only.
#   Debian: apt-get install g++-aarch64-linux-gnu qemu-user g++-mingw-w64-x86-64 wine
# SINTER_DEPS is a folder with the dependencies' headers (or empty: /usr/include). `sh test/cross/run.sh aarch64` does one of them.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d) || exit 1
stop_wine() {
  [ -d "$tmp/wine" ] || return 0
  server=$(first wineserver /usr/lib/wine/wineserver)
  [ -z "$server" ] || WINEPREFIX="$tmp/wine" "$server" -k -w >/dev/null 2>&1
}
trap 'stop_wine; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
failures=0
jobs=${SINTER_JOBS:-1}
[ $# -gt 0 ] || set -- aarch64 mingw

# /usr/include as a whole belongs to this machine; these four are the same for all.
headers=${SINTER_DEPS:-}
if [ -z "$headers" ]; then
  headers=$tmp/include
  mkdir -p "$headers"
  for name in xsimd xtl xtensor xtensor.hpp catch2; do
    for from in /usr/local/include /usr/include; do
      [ ! -e "$from/$name" ] || [ -e "$headers/$name" ] || ln -s "$from/$name" "$headers/$name"
    done
  done
fi
if [ ! -e "$headers/catch2/catch.hpp" ]; then echo "SKIP cross: Catch2 2, which is headers only, is absent"; exit 0; fi

first() {
  for name in "$@"; do
    if command -v "$name" >/dev/null 2>&1; then echo "$name"; return; fi
  done
}
fail() {
  cut -c1-300 "$tmp/log" | head -n 40
  echo "FAIL cross: $1"
  failures=$((failures + 1))
}

# build TARGET COMPILER TEST...: one program of these tests; a warning is a failure
build() {
  target=$1 compiler=$2
  shift 2
  mkdir -p "$tmp/$target"
  objects=''
  printf '%s\n' test/main "$@" | sed 's|^test/||' >"$tmp/$target/names"
  # -Wno-psabi: GCC for Arm tells at length how it passed packs before version 10
  # shellcheck disable=SC2016
  tr '\n' '\0' <"$tmp/$target/names" | xargs -0 -n 1 -P "$jobs" sh -c '
    "$1" -std=c++20 -O1 -Wall -Wextra -Werror -Wno-psabi -isystem "$2" -I"$3/include" -c "$3/test/$5.cpp" -o "$4/$(echo "$5" | tr / _).o"' \
    sh "$compiler" "$headers" "$root" "$tmp/$target" >"$tmp/log" 2>&1 || return 1
  for name in $(tr / _ <"$tmp/$target/names"); do objects="$objects $tmp/$target/$name.o"; done
  # shellcheck disable=SC2086  # a list of files
  "$compiler" -static $objects -o "$tmp/$target/tests" >>"$tmp/log" 2>&1
}
run() {
  name=$1
  shift
  if "$@" >"$tmp/log" 2>&1; then echo "PASS cross: $name, $(grep -o '[0-9]* assertions* in [0-9]* test cases*' "$tmp/log")"; else fail "$name"; fi
}

# What needs neither POSIX nor a long double that knows its sine: Windows' goes by the x87's fsin.
portable='sinter/version tensor/tensor tensor/view tensor/print expr/node expr/long_program op/exponential autograd/statement nn/linear io/npz'
for target in "$@"; do
  case $target in
    aarch64)
      cxx=$(first aarch64-linux-gnu-g++) qemu=$(first qemu-aarch64 qemu-aarch64-static)
      if [ -z "$cxx" ]; then echo "SKIP cross: aarch64 (g++-aarch64-linux-gnu is absent)"; continue; fi
      # shellcheck disable=SC2086  # a list of names
      if ! build aarch64 "$cxx" $portable cpu/pack cpu/gemm op/complex io/file io/safetensors; then fail "aarch64 does not compile"; continue; fi
      echo "PASS cross: aarch64 compiles and links"
      if [ -z "$qemu" ]; then echo "SKIP cross: aarch64 does not run (qemu-user is absent)"; continue; fi
      run "aarch64 by $qemu" "$qemu" "$tmp/aarch64/tests" ;;
    mingw)
      cxx=$(first x86_64-w64-mingw32-g++-posix x86_64-w64-mingw32-g++) wine=$(first wine64 wine)
      if [ -z "$cxx" ]; then echo "SKIP cross: Windows (g++-mingw-w64-x86-64 is absent)"; continue; fi
      # shellcheck disable=SC2086
      if ! build mingw "$cxx" $portable; then fail "Windows does not compile"; continue; fi
      mv "$tmp/mingw/tests.exe" "$tmp/mingw/tests" 2>/dev/null
      echo "PASS cross: Windows compiles and links"
      if [ -z "$wine" ]; then echo "SKIP cross: Windows does not run (wine is absent)"; continue; fi
      mv "$tmp/mingw/tests" "$tmp/mingw/tests.exe"
      run "Windows by $wine" env WINEDEBUG=-all WINEPREFIX="$tmp/wine" "$wine" "$tmp/mingw/tests.exe" ;;
    *) echo "FAIL cross: $target is neither aarch64 nor mingw"; failures=$((failures + 1)) ;;
  esac
done
[ "$failures" = 0 ]
