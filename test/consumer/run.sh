#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds my.cpp in every way a project may embed sinter, in a scratch folder; one PASS, FAIL or SKIP line each.
# CXX is the compiler, SINTER_DEPS a folder with the dependencies' headers (or empty).
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/test/consumer
CXX=${CXX:-g++}
CXXFLAGS="${CXXFLAGS:-}${SINTER_DEPS:+ -isystem $SINTER_DEPS}"
export CXX CXXFLAGS
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
failures=0

# check NAME FUNCTION: its output is shown only when it fails
check() {
  (set -e; "$2") >"$tmp/log" 2>&1  # not as a condition: there, set -e would count for nothing
  if [ $? = 0 ]; then
    echo "PASS consumer: $1 ($CXX)"
  else
    cat "$tmp/log"
    echo "FAIL consumer: $1 ($CXX)"
    failures=$((failures + 1))
  fi
}
skip() { echo "SKIP consumer: $1 ($2)"; }
has() { command -v "$1" >/dev/null 2>&1; }

plain() {
  # shellcheck disable=SC2086  # flags are words
  "$CXX" -std=c++20 -O2 -march=native $CXXFLAGS -I"$root/include" "$here/my.cpp" -o "$tmp/my"
  "$tmp/my"
}

# A consumer sees a release, not our work tree: only what is part of it is copied.
subproject() {
  mkdir -p "$tmp/meson/subprojects/sinter"
  cp "$here/meson/meson.build" "$here/my.cpp" "$tmp/meson"
  for part in meson.build meson_options.txt include; do
    cp -R "$root/$part" "$tmp/meson/subprojects/sinter"
  done
  # A subproject's wraps are found only from its own folder; nothing is to be downloaded here.
  meson setup --wrap-mode=nodownload "$tmp/meson/build" "$tmp/meson"
  ninja -C "$tmp/meson/build"
  if ls "$tmp/meson/build/subprojects/sinter/test" 2>/dev/null; then echo "a subproject must not build our tests"; return 1; fi
  "$tmp/meson/build/my"
}

install_prefix() {
  meson setup --prefix "$tmp/prefix" -Dtests=false -Dexamples=false -Dbench=false "$tmp/install" "$root"
  meson install -C "$tmp/install"
  test -f "$tmp/prefix/include/sinter/config.hpp"
}

pkgconfig() {
  PKG_CONFIG_PATH=$tmp/prefix/share/pkgconfig
  export PKG_CONFIG_PATH
  test "$(pkg-config --modversion sinter)" = "$(sed -n 's/^#define SINTER_VERSION "\(.*\)"/\1/p' "$root/include/sinter/config.hpp")"
  # shellcheck disable=SC2046,SC2086
  "$CXX" -O2 $CXXFLAGS $(pkg-config --cflags sinter) "$here/my.cpp" -o "$tmp/my-pkg"
  "$tmp/my-pkg"
}

by_cmake() {
  mkdir -p "$tmp/cmake"
  cp "$here/cmake/CMakeLists.txt" "$here/my.cpp" "$tmp/cmake"
  cmake -S "$tmp/cmake" -B "$tmp/cmake/build" -DCMAKE_PREFIX_PATH="$tmp/prefix" -DCMAKE_BUILD_TYPE=Release
  cmake --build "$tmp/cmake/build"
  "$tmp/cmake/build/my"
}

# The program in README.md, as it stands there.
readme() {
  sed -n '/^```cpp$/,/^```$/p' "$root/README.md" | sed '1d;$d' >"$tmp/readme.cpp"
  grep -q 'int main' "$tmp/readme.cpp"
  # shellcheck disable=SC2086  # flags are words
  "$CXX" -std=c++20 -O3 -march=native -Wall -Wextra -Werror $CXXFLAGS -I"$root/include" "$tmp/readme.cpp" -o "$tmp/readme"
  "$tmp/readme"
}

check "plain compiler line" plain
check "the program in README.md" readme
if has meson && has ninja; then
  check "Meson subproject" subproject
  check "install into a prefix" install_prefix
  if ! has pkg-config; then skip "pkg-config" "pkg-config is absent"
  else check "pkg-config" pkgconfig; fi
  if ! has cmake; then skip "CMake find_package" "cmake is absent"
  else check "CMake find_package" by_cmake; fi
else
  skip "Meson subproject, install, pkg-config, CMake" "meson or ninja is absent"
fi
[ "$failures" = 0 ]
