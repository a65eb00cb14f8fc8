#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds bench/ and the peers that are here with -O2 -march=native in build/bench, runs them, prints a table and leaves
# build/bench.json and build/bench.svg.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/deps.sh"
all_peers='eigen xtensor openblas onednn libxsmm libtorch torch.compile jax'

usage() {
  cat <<TEXT
usage: sh bench/run.sh [--only ID,...] [--quick] [--peers NAME,...|none] [--torch DIR] [--jax DIR] [--no-install] [--deps DIR]
Measures sinter against limits measured in the same run and against the peers that are installed, then its compile times.
  --only ID,...   only these rows (build/bench/bench/bench --help lists them); \`compile\` names the compile times
  --quick         5 repetitions for 30: a look, not a measurement
  --peers NAME,.. only these of: $all_peers (all that are found)
  --torch DIR, --jax DIR
                  where Python finds torch, jax: a folder for PYTHONPATH
TEXT
  common_help
}

only='' quick='' peers=$(echo "$all_peers" | tr ' ' ',') torch_path=${PYTHONPATH:-} jax_path=${PYTHONPATH:-}
while [ $# -gt 0 ]; do
  case $1 in
    --only|--peers|--torch|--jax) [ $# -ge 2 ] || die "$1 needs an argument" ;;
  esac
  case $1 in
    --only) only=$2; shift 2; continue ;;
    --only=*) only=${1#--only=}; shift; continue ;;
    --peers) peers=$2; shift 2; continue ;;
    --peers=*) peers=${1#--peers=}; shift; continue ;;
    --torch) torch_path=$2; shift 2; continue ;;
    --jax) jax_path=$2; shift 2; continue ;;
    --quick) quick=yes; shift; continue ;;
  esac
  common_option "$@"
  [ "$taken" -gt 0 ] || { usage >&2; exit 2; }
  shift "$taken"
done
wanted_peer() { case ,$peers, in *,"$1",*) return 0 ;; esac; return 1; }

# The folder of Python's torch, whose headers and libraries are libtorch. Whatever --peers says: another folder means building anew.
torch=$(PYTHONPATH=$torch_path python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null) || torch=''

need cxx meson ninja xsimd xtensor
configure "$root/build/bench" "$CXX" -Dtests=false -Dexamples=false -Dbench=true -Dcuda=disabled \
  -Doptimization=2 -Ddebug=false -Db_ndebug=true -Dnative=true ${torch:+"-Dtorch=$torch"}
if ! ninja -j "$jobs" -k 0 -C "$root/build/bench" >"$root/build/bench.log"; then
  ninja -C "$root/build/bench" bench/bench >/dev/null || { cat "$root/build/bench.log"; exit 1; }
  say "a peer could not be built and is left out: see build/bench.log"
fi

# The list of peers: lines of a name, the words of a command, settings of its environment. Each is tuned as its manual says.
here="$root/build/bench/bench/peers"
list="$root/build/bench/peers.list"
peer() {  # NAME "SETTING ..." WORD...
  name=$1 settings=$2
  shift 2
  printf 'name %s\n' "$name"
  printf 'word %s\n' "$@"
  for setting in $settings; do printf 'set %s\n' "$setting"; done
}
python() {  # NAME PATH MODULE "SETTING ..."
  wanted_peer "$1" || return 0
  PYTHONPATH=$2 python3 -c "import importlib.util as u, sys; sys.exit(not (u.find_spec('$3') and u.find_spec('numpy')))" 2>/dev/null || return 0
  peer "$1" "CXX=$CXX $4" python3 "$root/bench/peers/python.py" "$1" "$here/problem.so"
  printf 'set PYTHONPATH=%s\n' "$2"
}
one_thread='OMP_NUM_THREADS=1'
large_blocks='MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456'
blas='OPENBLAS_NUM_THREADS=1'
if grep -qw avx512f /proc/cpuinfo 2>/dev/null; then blas="$blas OPENBLAS_CORETYPE=SKYLAKEX"; fi
{
  for name in eigen xtensor openblas onednn libxsmm libtorch; do
    if ! wanted_peer "$name" || ! [ -x "$here/$name" ]; then continue; fi
    case $name in
      openblas) peer "$name" "$blas" "$here/$name" ;;
      libtorch) peer "$name" "$large_blocks" "$here/$name" ;;
      *) peer "$name" "$one_thread" "$here/$name" ;;
    esac
  done
  python torch.compile "$torch_path" torch "$large_blocks"
  python jax "$jax_path" jax "JAX_PLATFORMS=cpu MALLOC_ARENA_MAX=1 $large_blocks $one_thread"
} >"$list"

set -- --json "$root/build/bench.json" --chart "$root/build/bench.svg" --peers "$list"
[ -z "$only" ] || set -- "$@" --only "$only"
[ -z "$quick" ] || set -- "$@" --quick
"$root/build/bench/bench/bench" "$@"
case ,$only, in
  ,,|*,compile,*) CXX=$CXX SINTER_DEPS=$deps sh "$root/bench/compile.sh" --json "$root/build/bench.json" ${quick:+--quick} ;;
esac
say "written: build/bench.json, build/bench.svg"
