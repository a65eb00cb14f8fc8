// SPDX-License-Identifier: BSD-3-Clause
#include "peer.hpp"
namespace bench::peer {
std::string about() { return ""; }
solution solve(const problem&) { return {}; }
}
