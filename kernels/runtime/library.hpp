// SPDX-License-Identifier: BSD-3-Clause
// A shared library opened at run time, so that one binary runs with and without it. Never closed: what it gave out
// may outlive everything.
#pragma once
#include <dlfcn.h>

#include <cstdlib>
#include <string>

namespace sinter::inline v0::detail {

class library {
 public:
  /// Tries names as the loader knows them, then in $CUDA_HOME and in /usr/local/cuda.
  template <int N> explicit library(const char* const (&names)[N]) {
    const char* home = std::getenv("CUDA_HOME");
    const std::string folders[] = {"", home ? std::string(home) + "/lib64/" : "", "/usr/local/cuda/lib64/"};
    for (const std::string& folder : folders)
      for (const char* name : names)
        if (!handle_) handle_ = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  explicit operator bool() const { return handle_ != nullptr; }
  /// Sets `f` to function `name`; false if there is none.
  template <class F> bool find(F*& f, const char* name) const {
    f = handle_ ? reinterpret_cast<F*>(dlsym(handle_, name)) : nullptr;
    return f != nullptr;
  }

 private:
  void* handle_ = nullptr;
};

}  // namespace sinter::inline v0::detail
