# SPDX-License-Identifier: BSD-3-Clause
# Finds, and where allowed installs, what sinter's scripts need. Sourced by examples/quickstart.sh, test/run.sh and
# bench/run.sh, which first set `root`; not a program by itself.
#
#   common_option "$@"      takes --help, --no-install, --deps DIR; sets `taken` to the number of arguments it used
#   need NAME...            cxx meson ninja xsimd xtensor catch2 clang: finds them or installs them or exits 1
#   configure DIR CXX ARG.. a Meson build folder, set up again only when its arguments changed

install=yes
deps=''
if [ -z "${CXX:-}" ]; then
  CXX=g++  # where g++ itself is too old, a newer one may be installed beside it
  for name in g++ g++-12 g++-13 g++-14 g++-15; do
    case $("$name" -dumpversion 2>/dev/null) in 1[2-9]*|[2-9][0-9]*) CXX=$name; break ;; esac
  done
fi
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

say() { printf '%s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

common_help() {
  cat <<'TEXT'
  --no-install   install nothing; name what is missing and stop
  --deps DIR     use the headers of xsimd, xtensor, xtl, catch2 in DIR (needs no root)
  --help         this text
The compiler is $CXX, g++ by default. As root on Debian or Ubuntu, missing packages are installed with apt-get.
TEXT
}

common_option() {
  taken=1
  case $1 in
    --help|-h) usage; exit 0 ;;
    --no-install) install=no ;;
    --deps)
      [ $# -ge 2 ] || die "--deps needs a folder"
      [ -d "$2" ] || die "--deps $2: no such folder"
      deps=$(cd "$2" && pwd)
      case $deps in *[\'\"\\]*) die "--deps $deps: quotes in the path are not supported" ;; esac
      taken=2 ;;
    --deps=*) common_option --deps "${1#--deps=}"; taken=1 ;;
    *) taken=0 ;;
  esac
}

# at_least WANTED HAVE: compares dotted versions
at_least() {
  [ -n "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$1" ]
}

has_header() {
  command -v "$CXX" >/dev/null 2>&1 || { [ -e "${deps:-/usr/include}/$1" ]; return; }
  printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$1" |
    "$CXX" -std=c++20 -E -x c++ ${deps:+-isystem "$deps"} - >/dev/null 2>&1
}

# found NAME: is it here, and new enough?
found() {
  case $1 in
    cxx)
      command -v "$CXX" >/dev/null 2>&1 || return 1
      case $("$CXX" --version 2>/dev/null | head -n 1) in
        *clang*) at_least 14 "$("$CXX" -dumpversion)" ;;
        *) at_least 12 "$("$CXX" -dumpfullversion -dumpversion)" ;;
      esac ;;
    meson) at_least 1.0 "$(meson --version 2>/dev/null)" ;;
    ninja) command -v ninja >/dev/null 2>&1 ;;
    clang) command -v clang++ >/dev/null 2>&1 ;;
    xsimd) has_header xsimd/xsimd.hpp ;;
    xtensor) has_header xtl/xtl_config.hpp && { has_header xtensor/xarray.hpp || has_header xtensor/containers/xarray.hpp; } ;;
    catch2) has_header catch2/catch.hpp || has_header catch2/catch_all.hpp ;;
    *) die "deps.sh does not know $1" ;;
  esac
}

package() {
  case $1 in
    cxx) say g++ ;;
    ninja) say ninja-build ;;
    xsimd) say libxsimd-dev ;;
    xtensor) say libxtensor-dev ;;
    *) say "$1" ;;
  esac
}

wanted() {
  case $1 in
    cxx) say "g++ 12 or newer ($CXX is $("$CXX" -dumpfullversion -dumpversion 2>/dev/null || echo absent))" ;;
    meson) say "meson 1.0 or newer (here: $(meson --version 2>/dev/null || echo absent))" ;;
    *) say "$1" ;;
  esac
}

can_install() { [ "$install" = yes ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

# missing NAME...: sets `absent` (names) and `packages` (Debian's names)
missing() {
  absent='' packages=''
  for name in "$@"; do
    found "$name" || { absent="$absent $name"; packages="$packages $(package "$name")"; }
  done
  absent=${absent# } packages=${packages# }
}

# try_install NAME...: true when all of them are here in the end
try_install() {
  missing "$@"
  [ -n "$absent" ] || return 0
  can_install || return 1
  say "installing with apt-get: $packages"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || say "apt-get update failed; trying with the package lists at hand"
  # shellcheck disable=SC2086  # a list of names
  apt-get install -y -qq --no-install-recommends $packages >/dev/null || say "apt-get could not install: $packages"
  missing "$@"
  [ -z "$absent" ]
}

need() {
  try_install "$@" && return 0
  {
    say "missing:"
    for name in $absent; do say "  $(wanted "$name")"; done
    say "On Debian or Ubuntu:  apt-get install $packages"
    case " $absent " in *' meson '*|*' ninja '*) say "meson and ninja also come with:  pip install meson ninja" ;; esac
    case " $absent " in *' x'*|*' catch2 '*) say "Headers may also be given with --deps DIR (DIR holds xsimd/, xtensor/, xtl/, catch2/)." ;; esac
    if [ "$install" = no ]; then say "--no-install: nothing was installed."
    elif [ "$(id -u)" != 0 ]; then say "Installing needs root; nothing was installed."; fi
  } >&2
  exit 1
}

# configure DIR CXX ARG...: environment variables count only when Meson sets a folder up, hence the stamp.
configure() {
  dir=$1 compiler=$2
  shift 2
  flags="${CXXFLAGS:-}${deps:+ -isystem '$deps'}"
  stamp="$compiler $flags $*"
  if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/sinter-stamp" 2>/dev/null)" = "$stamp" ]; then return 0; fi
  rm -rf "$dir"
  mkdir -p "$(dirname "$dir")"
  CXX=$compiler CXXFLAGS=$flags meson setup "$dir" "$root" "$@" >"$dir.log" 2>&1 || { cat "$dir.log" >&2; die "meson setup failed"; }
  printf '%s' "$stamp" >"$dir/sinter-stamp"
}
