// SPDX-License-Identifier: BSD-3-Clause
// 600 instructions and their adjoint lower to programs, on every compiler. (They run in schedule.cpp.)
#include <sinter/sinter.hpp>

#include "../catch.hpp"

namespace st = sinter;

namespace {
struct chain {
  template <int Room> static constexpr auto make() {
    st::graph g;
    auto x = g.leaf(0, st::dtype::f32, 1), b = g.leaf(1, st::dtype::f32, 1), h = x;
    for (int i = 0; i < 200; ++i) h = tanh(h * b + (i % 2 ? 0.25 : -0.125));
    g.output(h, 0);
    return st::detail::flatten<Room>(g, 2);
  }
};
using program = st::detail::make_program<chain>;
using derived = st::detail::derived<program, st::detail::mask_words<3>>;
}  // namespace

TEST_CASE("600 instructions and their adjoint are one kernel each") {
  static_assert(program::size >= 600);
  static_assert(derived::backward::size > 1000);
  static_assert(st::detail::schedule_of<derived::forward>.count == 1);
  static_assert(st::detail::schedule_of<derived::backward>.count == 1);
  CHECK(derived::tables.saved == 1);  // the result; everything else is computed again in registers
}
