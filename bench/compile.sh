#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What sinter costs to compile, against budgets: prints a table and, given a file, appends the rows to its bench.json.
# Times are CPU seconds of g++ -O2 -march=native; nothing fails when a budget is missed.
#   CXX=g++ sh bench/compile.sh [--json FILE] [--quick]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
CXX=${CXX:-g++}
json='' repeats=3
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=$2; shift 2 ;;
    --quick) repeats=1; shift ;;
    *) sed -n '3,5s/^# *//p' "$0"; exit 2 ;;
  esac
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# seconds FILE: median CPU time of compiling it
seconds() {
  for _ in $(seq "$repeats"); do
    # shellcheck disable=SC2086  # flags are words
    (
      "$CXX" -std=c++20 -O2 -march=native ${CXXFLAGS:-} ${SINTER_DEPS:+-isystem "$SINTER_DEPS"} -I"$root/include" -c "$1" -o "$tmp/out.o" >"$tmp/log" 2>&1 ||
        { head -n 20 "$tmp/log" | cut -c1-300 >&2; exit 1; }
      times >"$tmp/times"  # in a pipe it would be another shell's
      awk 'NR == 2 { for (i = 1; i <= 2; ++i) { split($i, t, /[ms]/); s += 60 * t[1] + t[2] } printf "%.3f\n", s }' "$tmp/times"
    ) || exit 1
  done | sort -n | awk '{ v[NR] = $1 } END { if (!NR) exit 1; print v[int((NR + 1) / 2)] }'
}

head_of_file() { printf '#include <sinter/sinter.hpp>\nnamespace st = sinter;\n'; }
names='tanh exp sigmoid relu sqrt abs silu'
# statements KIND: 40 different ones: f(g(a * b) + c), as tensors or as variables
statements() {
  head_of_file
  case $1 in
    tensor) echo 'using T = st::tensor<float, st::rank<2>>;' ;;
    variable) echo 'using T = st::variable<float, st::rank<2>>;' ;;
  esac
  echo 'T use(const T& a, const T& b, const T& c) {'
  echo '  T y = a;'
  count=0
  for f in $names; do
    for g in $names; do
      [ "$count" -lt "$2" ] || break 2
      echo "  y = T(st::$f(st::$g(a * b) + c));"
      count=$((count + 1))
    done
  done
  echo '  return y;'
  echo '}'
}
train() {  # LAYERS: each with its own shape
  head_of_file
  echo 'namespace nn = sinter::nn;'
  echo 'float train(const st::tensor<float, st::rank<2>>& x, const st::tensor<st::int64, st::rank<1>>& t) {'
  printf '  nn::sequential net{nn::linear<64, 128>{}, nn::relu{}, nn::linear<128, 128>{}, nn::relu{}, nn::linear<128, 10>{}};\n'
  cat <<'TEXT'
  st::optim::adam adam{net.parameters(), {.lr = 1e-3}};
  st::variable loss = st::cross_entropy(net(x), t);
  loss.backward();
  adam.step();
  return loss.item();
}
TEXT
}

rows=''
# report ID WHAT SECONDS BUDGET PEERS
report() {
  printf '%-18s %-52s %7.3f s   budget %6.3f s   %s%s\n' "$1" "$2" "$3" "$4" \
    "$(awk "BEGIN { print ($3 <= $4) ? \"within\" : \"OVER\" }")" "${5:+   $5}"
  ns() { awk "BEGIN { printf \"%.6g\", 1e9 * $1 }"; }
  peers=''
  [ -z "${6:-}" ] || peers="\"eigen\": $(ns "$6")"
  rows="$rows${rows:+,
}{\"id\": \"$1\", \"what\": \"$2\", \"ours_ns\": $(ns "$3"), \"limit_ns\": $(ns "$4"), \"limit_kind\": \"budget\", \"bytes\": 0, \"flops\": 0, \"max_error\": 0, \"peers\": {$peers}}"
}
minus() { awk "BEGIN { printf \"%.4f\", ($1 - $2) / $3 }"; }

echo
head_of_file >"$tmp/umbrella.cpp"
umbrella=$(seconds "$tmp/umbrella.cpp")
eigen=''
for include in Eigen/Dense eigen3/Eigen/Dense; do
  printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$include" >"$tmp/has.cpp"
  if "$CXX" -std=c++20 -E "$tmp/has.cpp" >/dev/null 2>&1; then
    echo "#include <$include>" >"$tmp/eigen.cpp"
    eigen=$(seconds "$tmp/eigen.cpp")
    break
  fi
done
if [ -n "$eigen" ]; then
  report compile_umbrella '#include <sinter/sinter.hpp>' "$umbrella" "$(awk "BEGIN { print 1.25 * $eigen }")" "(1.25 x Eigen/Dense, $eigen s)" "$eigen"
else
  report compile_umbrella '#include <sinter/sinter.hpp>' "$umbrella" 1.5 '(Eigen is absent)'
fi
for kind in tensor variable; do
  statements $kind 40 >"$tmp/forty.cpp"
  statements $kind 0 >"$tmp/none.cpp"
  budget=0.1
  [ $kind = tensor ] || budget=0.35
  report compile_$kind "one more $kind statement (slope over 40)" "$(minus "$(seconds "$tmp/forty.cpp")" "$(seconds "$tmp/none.cpp")" 40)" $budget
done
train >"$tmp/train.cpp"
report compile_train 'a training step of a 3-layer network, all of the file' "$(seconds "$tmp/train.cpp")" 4

if [ -n "$json" ]; then  # the rows end with a line "]}"
  sed '$d' "$json" >"$tmp/json"
  tail -n 1 "$tmp/json" | grep -q '}$' && printf ',\n' >>"$tmp/json"
  printf '%s\n]}\n' "$rows" >>"$tmp/json"
  cp "$tmp/json" "$json"
fi
