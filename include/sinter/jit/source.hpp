// SPDX-License-Identifier: BSD-3-Clause
// A stage program as text for NVRTC: op names and words around cuda/kernel.hpp. The ops' bodies are not in it: NVRTC
// reads the same headers as the compiler did. Next: cuda/nvrtc.hpp compiles it.
#pragma once
#include <string>

#include "../error.hpp"
#include "../expr/levels.hpp"
#include "../op/header.hpp"

namespace sinter::inline v0::detail {

/// Room for the op headers of one program.
struct header_list {
  header_text v[16] = {};
  int count = 0;
};
/// A kernel to be compiled at run time: the text, and the headers that are not sinter's own.
struct cuda_source {
  std::string text;
  header_list headers;
};

inline namespace SINTER_TARGET {

/// What the text needs of an op. An op of sinter/op/ is found by its name, another one says `SINTER_OP`.
template <class Op> std::string full_name_of() {
  if constexpr (requires { Op::full_name_; }) return Op::full_name_;
  std::string name = "sinter::op::";
  name += Op::info.name;
  return name;
}
template <class Op> void add_header(header_list& to) {
  if constexpr (requires { typename Op::header; }) {
    const header_text t = Op::header::text();
    for (int i = 0; i < to.count; ++i)
      if (to.v[i].first == t.first) return;
    if (!t.first) fail<device_error>("op ", Op::info.name, ": its header ", t.name, " could not be embedded here, so NVRTC cannot read it");
    if (to.count == 16) fail<device_error>("a CUDA kernel uses ops of more than 16 headers");
    to.v[to.count++] = t;
  }
}

inline void append_hex(std::string& s, uint64 w) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llxull", static_cast<unsigned long long>(w));
  s += text;
}
/// From words and op names. `elementwise`: one kernel, sinter_map; else sinter_rows, and with totals the two around it.
inline std::string source_text(const uint64* words, int count, const std::string& op_names, const header_list& headers, bool elementwise,
                               bool totals, bool wide) {
  // A struct of its own, not an alias: its name, not all its words, goes into the names of the functions over it, which
  // makes NVRTC several times faster.
  std::string s = "#include \"sinter/cuda/kernel.hpp\"\n#include \"sinter/op/all.hpp\"\n";
  for (int i = 0; i < headers.count; ++i) ((s += "#include \"") += headers.v[i].name) += "\"\n";
  s += "struct SP : sinter::program<sinter::ops<" + op_names + ">";
  for (int i = 0; i < count; ++i) s += i % 8 ? ", " : ",\n  ", append_hex(s, words[i]);
  s += "> {};\nusing K = sinter::detail::device::kernel<SP, sinter::detail::device::cuda_block, ";
  s += wide ? "sinter::int64>;\n" : "int>;\n";
  auto kernel = [&](const char* name, int threads) {
    s += "extern \"C\" __global__ void __launch_bounds__(";
    append(s, threads);
    s += std::string(") sinter_") + name + "(const __grid_constant__ K::table t) { K::" + name + "(t); }\n";
  };
  if (elementwise) kernel("map", 256);
  else kernel("rows", 512);
  if (totals) kernel("clear", 256), kernel("finish", 256);
  return s;
}

template <class Ops> struct ops_text;
template <class... Op> struct ops_text<ops<Op...>> {
  static std::string names() {
    std::string s;
    ((s += s.empty() ? "" : ", ", s += full_name_of<Op>()), ...);
    return s;
  }
  static header_list headers() {
    header_list l;
    (add_header<Op>(l), ...);
    return l;
  }
};
/// The source of the kernels of stage program SP.
template <class SP> cuda_source source_of(bool wide) {
  using T = ops_text<typename SP::ops_type>;
  cuda_source s{{}, T::headers()};
  constexpr bool totals = levels_of<SP>.totals > 0;
  s.text = source_text(SP::words, sizeof SP::words / sizeof(uint64), T::names(), s.headers, levels_of<SP>.passes == 0 && !totals, totals, wide);
  return s;
}

}  // namespace SINTER_TARGET
}  // namespace sinter::inline v0::detail
