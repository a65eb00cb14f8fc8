// SPDX-License-Identifier: BSD-3-Clause
// A strict pull reader for the JSON that file headers need: objects, arrays, strings, integers.
// Not a document model: the caller says what it expects, so nesting and memory are bounded. Next: safetensors.hpp.
#pragma once
#include <string_view>

#include "../error.hpp"

namespace sinter::inline v0 {

/// Reads JSON text in order: `r.object([&](std::string key) { value = r.integer(); }); r.end();`.
/// Every deviation is an io_error that names the source, what is wrong, and the byte where.
template <class Arch = native> class json_reader {
 public:
  /// `text` must outlive the reader; `source` names the file in errors; `max_depth` limits open objects and arrays.
  explicit json_reader(std::string_view text, std::string_view source = "JSON", int max_depth = 16)
      : text_(text), source_(source), max_depth_(max_depth) {}

  /// Reads `{...}`, calling `member(key)` after each key; the callback reads the value.
  template <class F> void object(F&& member) {
    open('{', "an object");
    if (!closed('}')) do {
      if (peek() != '"') error("expected a key in quotes");
      std::string key = string();
      expect(':');
      member(static_cast<std::string&&>(key));
    } while (next_item('}'));
    --depth_;
  }

  /// Reads `[...]`, calling `element()` before each element; the callback reads it.
  template <class F> void array(F&& element) {
    open('[', "an array");
    if (!closed(']')) do element(); while (next_item(']'));
    --depth_;
  }

  /// Reads a string as UTF-8; escapes are decoded, surrogate pairs joined, malformed UTF-8 refused.
  std::string string();

  /// Reads an integer that fits in int64: no fraction, no exponent, no leading zero.
  int64 integer();

  /// Nothing but white space may follow.
  void end() {
    skip_space();
    if (pos_ != text_.size()) error("something follows the value");
  }

  /// Byte position of what is read next.
  std::size_t position() const { return pos_; }

  /// Raises an io_error at the current byte; the parts are strings, characters and numbers.
  template <class... P> [[noreturn]] SINTER_COLD void error(const P&... parts) const {
    fail<io_error, Arch>(std::string(source_), ": ", parts..., " (at byte ", pos_, " of the JSON text)");
  }

 private:
  int at(std::size_t i) const { return i < text_.size() ? static_cast<unsigned char>(text_[i]) : -1; }
  void skip_space() {
    while (at(pos_) == ' ' || at(pos_) == '\n' || at(pos_) == '\r' || at(pos_) == '\t') ++pos_;
  }
  int peek() {
    skip_space();
    return at(pos_);
  }
  void expect(char c) {
    if (peek() != c) error("expected '", c, "'", at(pos_) < 0 ? ", the text ends" : "");
    ++pos_;
  }
  void open(char c, const char* what) {
    if (peek() != c) error("expected ", what);
    if (depth_ == max_depth_) error("nested too deeply");
    ++depth_, ++pos_;
  }
  bool closed(char c) { return peek() == c && ++pos_; }
  bool next_item(char close) {
    if (closed(close)) return false;
    if (peek() != ',') error("expected ',' or '", close, "'", at(pos_) < 0 ? ", the text ends" : "");
    return ++pos_;
  }
  uint32 hex4() {
    uint32 v = 0;
    for (int i = 0; i < 4; ++i, ++pos_) {
      const int c = at(pos_);
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) error("\\u needs four hexadecimal digits");
      v = v * 16 + static_cast<uint32>(digit);
    }
    return v;
  }
  void escape(std::string& out);
  void utf8(std::string& out);

  std::string_view text_, source_;
  std::size_t pos_ = 0;
  int depth_ = 0, max_depth_;
};

/// Appends `text` (UTF-8) to `out` as a JSON string with its quotes.
template <class Arch = native> void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      const char* hex = "0123456789abcdef";
      out += "\\u00";
      out += hex[c >> 4];
      out += hex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

