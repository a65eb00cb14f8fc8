// SPDX-License-Identifier: BSD-3-Clause
// extents as types: what is known at compile time, NumPy's broadcasting, lists of sizes.
#include "../catch.hpp"

#include <sinter/tensor/extents.hpp>

namespace st = sinter;

template <class A, class B, class C> constexpr bool gives = std::is_same_v<st::broadcast_extents<A, B>, C>;

TEST_CASE("extents know their rank and their static sizes") {
  using e = st::extents<3, st::dyn, st::at_most<8>>;
  CHECK(e::rank == 3);
  CHECK(e::at(0) == 3);
  CHECK(e::at(1) == st::dyn);
  CHECK(e::at(2) == st::at_most<8>);
  CHECK_FALSE(e::all_static);
  CHECK(e::static_numel == st::dyn);
}
TEST_CASE("all-static extents know their number of elements") {
  CHECK(st::extents<3, 4>::static_numel == 12);
  CHECK(st::extents<3, 0>::static_numel == 0);
  CHECK(st::extents<>::static_numel == 1);
  CHECK(st::extents<>::all_static);
}
TEST_CASE("rank<R> is R dynamic extents") {
  CHECK(std::is_same_v<st::rank<2>, st::extents<st::dyn, st::dyn>>);
  CHECK(std::is_same_v<st::rank<0>, st::extents<>>);
}
TEST_CASE("static extents broadcast as in NumPy") {
  CHECK(gives<st::extents<3, 4>, st::extents<3, 4>, st::extents<3, 4>>);
  CHECK(gives<st::extents<3, 1>, st::extents<1, 4>, st::extents<3, 4>>);
  CHECK(gives<st::extents<2, 3, 4>, st::extents<4>, st::extents<2, 3, 4>>);
  CHECK(gives<st::extents<>, st::extents<5>, st::extents<5>>);
  CHECK(gives<st::extents<0>, st::extents<1>, st::extents<0>>);
}
TEST_CASE("a static extent over 1 wins over dyn, a static 1 yields to it") {
  CHECK(gives<st::rank<1>, st::extents<4>, st::extents<4>>);
  CHECK(gives<st::extents<1>, st::rank<1>, st::rank<1>>);
  CHECK(gives<st::rank<1>, st::rank<1>, st::rank<1>>);
}
TEST_CASE("bounded extents keep the larger bound") {
  CHECK(gives<st::extents<st::at_most<4>>, st::extents<st::at_most<9>>, st::extents<st::at_most<9>>>);
  CHECK(gives<st::extents<st::at_most<4>>, st::extents<1>, st::extents<st::at_most<4>>>);
  CHECK(gives<st::extents<st::at_most<4>>, st::rank<1>, st::rank<1>>);
}
TEST_CASE("an index_list takes any mix of integer types") {
  const std::size_t n = 5;
  const short m = 2;
  const st::index_list<3> list{3, n, m};
  CHECK(list == st::index_list<3>(3, 5, 2));
  CHECK(list.size() == 3);
  CHECK(list[1] == 5);
}
