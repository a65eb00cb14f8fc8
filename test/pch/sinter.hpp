// SPDX-License-Identifier: BSD-3-Clause
// The tests' one precompiled header: Catch2 and the umbrella. A test still includes what it uses.
#include "../catch.hpp"

#if __has_include(<sinter/sinter.hpp>)
#include <sinter/sinter.hpp>
#endif
