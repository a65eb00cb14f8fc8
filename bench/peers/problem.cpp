// SPDX-License-Identifier: BSD-3-Clause
// The problems behind plain functions, for python.py: one problem is open at a time.
#include "../problems/all.hpp"

namespace {
bench::problem now;
const bench::array& at(int i) {
  const auto inputs = static_cast<int>(now.in.size());
  return i < inputs ? now.in[static_cast<std::size_t>(i)] : now.out[static_cast<std::size_t>(i - inputs)];
}
}  // namespace

extern "C" {
/// The number of inputs; -1 for an unknown row.
int bench_open(const char* id) {
  now = {};
  now = bench::problems::make(id);
  return now.id.empty() ? -1 : static_cast<int>(now.in.size());
}
const char* bench_kind() { return now.kind.c_str(); }
int bench_outputs() { return static_cast<int>(now.out.size()); }
long bench_number(int i) { return i < static_cast<int>(now.n.size()) ? now.n[static_cast<std::size_t>(i)] : -1; }
int bench_threads() { return now.threads; }
int bench_checked_runs() { return now.checked_runs; }
long bench_repeat() { return now.repeat; }
/// Array i: inputs, then outputs.
void* bench_data(int i) { return at(i).memory.get(); }
int bench_wide(int i) { return at(i).wide; }
int bench_rank(int i) { return static_cast<int>(at(i).sizes.size()); }
long bench_size(int i, int dim) { return at(i).sizes[static_cast<std::size_t>(dim)]; }
double bench_error() { return now.error(); }
}
