#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds bench/ with -O2 -march=native in build/bench, runs it, prints its table and leaves build/bench.json.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/deps.sh"

usage() {
  cat <<'TEXT'
usage: sh bench/run.sh [--only ID,...] [--quick] [--no-install] [--deps DIR]
Measures sinter against limits measured in the same run and against the peers that are installed, then its compile times.
  --only ID,...  only these rows; `compile` names the compile times
  --quick        fewer repetitions: a look, not a measurement
TEXT
  common_help
}

only='' quick=''
while [ $# -gt 0 ]; do
  case $1 in
    --only) [ $# -ge 2 ] || die "--only needs a list of ids"; only=$2; shift 2; continue ;;
    --only=*) only=${1#--only=}; shift; continue ;;
    --quick) quick=yes; shift; continue ;;
  esac
  common_option "$@"
  [ "$taken" -gt 0 ] || { usage >&2; exit 2; }
  shift "$taken"
done

need cxx meson ninja xsimd xtensor
configure "$root/build/bench" "$CXX" -Dtests=false -Dexamples=false -Dbench=true -Dcuda=disabled \
  -Doptimization=2 -Ddebug=false -Db_ndebug=true -Dnative=true
ninja -j "$jobs" -C "$root/build/bench" >"$root/build/bench.log" || { cat "$root/build/bench.log"; exit 1; }
set -- --json "$root/build/bench.json"
[ -z "$only" ] || set -- "$@" --only "$only"
[ -z "$quick" ] || set -- "$@" --quick
"$root/build/bench/bench/bench" "$@"
case ,$only, in
  ,,|*,compile,*) CXX=$CXX SINTER_DEPS=$deps sh "$root/bench/compile.sh" --json "$root/build/bench.json" ${quick:+--quick} ;;
esac
say "written: build/bench.json"