namespace detail::inline SINTER_TARGET {
/// Bytes of the well-formed UTF-8 sequence at the start of `s`, 0 where it is malformed (Unicode, table 3-7).
template <class Arch = native> int utf8_length(std::string_view s) {
  auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const unsigned b = byte(0);
  if (b < 0x80) return s.empty() ? 0 : 1;
  const int n = b >= 0xC2 && b < 0xE0 ? 2 : b >= 0xE0 && b < 0xF0 ? 3 : b >= 0xF0 && b < 0xF5 ? 4 : 0;
  const unsigned low = b == 0xE0 ? 0xA0u : b == 0xF0 ? 0x90u : 0x80u;   // no overlong forms
  const unsigned high = b == 0xED ? 0x9Fu : b == 0xF4 ? 0x8Fu : 0xBFu;  // no surrogates, nothing over U+10FFFF
  if (n == 0 || byte(1) < low || byte(1) > high) return 0;
  for (int i = 2; i < n; ++i)
    if ((byte(static_cast<std::size_t>(i)) & 0xC0) != 0x80) return 0;
  return n;
}
template <class Arch = native> bool is_utf8(std::string_view s) {
  while (!s.empty()) {
    const int n = utf8_length<Arch>(s);
    if (n == 0) return false;
    s.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}
}  // namespace detail::inline SINTER_TARGET

template <class Arch> std::string json_reader<Arch>::string() {
  if (peek() != '"') error("expected a string");
  ++pos_;
  std::string out;
  for (;;) {
    const int c = at(pos_);
    if (c < 0) error("the text ends inside a string");
    if (c < 0x20) error("control character inside a string");
    if (c == '"') return ++pos_, out;
    if (c == '\\') {
      ++pos_;
      escape(out);
    } else {
      utf8(out);
    }
  }
}

template <class Arch> void json_reader<Arch>::utf8(std::string& out) {
  const int n = detail::utf8_length<Arch>(text_.substr(pos_, 4));
  if (n == 0) error("malformed UTF-8 inside a string");
  out.append(text_.substr(pos_, static_cast<std::size_t>(n)));
  pos_ += static_cast<std::size_t>(n);
}

template <class Arch> void json_reader<Arch>::escape(std::string& out) {
  const int c = at(pos_);
  if (c == 'u') {
    ++pos_;
    uint32 v = hex4();
    if (v >= 0xDC00 && v < 0xE000) error("second half of a surrogate pair without the first");
    if (v >= 0xD800 && v < 0xDC00) {
      if (at(pos_) != '\\' || at(pos_ + 1) != 'u') error("first half of a surrogate pair without the second");
      pos_ += 2;
      const uint32 low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) error("first half of a surrogate pair without the second");
      v = 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
    }
    auto put = [&](uint32 byte) { out += static_cast<char>(byte); };
    if (v < 0x80) put(v);
    else if (v < 0x800) put(0xC0 | v >> 6), put(0x80 | (v & 63));
    else if (v < 0x10000) put(0xE0 | v >> 12), put(0x80 | (v >> 6 & 63)), put(0x80 | (v & 63));
    else put(0xF0 | v >> 18), put(0x80 | (v >> 12 & 63)), put(0x80 | (v >> 6 & 63)), put(0x80 | (v & 63));
    return;
  }
  const std::string_view codes = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
  const std::size_t i = c < 0 ? std::string_view::npos : codes.find(static_cast<char>(c));
  if (i == std::string_view::npos) error("unknown escape");
  out += meanings[i];
  ++pos_;
}

template <class Arch> int64 json_reader<Arch>::integer() {
  peek();
  const std::size_t start = pos_;
  const bool negative = at(pos_) == '-';
  if (negative) ++pos_;
  auto digit = [&] { return at(pos_) >= '0' && at(pos_) <= '9'; };
  if (!digit()) error("expected an integer");
  if (at(pos_) == '0' && at(pos_ + 1) >= '0' && at(pos_ + 1) <= '9') error("an integer with a leading zero");
  int64 v = 0;  // kept negative: that half has room for the lowest int64
  for (; digit(); ++pos_)
    if (__builtin_mul_overflow(v, int64{10}, &v) || __builtin_sub_overflow(v, int64{at(pos_) - '0'}, &v))
      error("the integer is too large");
  if (at(pos_) == '.' || at(pos_) == 'e' || at(pos_) == 'E') error("expected an integer, not a fraction");
  if (!negative && __builtin_sub_overflow(int64{0}, v, &v)) {
    pos_ = start;
    error("the integer is too large");
  }
  return v;
}

}  // namespace sinter::inline v0
