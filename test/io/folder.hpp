// SPDX-License-Identifier: BSD-3-Clause
// A scratch folder for the io tests, gone with its scope, and the text of the error that a call raises.
#pragma once
#include <sinter/error.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

struct folder {
  std::filesystem::path path;
  folder() {
    const auto base = std::filesystem::temp_directory_path();
    std::random_device any;
    do path = base / ("sinter-test-" + std::to_string(any()));
    while (!std::filesystem::create_directory(path));
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() {
    std::error_code ignored;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path, ignored);
  }

  std::string operator/(const std::string& name) const { return (path / name).string(); }
  std::string file(const std::string& name, const std::string& contents) const {
    std::ofstream(*this / name, std::ios::binary) << contents;
    return *this / name;
  }
  std::string contents(const std::string& name) const {
    std::ifstream in(*this / name, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  int entries() const {
    return static_cast<int>(
        std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator()));
  }
};

template <class F> std::string io_message(F&& call) {
  try {
    call();
  } catch (const sinter::io_error& e) {
    return e.what();
  }
  return "no error";
}
