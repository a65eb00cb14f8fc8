// SPDX-License-Identifier: BSD-3-Clause
// json_reader with any text: every value is read as what its first character promises, written again, and read once more.
#include "fuzz.hpp"

#include <sinter/io/json.hpp>

namespace {
struct walker {
  std::string_view text;
  st::json_reader<> r{text};
  std::string out;

  void value() {
    const std::size_t at = text.find_first_not_of(" \n\r\t", r.position());
    const char first = at == std::string_view::npos ? '\0' : text[at];
    if (first == '{') {
      out += '{';
      r.object([&](const std::string& key) {
        comma('{');
        st::append_json(out, key);
        out += ':';
        value();
      });
      out += '}';
    } else if (first == '[') {
      out += '[';
      r.array([&] {
        comma('[');
        value();
      });
      out += ']';
    } else if (first == '"') {
      st::append_json(out, r.string());
    } else {
      out += std::to_string(r.integer());
    }
  }
  void comma(char open) {
    if (out.back() != open) out += ',';
  }
};
std::string normal(std::string_view text) {
  walker w{text};
  w.value();
  w.r.end();
  return w.out;
}
}  // namespace

void one(const char*, std::string_view bytes) {
  memory_meter memory;
  std::string once;
  try {
    once = normal(bytes);
  } catch (const st::io_error&) {
  }
  memory.check(bytes.size(), 16);
  if (!once.empty() && normal(once) != once) {
    std::fprintf(stderr, "ERROR: what was written is not what is read\n");
    std::abort();
  }
}

void repair(std::uint8_t*, std::size_t) {}

void seeds() {
  seed(R"({"a": [1, -2, 9223372036854775807], "b": {"c": "text"}, "": []})");
  seed(R"(["\u00e9\ud83d\ude00\\\"\/\b\f\n\r\t", "é"])");
  seed("[[[[[[[[[[[[[[[[ ]]]]]]]]]]]]]]]]");
  seed("-9223372036854775808");
}
