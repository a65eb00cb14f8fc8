// SPDX-License-Identifier: BSD-3-Clause
// The headers that NVRTC reads, as text inside the program. NVRTC resolves no relative includes among headers given
// as text, so they are rewritten to names from the root here. Built with SINTER_INCLUDE, the path of include/.
#include "headers.hpp"

#include <sinter/cuda/convolution.hpp>
#include <sinter/cuda/product.hpp>  // for the build: this file depends on what it embeds
#include <sinter/cuda/nvrtc.hpp>
#include <sinter/op/fast.hpp>
#include <sinter/op/contraction.hpp>
#include <sinter/op/convolution.hpp>
#include <sinter/op/loss.hpp>
#include <sinter/op/philox.hpp>
#include <sinter/op/random.hpp>
#include <sinter/op/rounding.hpp>
#include <sinter/op/trigonometric.hpp>

#define SINTER_HEADERS(X)                                                                            \
  X(config, "config.hpp") X(instruction, "expr/instruction.hpp") X(words, "expr/words.hpp")          \
  X(levels, "expr/levels.hpp") X(block, "cuda/block.hpp") X(table, "cuda/table.hpp")                 \
  X(kernel, "cuda/kernel.hpp") X(product, "cuda/product.hpp") X(device_convolution, "cuda/convolution.hpp") X(activation, "op/activation.hpp") X(arithmetic, "op/arithmetic.hpp") \
  X(comparison, "op/comparison.hpp") X(contraction, "op/contraction.hpp") X(convolution, "op/convolution.hpp") X(dtype, "op/dtype.hpp")   \
  X(exponential, "op/exponential.hpp") X(fast, "op/fast.hpp") X(header, "op/header.hpp") X(lane, "op/lane.hpp")             \
  X(loss, "op/loss.hpp") X(math, "op/math.hpp") X(normalization, "op/normalization.hpp")             \
  X(philox, "op/philox.hpp") X(random, "op/random.hpp") X(reduction, "op/reduction.hpp")                              \
  X(target, "target.hpp") X(logical, "op/logical.hpp") X(rounding, "op/rounding.hpp") X(special, "op/special.hpp")           \
  X(trigonometric, "op/trigonometric.hpp") X(half, "op/half.hpp") X(complex, "op/complex.hpp") X(integers, "op/integers.hpp")

#define SINTER_EMBED_ONE(id, path) SINTER_EMBED(own_##id, SINTER_INCLUDE "/sinter/" path)
SINTER_HEADERS(SINTER_EMBED_ONE)

namespace sinter::inline v0::detail {

namespace {

/// "../op/x.hpp" seen from "sinter/cuda/y.hpp" is "sinter/op/x.hpp".
std::string from_root(const std::string& from, std::string path) {
  std::string folder = from.substr(0, from.rfind('/'));
  for (; path.rfind("../", 0) == 0; path.erase(0, 3)) folder.erase(folder.rfind('/'));
  return folder + '/' + path;
}
std::string rewritten(const std::string& name, const char* first, const char* last) {
  const std::string mark = "#include \"";
  std::string out;
  while (first != last) {
    const char* end = first;
    while (end != last && *end != '\n') ++end;
    std::string line(first, end);
    if (line.rfind(mark, 0) == 0) {
      const std::size_t quote = line.find('"', mark.size());
      line = mark + from_root(name, line.substr(mark.size(), quote - mark.size())) + '"';
    }
    (out += line) += '\n';
    first = end == last ? last : end + 1;
  }
  return out;
}
std::vector<embedded> make() {
  std::vector<embedded> all;
  std::string families;
  auto add = [&](const char* path, const char* first, const char* last) {
    const std::string name = std::string("sinter/") + path;
    all.push_back({name, rewritten(name, first, last)});
    if (name.rfind("sinter/op/", 0) == 0) families += "#include \"" + name + "\"\n";
  };
#define SINTER_ADD(id, path) add(path, sinter_text_own_##id, sinter_text_end_own_##id);
  SINTER_HEADERS(SINTER_ADD)
  all.push_back({"sinter/op/all.hpp", "#pragma once\n" + families});
  return all;
}

}  // namespace

const std::vector<embedded>& embedded_headers() {
  static const std::vector<embedded> all = make();
  return all;
}
const std::string* embedded_header(const char* name) {
  for (const embedded& h : embedded_headers())
    if (h.name == name) return &h.text;
  return nullptr;
}
uint64 hash_of(const std::string& text, uint64 h) {
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}
uint64 embedded_hash() {
  static const uint64 hash = [] {
    uint64 h = hash_seed;
    for (const embedded& e : embedded_headers()) h = hash_of(e.text, hash_of(e.name, h));
    return h;
  }();
  return hash;
}

}  // namespace sinter::inline v0::detail
