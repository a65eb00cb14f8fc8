#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Differently compiled files in one program, and shared libraries that exchange tensors and unload.
# One PASS, FAIL or SKIP line each. CXX is the compiler, SINTER_DEPS a folder with the dependencies' headers (or empty).
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/test/link
CXX=${CXX:-g++}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
failures=0

# check NAME FUNCTION: its output is shown only when it fails
check() {
  (set -e; "$2") >"$tmp/log" 2>&1
  if [ $? = 0 ]; then
    echo "PASS link: $1 ($CXX)"
  else
    cut -c1-300 "$tmp/log" | head -n 40
    echo "FAIL link: $1 ($CXX)"
    failures=$((failures + 1))
  fi
}
skip() { echo "SKIP link: $1 ($2)"; }
has() { command -v "$1" >/dev/null 2>&1; }
compile() {
  # shellcheck disable=SC2086  # flags are words
  "$CXX" -std=c++20 -I"$root/include" ${SINTER_DEPS:+-isystem "$SINTER_DEPS"} ${CXXFLAGS:-} "$@"
}
part() {
  name=$1
  shift
  compile -c -DPART="$name" "$@" "$here/part.cpp" -o "$tmp/$name.o"
}

threads=-fopenmp
echo 'int main() {}' >"$tmp/empty.cpp"
"$CXX" -fopenmp "$tmp/empty.cpp" -o "$tmp/empty" 2>/dev/null || threads=''

objects() {
  part baseline -O2
  part native -O2 -march=native
  part openmp -O2 -march=native $threads
  part unoptimised -O0 -DSINTER_NO_O0_WARNING
  part fast -Ofast -march=native -DNDEBUG
  part checked -O1 -DSINTER_CHECKS=1 -DSINTER_NO_XSIMD
}
device() { "$NVCC" -std=c++20 -O2 -x cu -I"$root/include" ${SINTER_DEPS:+-isystem "$SINTER_DEPS"} -DPART=device -Xcompiler -march=native -c "$here/part.cpp" -o "$tmp/device.o"; }
mixed() {  # the parts with the widest registers first: of equal functions the linker takes the first
  compile -O1 ${device:+-DWITH_DEVICE} -c "$here/mixed.cpp" -o "$tmp/mixed.o"
  # shellcheck disable=SC2086  # flags are words
  "$linker" $link_threads "$tmp/native.o" "$tmp/fast.o" "$tmp/openmp.o" $device "$tmp/baseline.o" "$tmp/unoptimised.o" "$tmp/checked.o" "$tmp/mixed.o" -o "$tmp/mixed"
  (cd "$tmp" && ./mixed)
}
# The functions of an object that need more than the baseline CPU, and those that the linker may merge with another object's.
wide() {
  objdump -d --no-show-raw-insn "$1" | awk '
    /^[0-9a-f]+ <.*>:$/ { name = substr($2, 2, length($2) - 3) }
    /^Disassembly of section/ { name = "" }
    name == "" { next }
    $2 ~ /^v[a-z]/ && /%[xyz]mm/ { print name }
    $2 ~ /^(andn|bextr|bls[ir]|blsmsk|bzhi|mulx|p(dep|ext)|rorx|s(ar|hl|hr)x|[lt]zcnt|popcnt|movbe|crc32|k(mov|and|or|xor|not|test)[bwdq]*)[bwlq]?$/ { print name }' | sort -u
}
merged() { nm --defined-only "$1" | awk '$2 == "W" || $2 == "V" || $2 == "u" { print $3 }' | sort -u; }
narrow() { test -z "$(wide "$tmp/baseline.o")"; }
seen() { wide "$tmp/native.o" | grep -q cpu_run; }  # or the check below would pass whatever it is given
own_functions() {
  merged "$tmp/baseline.o" >"$tmp/shared"
  for other in native fast openmp $has_device; do
    wide "$tmp/$other.o" | comm -12 - "$tmp/shared"
  done | sort -u | c++filt | tee "$tmp/replaced"
  test ! -s "$tmp/replaced"
}
needs_only() {  # ldd PROGRAM shows nothing but the compiler's own libraries
  ldd "$1" | awk '{ print $1 }' | grep -vE '^(linux-vdso|/.*ld-linux|libstdc\+\+|libm|libgcc_s|libc|libgomp|libomp|libpthread|libdl|librt)[.0-9a-z_-]*' && return 1
  return 0
}
few_libraries() { needs_only "$tmp/mixed"; }

plugins() {
  compile -O2 -march=native -fPIC -shared "$here/plugin.cpp" -o "$tmp/first.so"
  compile -O0 -DSINTER_NO_O0_WARNING -fPIC -shared "$here/plugin.cpp" -o "$tmp/second.so"  # nothing inlined: all that is exported shows
  compile -O1 "$here/host.cpp" -o "$tmp/host" -ldl
  "$tmp/host" "$tmp/first.so" "$tmp/second.so"
}
no_unique() { test -z "$(nm -D --defined-only "$tmp/first.so" | awk '$2 == "u"' | c++filt | head -n 5 | tee /dev/stderr)"; }

check "parts compile with baseline, native, OpenMP, -O0, -Ofast, and scalar flags" objects
linker=$CXX link_threads=$threads device='' has_device=''
NVCC=${NVCC:-nvcc}
case $CXX in
  *clang*) ;;
  *g++*)
    if has "$NVCC"; then
      check "a part as a .cu file" device
      linker=$NVCC link_threads=${threads:+-Xcompiler=$threads} device=$tmp/device.o has_device=device
    else
      skip "a part as a .cu file" "nvcc is absent"
    fi ;;
esac
check "one program out of them: same results, shared tensors and variables" mixed
if ! has objdump || ! has nm || ! has c++filt; then skip "each part runs its own code" "binutils are absent"
elif [ "$(uname -m)" != x86_64 ]; then skip "each part runs its own code" "x86-64 only"
else
  check "the baseline part holds no instruction of a later CPU" narrow
  if grep -qw avx2 /proc/cpuinfo; then check "the native part holds some" seen; fi
  check "no such function can take the place of a baseline part's" own_functions
fi
if has ldd; then check "a program needs the compiler's own libraries only" few_libraries; fi
check "two shared libraries exchange tensors, keep their state apart, and unload" plugins
if has nm && has c++filt; then check "nothing in a library keeps it from unloading" no_unique; fi
[ "$failures" = 0 ]
