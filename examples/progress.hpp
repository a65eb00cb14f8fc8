// SPDX-License-Identifier: BSD-3-Clause
// A progress bar for the examples: one line that is drawn over on a terminal, one plain line at the end anywhere else.
#pragma once
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

class progress {
 public:
  /// `label` in front of the bar; `total` is how far it goes.
  progress(std::string label, double total) : label_(std::move(label)), total_(total) {}

  /// Draws the bar at `done`, followed by `text`; at most 20 times a second.
  void update(double done, const std::string& text) {
    if (!terminal_ || seconds() < next_) return;
    next_ = seconds() + 0.05;
    constexpr int width = 24;
    const int filled = static_cast<int>(width * done / total_);
    std::printf("\r%s [%s%s] %s\033[K", label_.c_str(), std::string(filled, '=').c_str(), std::string(width - filled, ' ').c_str(), text.c_str());
    std::fflush(stdout);
  }
  /// Replaces the bar by the line that stays.
  void finish(const std::string& text) {
    std::printf(terminal_ ? "\r%s  %s\033[K\n" : "%s  %s\n", label_.c_str(), text.c_str());
    std::fflush(stdout);
  }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::string label_;
  double total_, next_ = 0;
  bool terminal_ = isatty(STDOUT_FILENO) != 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// printf into a string.
template <class... A> std::string text(const char* format, A... a) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, format, a...);
  return buffer;
}
