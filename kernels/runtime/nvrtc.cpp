// SPDX-License-Identifier: BSD-3-Clause
// NVRTC behind two functions: is it there, and compile. Its few entry points are declared here, so that the runtime
// builds without the toolkit. https://docs.nvidia.com/cuda/nvrtc
#include <sinter/cuda/nvrtc.hpp>

#include "headers.hpp"
#include "library.hpp"

namespace sinter::inline v0 {
namespace detail {
namespace {

struct nvrtc {
  using program = struct nvrtc_program*;
  int (*version)(int* major, int* minor) = nullptr;
  int (*create)(program*, const char* source, const char* name, int headers, const char* const* texts, const char* const* names) = nullptr;
  int (*destroy)(program*) = nullptr;
  int (*compile)(program, int count, const char* const* options) = nullptr;
  int (*log_size)(program, std::size_t*) = nullptr;
  int (*log)(program, char*) = nullptr;
  int (*cubin_size)(program, std::size_t*) = nullptr;
  int (*cubin)(program, char*) = nullptr;
  const char* (*text)(int) = nullptr;
  bool found = false;

  nvrtc() {
    static constexpr const char* names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
    const library l(names);
    found = l.find(version, "nvrtcVersion") && l.find(create, "nvrtcCreateProgram") && l.find(destroy, "nvrtcDestroyProgram") &&
            l.find(compile, "nvrtcCompileProgram") && l.find(log_size, "nvrtcGetProgramLogSize") && l.find(log, "nvrtcGetProgramLog") &&
            l.find(cubin_size, "nvrtcGetCUBINSize") && l.find(cubin, "nvrtcGetCUBIN") && l.find(text, "nvrtcGetErrorString");
  }
};
const nvrtc& the_nvrtc() {
  static const nvrtc n;
  return n;
}

}  // namespace
}  // namespace detail

int nvrtc_version() noexcept {
  const auto& n = detail::the_nvrtc();
  int major = 0, minor = 0;
  return n.found && n.version(&major, &minor) == 0 ? 1000 * major + 10 * minor : 0;
}

std::string compile_cuda(const detail::cuda_source& source, const char* arch) {
  const auto& n = detail::the_nvrtc();
  if (!n.found) fail<device_error>("NVRTC not found: libnvrtc.so (CUDA 12 or 13) compiles kernels at run time; set CUDA_HOME to its toolkit");
  std::vector<const char*> names, texts;
  for (const detail::embedded& h : detail::embedded_headers()) names.push_back(h.name.c_str()), texts.push_back(h.text.c_str());
  for (int i = 0; i < source.headers.count; ++i) names.push_back(source.headers.v[i].name), texts.push_back(source.headers.v[i].first);

  struct holder {
    const detail::nvrtc& n;
    detail::nvrtc::program p = nullptr;
    ~holder() { if (p) n.destroy(&p); }
  } h{n};
  auto check = [&](int code, const char* what) {
    if (code) fail<device_error>("NVRTC: ", what, ": ", n.text(code));
  };
  check(n.create(&h.p, source.text.c_str(), "sinter_kernel.cu", static_cast<int>(names.size()), texts.data(), names.data()), "create");
  const std::string target = std::string("--gpu-architecture=") + arch;
  const char* options[] = {"--std=c++20", target.c_str(), "-default-device"};
  if (const int code = n.compile(h.p, sizeof options / sizeof *options, options)) {
    std::size_t size = 0;
    std::string log;
    if (n.log_size(h.p, &size) == 0 && size) log.resize(size), n.log(h.p, log.data());
    fail<device_error>("NVRTC refuses a kernel for ", arch, " (", n.text(code), "):\n", log.c_str());
  }
  std::size_t size = 0;
  check(n.cubin_size(h.p, &size), "cubin");
  std::string cubin(size, '\0');
  check(n.cubin(h.p, cubin.data()), "cubin");
  return cubin;
}

}  // namespace sinter::inline v0
