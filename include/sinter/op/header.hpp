// SPDX-License-Identifier: BSD-3-Clause
// How an op of yours reaches NVRTC: its header's text goes into the program when that is compiled, so that no source
// folder is needed when it runs. Ops of op/ need none of this. Device-clean. Next: jit/source.hpp reads it.
//
//     #include <sinter/op/header.hpp>        // and what else of sinter/op/ it uses: no other headers
//     SINTER_OP_HEADER(my_ops)               // once, at global scope: this file as `my_ops`
//     namespace my {
//     struct smooth {                        // x / (1 + |x|)
//       SINTER_OP(my::smooth, my_ops)        // its full name, and where its text is
//       static constexpr sinter::op_info info{.name = "smooth"};
//       ...
#pragma once
#include "lane.hpp"

namespace sinter::inline v0 {

/// A header as text; `first` is null where it could not be embedded.
struct header_text {
  const char* name;
  const char* first;
  const char* last;
};

#if defined(__ELF__) && !defined(__CUDACC__)
// Weak and hidden: every file that includes the header brings the text, the linker keeps one.
#define SINTER_EMBED(id, path)                                                        \
  asm(".pushsection .rodata.sinter_text_" #id ",\"a\",%progbits\n"                    \
      ".weak sinter_text_" #id "\n.hidden sinter_text_" #id "\nsinter_text_" #id ":\n" \
      ".incbin \"" path "\"\n"                                                        \
      ".weak sinter_text_end_" #id "\n.hidden sinter_text_end_" #id "\nsinter_text_end_" #id ":\n" \
      ".byte 0\n.popsection\n");                                                      \
  extern "C" __attribute__((visibility("hidden"))) const char sinter_text_##id[];     \
  extern "C" __attribute__((visibility("hidden"))) const char sinter_text_end_##id[];
#define SINTER_OP_HEADER(id)                                                          \
  SINTER_EMBED(id, __FILE__)                                                          \
  struct id {                                                                         \
    static sinter::header_text text() { return {#id ".hpp", sinter_text_##id, sinter_text_end_##id}; } \
  };
#else
#define SINTER_OP_HEADER(id)                                                          \
  struct id {                                                                         \
    static sinter::header_text text() { return {#id ".hpp", nullptr, nullptr}; }      \
  };
#endif

/// In an op: its full name, and the header that holds it.
#define SINTER_OP(full_name, id)                        \
  static constexpr const char* full_name_ = #full_name; \
  using header = ::id;

}  // namespace sinter::inline v0
