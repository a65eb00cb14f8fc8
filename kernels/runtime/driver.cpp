// SPDX-License-Identifier: BSD-3-Clause
// The CUDA driver: one device, its primary context, its default stream and memory pool, and loaded kernels. Entry
// points are declared here, so that the runtime builds without the toolkit. https://docs.nvidia.com/cuda/cuda-driver-api
#include <sinter/cuda/driver.hpp>

#include <mutex>
#include <sinter/cuda/nvrtc.hpp>

#include "library.hpp"

namespace sinter::inline v0 {
namespace detail::device {
namespace {

struct driver_api {
  int (*init)(unsigned) = nullptr;
  int (*count)(int*) = nullptr;
  int (*get)(int* device, int number) = nullptr;
  int (*attribute)(int* value, int which, int device) = nullptr;
  int (*retain)(void** context, int device) = nullptr;
  int (*set_current)(void* context) = nullptr;
  int (*default_pool)(void** pool, int device) = nullptr;
  int (*pool_attribute)(void* pool, int which, void* value) = nullptr;
  int (*alloc)(uint64* address, std::size_t bytes, void* stream) = nullptr;
  int (*free)(uint64 address, void* stream) = nullptr;
  int (*h2d)(uint64 to, const void* from, std::size_t bytes) = nullptr;
  int (*d2h)(void* to, uint64 from, std::size_t bytes) = nullptr;
  int (*wait)(void* stream) = nullptr;
  int (*load)(void** module, const void* image) = nullptr;
  int (*function)(void** f, void* module, const char* name) = nullptr;
  int (*launch)(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void* stream, void** arguments,
                void** extra) = nullptr;
  int (*text)(int code, const char** text) = nullptr;

  int devices = 0, device = 0;
  void* context = nullptr;
  char arch[16] = "";
  std::string why;  ///< there is no device: the reason

  driver_api() {
    static constexpr const char* names[] = {"libcuda.so.1"};
    const library l(names);
    if (!l) { why = "no CUDA device: libcuda.so.1 not found"; return; }
    const bool found = l.find(init, "cuInit") && l.find(count, "cuDeviceGetCount") && l.find(get, "cuDeviceGet") &&
                       l.find(attribute, "cuDeviceGetAttribute") && l.find(retain, "cuDevicePrimaryCtxRetain") && l.find(set_current, "cuCtxSetCurrent") &&
                       l.find(default_pool, "cuDeviceGetDefaultMemPool") && l.find(pool_attribute, "cuMemPoolSetAttribute") &&
                       l.find(alloc, "cuMemAllocAsync") && l.find(free, "cuMemFreeAsync") && l.find(h2d, "cuMemcpyHtoD_v2") &&
                       l.find(d2h, "cuMemcpyDtoH_v2") && l.find(wait, "cuStreamSynchronize") && l.find(load, "cuModuleLoadData") &&
                       l.find(function, "cuModuleGetFunction") && l.find(launch, "cuLaunchKernel") && l.find(text, "cuGetErrorString");
    if (!found) { why = "no CUDA device: libcuda.so.1 is older than CUDA 11.2"; return; }
    const int code = init(0);
    if (code || count(&devices) || devices == 0) {
      devices = 0;
      why = std::string("no CUDA device: cuInit: ") + (code ? message(code) : "no device");
      return;
    }
    start();
  }
  std::string message(int code) const {
    const char* t = nullptr;
    return text(code, &t) == 0 && t ? t : "error " + std::to_string(code);
  }

 private:
  void start() {
    constexpr int major = 75, minor = 76, pools = 115, release_threshold = 4;
    int a = 0, b = 0, has_pools = 0;
    void* pool = nullptr;
    uint64 keep = ~uint64{0};
    int code = get(&device, 0);
    if (!code) code = attribute(&a, major, device);
    if (!code) code = attribute(&b, minor, device);
    if (!code) code = attribute(&has_pools, pools, device);
    if (!code) code = retain(&context, device);
    if (!code) code = default_pool(&pool, device);
    if (!code) code = pool_attribute(pool, release_threshold, &keep);
    if (code || !has_pools) devices = 0, why = "no CUDA device: " + (code ? message(code) : std::string("device 0 has no memory pools"));
    std::snprintf(arch, sizeof arch, "sm_%d%d", a, b);
  }
};
driver_api& opened() {
  static driver_api& d = *new driver_api;  // outlives everything that may still hold device memory
  return d;
}
/// The driver, with its context current on this thread.
driver_api& api() {
  driver_api& d = opened();
  if (!d.devices) fail<device_error>(d.why);
  d.set_current(d.context);
  return d;
}
void check(const driver_api& d, int code, const char* what) {
  if (code) fail<device_error>("CUDA: ", what, ": ", d.message(code));
}

}  // namespace

uint64 allocate(int64 bytes) {
  driver_api& d = api();
  uint64 address = 0;
  constexpr int out_of_memory = 2;
  const int code = d.alloc(&address, static_cast<std::size_t>(bytes > 0 ? bytes : 1), nullptr);
  if (code == out_of_memory) fail<memory_error>("cannot allocate ", bytes, " bytes on the CUDA device");
  check(d, code, "allocate");
  return address;
}
void release(uint64 address) noexcept {
  driver_api& d = opened();
  if (!d.devices || !address) return;
  d.set_current(d.context);
  d.free(address, nullptr);
}
void to_device(uint64 to, const void* from, int64 bytes) {
  driver_api& d = api();
  if (bytes > 0) check(d, d.h2d(to, from, static_cast<std::size_t>(bytes)), "copy to the device");
}
void to_host(void* to, uint64 from, int64 bytes) {
  driver_api& d = api();
  if (bytes > 0) check(d, d.d2h(to, from, static_cast<std::size_t>(bytes)), "copy to the host");
}
void synchronize() {
  driver_api& d = api();
  check(d, d.wait(nullptr), "synchronize");
}

void launch(stage_kernels& k, entry e, bool wide, const void* table, int64, int64 blocks, int threads) {
  driver_api& d = api();
  static std::mutex lock;
  void* f = nullptr;
  {
    const std::lock_guard hold(lock);
    void*& slot = k.functions[wide][static_cast<int>(e)];
    if (!slot) {
      const std::string cubin = cached_cubin(k.source(wide), d.arch);
      void* module = nullptr;
      check(d, d.load(&module, cubin.data()), "load a kernel");
      for (int i = 0; i < 4; ++i) d.function(&k.functions[wide][i], module, name_of(static_cast<entry>(i)));
      if (!slot) fail<device_error>("CUDA: no kernel ", name_of(e), " in what NVRTC made");
    }
    f = slot;
  }
  void* arguments[] = {const_cast<void*>(table)};
  check(d, d.launch(f, static_cast<unsigned>(blocks), 1, 1, static_cast<unsigned>(threads), 1, 1, 0, nullptr, arguments, nullptr), "launch");
}

}  // namespace detail::device

int device_count() noexcept { return detail::device::opened().devices; }
const char* device_arch() { return detail::device::api().arch; }

}  // namespace sinter::inline v0
