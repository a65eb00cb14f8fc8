#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs what is missing, builds examples/quickstart.cpp and runs it. With Meson where it is, else with the compiler alone.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/deps.sh"

usage() {
  cat <<'TEXT'
usage: sh examples/quickstart.sh [--no-install] [--deps DIR] [-- arguments of the program]
Builds examples/quickstart.cpp in build/ and runs it.
TEXT
  common_help
}

while [ $# -gt 0 ]; do
  [ "$1" = -- ] && { shift; break; }
  common_option "$@"
  [ "$taken" -gt 0 ] || { usage >&2; exit 2; }
  shift "$taken"
done

if try_install cxx xsimd xtensor meson ninja; then
  configure "$root/build/quickstart" "$CXX" -Dtests=false -Dbench=false -Dcuda=disabled
  ninja -C "$root/build/quickstart" examples/quickstart >"$root/build/quickstart.log" || { cat "$root/build/quickstart.log"; exit 1; }
  program=$root/build/quickstart/examples/quickstart
else
  need cxx xsimd xtensor  # all that the program itself needs
  say "without Meson: $CXX alone"
  mkdir -p "$root/build"
  program=$root/build/quickstart.bin
  "$CXX" -std=c++20 -O2 -march=native -I"$root/include" ${deps:+-isystem "$deps"} "$root/examples/quickstart.cpp" -o "$program"
fi
cd "$root"
exec "$program" "$@"
