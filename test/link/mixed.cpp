// SPDX-License-Identifier: BSD-3-Clause
// One program out of parts with different flags: each runs its own kernels, on tensors of the others.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "part.hpp"

extern const part baseline, native, openmp, unoptimised, fast, checked;
#ifdef WITH_DEVICE
extern const part device;
#endif

void check(bool right, const char* a, const char* b, const char* what) {
  if (right) return;
  std::printf("%s with %s: %s\n", a, b, what);
  std::exit(1);
}
bool close(const matrix& a, const matrix& b) {
  if (a.numel() != b.numel()) return false;
  for (st::int64 i = 0; i < a.size(0); ++i)
    for (st::int64 k = 0; k < a.size(1); ++k)
      if (!(std::abs(a(i, k) - b(i, k)) <= 1e-5f * (1 + std::abs(b(i, k))))) return false;
  return true;
}

double cubes(const matrix& x) {
  double s = 0;
  for (st::int64 i = 0; i < x.numel(); ++i) s += static_cast<double>(x.data()[i]) * x.data()[i] * x.data()[i];
  return s;
}

int main() {
  const part parts[] = {baseline, native, openmp, unoptimised, fast, checked,
#ifdef WITH_DEVICE
                        device,
#endif
  };
  for (const part& a : parts)
    for (const part& b : parts) {
      matrix x = a.make(67, 130), y = b.make(67, 130);
      check(close(x, y), a.name, b.name, "the same values");
      check(close(a.compute(y), b.compute(x)), a.name, b.name, "the same results");
      check(close(a.gradient(y), b.gradient(x)), a.name, b.name, "the same gradients");
      const matrix other = x;  // a handle of the same elements
      const auto version = other.version();
      b.write(x);
      check(other(0, 0) == 0.5f && other.version() == version + 1, a.name, b.name, "a write is seen through all handles");
      y = {};
      const weights w = a.leaf(x);
      check(std::abs(b.second(w) - 36 * cubes(x)) <= 1e-4 * std::abs(36 * cubes(x)), a.name, b.name, "a second derivative of the other's variable");
      check(w.grad().defined(), a.name, b.name, "a gradient that the other one stored");
      check(a.print(x) == b.print(x), a.name, b.name, "the same text");
      check(close(a.files(x, "part"), x), a.name, b.name, "written and read");
      check(b.consume(a.make(3, 5)) == 15, a.name, b.name, "the last handle may be the other's");
    }
  for (const part& a : parts) {  // an optimizer and a module stay within a part; what they see and make does not
    const double loss = a.train(st::any_tensor(baseline.make(64, 8)));
    check(std::abs(loss - baseline.train(st::any_tensor(a.make(64, 8)))) < 1e-4, a.name, "baseline", "the same training");
  }
  // two parts of one instruction set and executor compute the same bits
  const matrix x = native.make(67, 130);
  const matrix a = native.compute(x), b = openmp.compute(x);
  check(std::memcmp(a.data(), b.data(), sizeof(float) * static_cast<std::size_t>(a.numel())) == 0, "native", "openmp", "bitwise the same");
}
