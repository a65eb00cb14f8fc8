// SPDX-License-Identifier: BSD-3-Clause
// Strided copies against plain loops, byte for byte: every element size, ranks 0 to 8, dims in any order, strides of any sign,
// sizes on both sides of the caches, threads.
#include <sinter/cpu/copy_elements.hpp>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "../catch.hpp"
#include "threads.hpp"

namespace st = sinter;
using st::int64;
using st::max_rank, st::detail::shape_value;

namespace {

/// One side of a copy: strides in elements, and where element 0 lies in a buffer of `numel` elements.
struct side {
  int64 strides[max_rank] = {}, origin = 0, numel = 1;
};
/// Dims in the order given, outermost first, with `gap` elements more than are needed after each; dims in `flipped` run backwards,
/// those in `repeated` stay where they are.
side lay_out(const shape_value& s, const int* order, int64 gap, unsigned flipped, unsigned repeated) {
  side out;
  int64 step = 1 + gap / 2;
  for (int k = s.rank - 1; k >= 0; --k) {
    const int d = order[k];
    if (repeated >> d & 1) continue;
    out.strides[d] = step;
    if (flipped >> d & 1) out.origin += (s[d] - 1) * step, out.strides[d] = -step;
    step *= s[d] + gap;
  }
  out.numel = step + 1;
  return out;
}

std::vector<unsigned char> noise(int64 bytes, unsigned seed) {
  std::vector<unsigned char> v(static_cast<std::size_t>(bytes + 64));
  unsigned x = seed * 2654435761u + 12345;
  for (auto& b : v) x = x * 1664525u + 1013904223u, b = static_cast<unsigned char>(x >> 24);
  return v;
}

/// Copies, and checks that all of the target's buffer is as plain loops leave it: elements and what lies between them.
bool copies(int size, const shape_value& s, const side& from, const side& to) {
  const auto source = noise(from.numel * size, 1);
  auto got = noise(to.numel * size, 2), want = got;
  const auto at = [&](auto& buffer, int64 element) { return buffer.data() + element * size; };
  int64 index[max_rank] = {};
  for (int64 i = 0; i < s.numel(); ++i) {
    int64 a = from.origin, b = to.origin;
    for (int d = 0; d < s.rank; ++d) a += index[d] * from.strides[d], b += index[d] * to.strides[d];
    std::memcpy(at(want, b), at(source, a), static_cast<std::size_t>(size));
    for (int d = s.rank - 1; d >= 0 && ++index[d] == s[d]; --d) index[d] = 0;
  }
  st::detail::copy_elements<st::native>(size, s, at(source, from.origin), from.strides, at(got, to.origin), to.strides);
  return got == want;
}
std::string text_of(int size, const shape_value& s) {
  std::string t = std::to_string(size) + " bytes, shape";
  for (int d = 0; d < s.rank; ++d) t += " " + std::to_string(s[d]);
  return t;
}
constexpr int identity[] = {0, 1, 2, 3, 4, 5, 6, 7}, turned[] = {1, 0};

}  // namespace

TEST_CASE("copies of any shape, order and stride", "[copy]") {
  std::mt19937 random(7);
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  for (int size : {1, 2, 4, 8, 16})
    for (int round = 0; round < 250; ++round) {
      shape_value s;
      s.rank = round % 6;
      const int most[] = {1, 300, 70, 21, 9, 6};
      for (int d = 0; d < s.rank; ++d) s[d] = below(8) == 0 ? below(2) : 1 + below(static_cast<unsigned>(most[s.rank]));
      int orders[2][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}};
      for (auto& order : orders)
        if (below(3)) std::shuffle(order, order + s.rank, random);
      const auto flips = [&] { return below(3) ? 0u : static_cast<unsigned>(below(256)); };
      const side from = lay_out(s, orders[0], below(3) ? 0 : below(4), flips(), flips()), to = lay_out(s, orders[1], below(3) ? 0 : below(4), flips(), 0);
      INFO(text_of(size, s) << ", round " << round);
      CHECK(copies(size, s, from, to));
    }
}

TEST_CASE("the highest rank", "[copy]") {
  shape_value s;
  s.rank = max_rank;
  for (int d = 0; d < s.rank; ++d) s[d] = 2 + d % 2;
  const int back[] = {7, 6, 5, 4, 3, 2, 1, 0};
  for (int size : {1, 4, 16}) {
    INFO(text_of(size, s));
    CHECK(copies(size, s, lay_out(s, identity, 0, 0, 0), lay_out(s, back, 0, 0, 0)));
    CHECK(copies(size, s, lay_out(s, back, 1, 0x55, 0), lay_out(s, identity, 0, 0, 0)));
  }
}

TEST_CASE("transposes around squares of registers and blocks", "[copy]") {
  for (int size : {2, 4, 8, 16})
    for (int64 n : {1, 2, 7, 8, 15, 16, 17, 64, 127, 129})
      for (int64 m : {1, 3, 8, 16, 31, 33, 128, 255, 257}) {
        const shape_value s{{n, m}, 2};
        INFO(text_of(size, s));
        CHECK(copies(size, s, lay_out(s, turned, 0, 0, 0), lay_out(s, identity, 0, 0, 0)));
        CHECK(copies(size, s, lay_out(s, identity, n == 17 ? 3 : 0, 0, 0), lay_out(s, turned, m == 33 ? 5 : 0, 0, 0)));
      }
}

TEST_CASE("copies that threads share, within the caches and past them", "[copy]") {
  const int64 beyond = std::min<int64>(st::detail::last_level_cache() / 2, 1 << 24) / 4 + 5000;  // floats
  const int64 rows = 1025, columns = beyond / rows + 1;
  struct shape { shape_value s; int order[3]; };
  for (const auto& [s, order] : {shape{{{70, 3, 331}, 3}, {2, 1, 0}}, shape{{{100000}, 1}, {0}}, shape{{{301, 303}, 2}, {1, 0}},
                                 shape{{{beyond}, 1}, {0}}, shape{{{rows, columns}, 2}, {1, 0}}, shape{{{5, 70, beyond / 340}, 3}, {1, 0, 2}}, shape{{{beyond / 120, 2, 61}, 3}, {2, 0, 1}}})
    for (int size : {4, 8}) {
      if (size == 8 && s.numel() > 1 << 21) continue;
      INFO(text_of(size, s));
      const side from = lay_out(s, order, 0, 0, 0), to = lay_out(s, identity, s.numel() < 1 << 20 ? 1 : 0, 0, 0);
      st::executor_guard serial(st::serial_executor());
      CHECK(copies(size, s, from, to));
      for (int threads : {2, 3}) {
        if (s.numel() > 1 << 20 && threads == 2) continue;
        some_threads own{threads};
        st::executor_guard guard(own.get());
        CHECK(copies(size, s, from, to));
        CHECK(own.loops > 0);
      }
    }
}
