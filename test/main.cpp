// SPDX-License-Identifier: BSD-3-Clause
// main() of the test programs, for Catch2 2 and 3 alike; compiled once, without the precompiled header.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
