// SPDX-License-Identifier: BSD-3-Clause
// Line charts for the examples, as one SVG file: panels side by side, each with axes, ticks and a legend.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace chart {

struct series {
  std::string name;
  std::vector<double> y;  ///< at x = 1, 2, ...
};
struct panel {
  std::string title, x_label, y_label;
  std::vector<series> lines;
};

namespace detail {

constexpr double width = 440, height = 300, left = 64, right = 16, top = 40, bottom = 48;
constexpr const char* colors[] = {"#1f6fb4", "#d1562a", "#3a923a", "#7a4fa3"};

/// The largest of 1, 2, 5 times a power of ten that cuts `span` into at least four parts.
inline double tick_step(double span) {
  const double power = std::pow(10, std::floor(std::log10(span / 4)));
  for (double s : {5.0, 2.0})
    if (span / (s * power) >= 4) return s * power;
  return power;
}
inline std::string number(double v, double step) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", step < 1 ? static_cast<int>(std::ceil(-std::log10(step) - 1e-9)) : 0, v);
  return text;
}
inline std::string escaped(const std::string& s) {
  std::string out;
  for (char c : s) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
  return out;
}

template <class... A> void add(std::string& svg, const char* format, A... a) {
  char line[512];
  std::snprintf(line, sizeof line, format, a...);
  svg += line;
}
inline void label(std::string& svg, double x, double y, const char* anchor, const std::string& s, const char* more = "") {
  add(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>%s</text>\n", x, y, anchor, more, escaped(s).c_str());
}

inline void draw(std::string& svg, const panel& p, double x0) {
  double low = INFINITY, high = -INFINITY;
  std::size_t count = 2;
  for (const auto& s : p.lines) {
    for (double v : s.y)
      if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
    count = std::max(count, s.y.size());
  }
  if (!(low < high)) low = std::isfinite(low) ? low - 1 : 0, high = low + 2;
  const double step = tick_step(high - low);
  low = std::floor(low / step) * step, high = std::ceil(high / step) * step;
  const double w = width - left - right, h = height - top - bottom, last = static_cast<double>(count);
  const auto px = [&](double x) { return x0 + left + w * (x - 1) / (last - 1); };
  const auto py = [&](double y) { return top + h * (high - y) / (high - low); };

  label(svg, x0 + left + w / 2, 22, "middle", p.title, " font-weight=\"bold\" font-size=\"14\"");
  for (double y = low; y <= high + step / 2; y += step) {
    add(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", x0 + left, py(y), x0 + left + w, py(y));
    label(svg, x0 + left - 8, py(y) + 4, "end", number(y, step));
  }
  const double x_step = std::max(1.0, tick_step(last));
  for (double x = x_step; x <= last; x += x_step) {
    add(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#444\"/>\n", px(x), top + h, px(x), top + h + 5);
    label(svg, px(x), top + h + 18, "middle", number(x, x_step));
  }
  add(svg, "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"#444\"/>\n", x0 + left, top, top + h, x0 + left + w);
  label(svg, x0 + left + w / 2, height - 10, "middle", p.x_label);
  char turned[96];
  std::snprintf(turned, sizeof turned, " transform=\"rotate(-90 %.1f %.1f)\"", x0 + 16, top + h / 2);
  label(svg, x0 + 16, top + h / 2, "middle", p.y_label, turned);

  const bool falls = !p.lines.empty() && !p.lines[0].y.empty() && p.lines[0].y.front() > p.lines[0].y.back();
  for (std::size_t i = 0; i < p.lines.size(); ++i) {
    const char* color = colors[i % 4];
    svg += "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + std::string(color) + "\" points=\"";
    for (std::size_t k = 0; k < p.lines[i].y.size(); ++k)
      if (std::isfinite(p.lines[i].y[k])) add(svg, "%.1f,%.1f ", px(static_cast<double>(k + 1)), py(p.lines[i].y[k]));
    svg += "\"/>\n";
    const double y = falls ? top + 16 + 18 * static_cast<double>(i) : top + h - 12 - 18 * static_cast<double>(p.lines.size() - 1 - i);
    add(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2\"/>\n", x0 + left + w - 26, y - 4, x0 + left + w - 6, y - 4, color);
    label(svg, x0 + left + w - 32, y, "end", p.lines[i].name);
  }
}

}  // namespace detail

/// Writes the panels, side by side, to `path`. False if the file cannot be written.
inline bool write(const std::string& path, const std::vector<panel>& panels) {
  std::string svg;
  const double total = detail::width * static_cast<double>(panels.size());
  detail::add(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" ", total, detail::height, total, detail::height);
  svg += "font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  for (std::size_t i = 0; i < panels.size(); ++i) detail::draw(svg, panels[i], detail::width * static_cast<double>(i));
  svg += "</svg>\n";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file) return false;
  const bool written = std::fwrite(svg.data(), 1, svg.size(), file) == svg.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace chart
