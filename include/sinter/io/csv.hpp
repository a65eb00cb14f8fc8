// SPDX-License-Identifier: BSD-3-Clause
// Numbers from comma-separated text, through xtensor's xcsv. No strings, no quoting, no missing values.
// Costs about a second of compile time, so sinter.hpp does not include it. Next: npy.hpp.
#pragma once
#include <charconv>
#include <sstream>
#include <vector>

#if __has_include(<xtensor/io/xcsv.hpp>)
#include <xtensor/io/xcsv.hpp>
#elif __has_include(<xtensor/xcsv.hpp>)
#include <xtensor/xcsv.hpp>
#else
#error "sinter: io/csv.hpp needs xtensor 0.24 or newer (Debian: libxtensor-dev)"
#endif

#include "../tensor/creation.hpp"
#include "file.hpp"

namespace sinter::inline v0 {

struct csv_options {
  char delimiter = ',';
  int64 skip_rows = 0;  ///< lines at the top that are not data (a head line)
  char comment = '#';   ///< lines that start with it are not data
};

namespace detail::inline SINTER_TARGET {

template <class Arch> std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r')) s.remove_suffix(1);
  return s;
}

// One value. xtensor's own parsing takes "12ab" for 12 and follows the process' locale; here the whole cell counts.
template <class T, class Arch> struct csv_cell {
  T value{};
  bool valid = false;

  friend std::istream& operator>>(std::istream& in, csv_cell& cell) {
    const std::string raw{std::istreambuf_iterator<char>(in), {}};
    std::string_view text = trimmed<Arch>(raw);
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
    std::conditional_t<std::is_same_v<T, bool>, uint8, T> v{};
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), v);
    if constexpr (std::is_same_v<T, float>)
      if (double wide = 1; code == std::errc::result_out_of_range) {  // 1e-50 is 0, 1e50 is an error
        code = std::from_chars(text.data(), text.data() + text.size(), wide).ec;
        if (wide > -1 && wide < 1) v = static_cast<float>(wide);
        else code = std::errc::result_out_of_range;
      }
    cell.valid = code == std::errc{} && end == text.data() + text.size() && (!std::is_same_v<T, bool> || v <= T{1});
    cell.value = static_cast<T>(v);
    return in;
  }
};

// The lines that hold data, each with its number in the file, and all with the same number of values.
template <class Arch> struct csv_lines {
  std::string text;
  std::vector<int64> numbers;
  int64 columns = 0;

  csv_lines(std::string_view all, const csv_options& options, const std::string& path) {
    for (int64 number = 1; !all.empty(); ++number) {
      const auto stop = all.find('\n');
      const std::string_view line = all.substr(0, stop);
      all.remove_prefix(stop == std::string_view::npos ? all.size() : stop + 1);
      if (number <= options.skip_rows || trimmed<Arch>(line).empty() || line[0] == options.comment) continue;
      int64 cells = 1;
      for (const char c : line) cells += c == options.delimiter;
      if (columns == 0) columns = cells;
      if (cells != columns)
        fail<io_error, Arch>(path, ": line ", number, " has ", cells, " values, line ", numbers[0], " has ", columns);
      if (line.back() == options.delimiter) fail<io_error, Arch>(path, ": line ", number, " ends with an empty value");
      numbers.push_back(number);
      // A blank in front of what xtensor would take for a comment.
      if (line[0] == '#') text += ' ';
      text.append(line);
      text += '\n';
    }
    if (numbers.empty()) fail<io_error, Arch>(path, ": no lines with values");
  }
};

}  // namespace detail::inline SINTER_TARGET

/// The numbers in a text file: one row a line, every line with the same number of values. Blank lines do not count.
/// Throws io_error for a file that cannot be read, ragged lines (which one, how many values), and what is no T (where).
template <class T, class Arch = native>
tensor<T, rank<2>> load_csv(const std::string& path, const csv_options& options = {}) {
  static_assert(element<T> && !std::is_const_v<T>,
                "sinter: load_csv<T> reads bool, int8..int64, uint8, float or double");
  const storage_ptr file = map_file<Arch>(path);
  const detail::csv_lines<Arch> lines({static_cast<const char*>(file->data), static_cast<std::size_t>(file->bytes)},
                                      options, path);
  std::istringstream in(lines.text);
  const auto cells = xt::load_csv<detail::csv_cell<T, Arch>>(in, options.delimiter);
  const auto rows = static_cast<int64>(lines.numbers.size());
  auto t = empty<T>({rows, lines.columns});
  int64 i = 0;
  for (const auto& cell : cells.storage()) {
    if (!cell.valid)
      fail<io_error, Arch>(path, ": line ", lines.numbers[static_cast<std::size_t>(i / lines.columns)], ", value ",
                           i % lines.columns + 1, " is not a ", dtype_of<T>);
    t.data()[i++] = cell.value;
  }
  return t;
}

}  // namespace sinter::inline v0
