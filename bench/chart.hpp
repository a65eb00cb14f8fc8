// SPDX-License-Identifier: BSD-3-Clause
// bench.svg: a group of bars a row, each as long as the share of the limit that ours or a peer reaches.
#pragma once
#include "table.hpp"

namespace bench {

inline const char* colour_of(const std::string& name) {
  static const std::map<std::string, const char*> colours{{"sinter", "#c8102e"},   {"eigen", "#4e79a7"},   {"xtensor", "#9c755f"}, {"openblas", "#76b7b2"}, {"onednn", "#b07aa1"},
                                                          {"libxsmm", "#59a14f"}, {"libtorch", "#f28e2b"}, {"torch.compile", "#edc948"}, {"jax", "#8cd17d"}};
  const auto found = colours.find(name);
  return found == colours.end() ? "#999999" : found->second;
}

inline void write_chart(const std::string& path, const machine& m, const std::vector<row>& rows) {
  std::FILE* f = std::fopen(path.c_str(), "w");
  if (!f) return;
  constexpr int left = 430, width = 500, bar = 11, gap = 9, top = 64;
  struct group {
    const row* of;
    std::vector<std::pair<std::string, double>> bars;
  };
  std::vector<group> groups;
  std::map<std::string, bool> names{{"sinter", true}};
  int height = top;
  for (const row& r : rows) {
    if (!(r.limit_ns > 0)) continue;
    group g{&r, {}};
    if (r.ours_ns > 0) g.bars.push_back({"sinter", r.limit_ns / r.ours_ns});
    for (const auto& [name, ns] : r.peers) g.bars.push_back({name, r.limit_ns / ns}), names[name] = true;
    height += static_cast<int>(g.bars.size()) * bar + gap;
    groups.push_back(std::move(g));
  }
  const auto escaped = [](const std::string& s) {
    std::string out;
    for (const char c : s) out += c == '<' ? std::string("&lt;") : c == '&' ? "&amp;" : std::string(1, c);
    return out;
  };
  std::fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"10\">\n", left + width + 90, height + 10);
  std::fprintf(f, "<rect width=\"100%%\" height=\"100%%\" fill=\"#fdfdfb\"/>\n<text x=\"10\" y=\"18\" font-size=\"14\">Share of the limit, %s, %s</text>\n", escaped(m.cpu).c_str(),
               escaped(m.flags).c_str());
  int x = 10;
  for (const auto& [name, shown] : names) {
    std::fprintf(f, "<rect x=\"%d\" y=\"27\" width=\"10\" height=\"10\" fill=\"%s\"/><text x=\"%d\" y=\"36\">%s</text>\n", x, colour_of(name), x + 14, name.c_str());
    x += 30 + 7 * static_cast<int>(name.size());
  }
  for (int percent = 0; percent <= 100; percent += 25) {
    const int at = left + width * percent / 100;
    std::fprintf(f, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"%s\"/><text x=\"%d\" y=\"%d\" text-anchor=\"middle\" fill=\"#666\">%d %%</text>\n", at, top - 6, at, height,
                 percent == 100 ? "#333" : "#ddd", at, top - 10, percent);
  }
  int y = top;
  for (const group& g : groups) {
    std::fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text><text x=\"10\" y=\"%d\" font-weight=\"bold\">%s</text>\n", left - 8, y + 9, escaped(g.of->what).c_str(), y + 9,
                 g.of->id.c_str());
    for (const auto& [name, share] : g.bars) {
      const double shown = std::min(share, 1.1);
      std::fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/><text x=\"%.1f\" y=\"%d\" font-size=\"9\" fill=\"#444\">%.0f</text>\n", left, y, width * shown,
                   bar - 1, colour_of(name), left + width * shown + 4, y + 9, 100 * share);
      y += bar;
    }
    y += gap;
  }
  std::fprintf(f, "</svg>\n");
  std::fclose(f);
}

}  // namespace bench
