// SPDX-License-Identifier: BSD-3-Clause
// What was measured: as a table, and as bench.json. Next: chart.hpp.
#pragma once
#include <cstdio>
#include <cstdlib>

#include "machine.hpp"

namespace bench {

/// One line of the table and of bench.json. A time of 0: not here.
struct row {
  std::string id, what;
  double ours_ns = 0, limit_ns = 0;
  std::string limit_kind;
  double bytes = 0, flops = 0, max_error = 0;
  int threads = 1;
  std::map<std::string, double> peers = {};
  std::string remark = {};
  bool too_good(double ns) const { return ns > 0 && ns < 0.95 * limit_ns; }
};

inline std::string text(const char* format, double a) {
  char s[64];
  std::snprintf(s, sizeof s, format, a);
  return s;
}
inline std::string time_text(double ns) {
  return ns < 1e3 ? text("%.1f ns", ns) : ns < 1e6 ? text("%.1f us", ns / 1e3) : text("%.2f ms", ns / 1e6);
}

inline void print(const row& r) {
  std::printf("%-9s %-58s ", r.id.c_str(), r.what.c_str());
  if (r.ours_ns > 0) std::printf("%10s", time_text(r.ours_ns).c_str());
  else std::printf("%10s", "not here");
  if (r.limit_ns > 0) {
    if (r.ours_ns > 0) std::printf("  %3.0f %% of %s", 100 * r.limit_ns / r.ours_ns, r.limit_kind.c_str());
    else std::printf("  limit: %s", r.limit_kind.c_str());
    std::printf(" (%s)", time_text(r.limit_ns).c_str());
  }
  if (r.ours_ns > 0 && r.limit_kind == "FMA peak") std::printf("  %.1f GFLOP/s", r.flops / r.ours_ns);
  else if (r.ours_ns > 0 && r.bytes > 0) std::printf("  %.1f GB/s", r.bytes / r.ours_ns);
  if (r.ours_ns > 0) std::printf("  error %.0e", r.max_error);
  std::string beside, faster;
  for (const auto& [name, ns] : r.peers) {
    beside += (beside.empty() ? "" : ", ") + name + ' ' + time_text(ns);
    if (r.ours_ns > 0) beside += text(" (%.2f x)", ns / r.ours_ns);
    if (ns < r.ours_ns) faster += (faster.empty() ? "" : ", ") + name;
  }
  if (!beside.empty()) std::printf("\n          %s", beside.c_str());
  if (!faster.empty()) std::printf("\n          faster than sinter: %s", faster.c_str());
  for (const auto& [name, ns] : r.peers)
    if (r.too_good(ns)) std::printf("\n          %s beats the limit: a better loop by hand is possible", name.c_str());
  if (r.too_good(r.ours_ns)) std::printf("\n          faster than its hand loop, which is no limit, then");
  if (!r.remark.empty()) std::printf("\n          %s", r.remark.c_str());
  std::printf("\n");
  std::fflush(stdout);
}

/// A string of JSON.
inline std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (const char c : s)
    if (c == '"' || c == '\\') out += '\\', out += c;
    else out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
  return out + '"';
}

/// The rows end with a line of "]}", to which compile.sh adds its own.
inline void write_json(const std::string& path, const machine& m, const std::vector<row>& rows) {
  std::FILE* f = std::fopen(path.c_str(), "w");
  if (!f) {
    std::fprintf(stderr, "bench: cannot write %s\n", path.c_str());
    std::exit(1);
  }
  std::fprintf(f, "{\"machine\": {\"cpu\": %s, \"compiler\": %s, \"flags\": %s", quoted(m.cpu).c_str(), quoted(m.compiler).c_str(), quoted(m.flags).c_str());
  for (const auto& [name, value] : m.limits) std::fprintf(f, ", \"%s\": %.4g", name.c_str(), value);
  std::fprintf(f, ",\n  \"peers\": {");
  const char* comma = "";
  for (const auto& [name, about] : m.peers) std::fprintf(f, "%s\n    %s: %s", comma, quoted(name).c_str(), quoted(about).c_str()), comma = ",";
  std::fprintf(f, "}},\n\"rows\": [\n");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const row& r = rows[i];
    std::fprintf(f, "%s{\"id\": %s, \"what\": %s, \"ours_ns\": %.6g, \"limit_ns\": %.6g, \"limit_kind\": %s, \"threads\": %d, \"bytes\": %.10g, \"flops\": %.10g, \"max_error\": %.3g, \"peers\": {",
                 i ? ",\n" : "", quoted(r.id).c_str(), quoted(r.what).c_str(), r.ours_ns, r.limit_ns, quoted(r.limit_kind).c_str(), r.threads, r.bytes, r.flops, r.max_error);
    comma = "";
    for (const auto& [name, ns] : r.peers) std::fprintf(f, "%s\"%s\": %.6g", comma, name.c_str(), ns), comma = ", ";
    std::fprintf(f, "}}");
  }
  std::fprintf(f, "%s]}\n", rows.empty() ? "" : "\n");
  std::fclose(f);
}

}  // namespace bench
