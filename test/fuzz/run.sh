#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Feeds every reader of io/ with libFuzzer's inputs, under AddressSanitizer and UndefinedBehaviorSanitizer: no crash, no
# leak, no hang, and no more memory than a small multiple of the file. One PASS, FAIL or SKIP line each.
#   sh test/fuzz/run.sh [--runs N] [--seed S] [READER...]      20000 inputs each, seed 1; seed 0 is another one every time
# CXX is a clang++, SINTER_DEPS a folder with the dependencies' headers (or empty). An input that fails is kept in build/fuzz/.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
case ${CXX:-} in *clang*) ;; *) CXX=clang++ ;; esac
runs=20000 seed=1
while [ $# -gt 0 ]; do
  case $1 in
    --runs) runs=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || set -- safetensors npy npz csv json
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
failures=0
sanitizers=-fsanitize=fuzzer,address,undefined

if ! command -v "$CXX" >/dev/null 2>&1; then echo "SKIP fuzz: $CXX is absent"; exit 0; fi
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$tmp/empty.cpp"
if ! "$CXX" $sanitizers "$tmp/empty.cpp" -o "$tmp/empty" 2>/dev/null; then echo "SKIP fuzz: $CXX has no libFuzzer"; exit 0; fi
zlib='' zlib_link=''
echo 'int main() { return zlibVersion() == nullptr; }' >"$tmp/z.cpp"
if "$CXX" -include zlib.h "$tmp/z.cpp" -lz -o "$tmp/z" 2>/dev/null; then zlib=-DSINTER_ZLIB zlib_link=-lz; fi

# A reader that needs libFuzzer's own limits shows up in minutes, not in hours: 10 s and 512 MiB an input.
fuzz() {
  # shellcheck disable=SC2086  # flags are words
  "$CXX" -std=c++20 -O1 -g $sanitizers -fno-sanitize-recover=all ${CXXFLAGS:-} ${SINTER_DEPS:+-isystem "$SINTER_DEPS"} -I"$root/include" \
    $zlib "$root/test/fuzz/$1.cpp" $zlib_link -o "$tmp/$1" || return 1
  mkdir -p "$tmp/$1-seeds" "$tmp/$1-corpus" "$root/build/fuzz"
  "$tmp/$1" --seeds "$tmp/$1-seeds" || return 1
  "$tmp/$1" -runs="$runs" -seed="$seed" -max_len=4096 -timeout=10 -rss_limit_mb=512 -print_final_stats=1 \
    -artifact_prefix="$root/build/fuzz/$1-" "$tmp/$1-corpus" "$tmp/$1-seeds"
}
for name in "$@"; do
  if fuzz "$name" >"$tmp/log" 2>&1 && done=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/log") && [ "${done:-0}" -ge "$runs" ]; then
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$tmp/log") peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$tmp/log")
    echo "PASS fuzz: $name, $done inputs, $rate a second, $peak MiB ($CXX)"
  else
    grep -v '^#' "$tmp/log" | cut -c1-300 | head -n 60
    echo "FAIL fuzz: $name ($CXX)"
    failures=$((failures + 1))
  fi
done
[ "$failures" = 0 ]
