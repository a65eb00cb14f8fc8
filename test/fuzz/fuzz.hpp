// SPDX-License-Identifier: BSD-3-Clause
// What the fuzz targets share. A target includes this first, then one reader, and defines
//   void one(const char* path, std::string_view bytes)   reads the file; an io_error is a right answer, all else is a finding
//   void repair(std::uint8_t* data, std::size_t size)    makes lengths and checksums right again, so that changed files get
//                                                        past the door; half of the inputs are repaired
//   void seeds()                                         calls seed(bytes) with good files to start from
// Each program is a libFuzzer target; `--seeds FOLDER` writes its seeds instead. Next: run.sh.
#pragma once
#include <sanitizer/allocator_interface.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

// Stands in for mmap inside the readers: AddressSanitizer sees the end of a heap block to the byte, that of a mapped file to
// the page. All else is the code that users run.
inline std::size_t mapped_bytes = 0;
inline void* guarded_mmap(void*, std::size_t bytes, int, int, int fd, off_t) {
  void* p = nullptr;
  if (posix_memalign(&p, 4096, bytes) != 0 || pread(fd, p, bytes, 0) != static_cast<ssize_t>(bytes)) std::abort();
  mapped_bytes += bytes;
  return p;
}
inline int guarded_munmap(void* p, std::size_t) { return std::free(p), 0; }
#define mmap guarded_mmap
#define munmap guarded_munmap
#include <sinter/io/file.hpp>
#undef mmap
#undef munmap

#include <sinter/io/tensor_file.hpp>

namespace st = sinter;

void one(const char* path, std::string_view bytes);
void repair(std::uint8_t* data, std::size_t size);
void seeds();

// The memory that is in use at most while this lives, beside the guarded mappings.
struct memory_meter {
  static inline std::int64_t now = 0, peak = 0;
  static inline bool on = false;
  static void taken(const volatile void* p, std::size_t) {
    if (on && (now += static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(p)))) > peak) peak = now;
  }
  static void given(const volatile void* p) {
    if (on && p) now -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(p)));
  }
  memory_meter() {
    static const int installed = __sanitizer_install_malloc_and_free_hooks(taken, given);
    (void)installed;
    st::empty_cache();
    now = peak = 0, mapped_bytes = 0, on = true;
  }
  ~memory_meter() { on = false; }
  // A finding, where a file made its reader take more than `factor` times its size. The constant is for streams and messages.
  void check(std::size_t file, std::int64_t factor) const {
    const std::int64_t used = peak - static_cast<std::int64_t>(mapped_bytes);
    if (used <= factor * static_cast<std::int64_t>(file) + 32768) return;
    std::fprintf(stderr, "ERROR: a file of %zu bytes made the reader take %lld bytes\n", file, static_cast<long long>(used));
    std::abort();
  }
};

// Reads every element, and holds the tensor against its block.
inline void touch(const st::any_tensor& t) {
  const auto* block = static_cast<const char*>(t.storage_handle()->data);
  std::int64_t last = st::size_of(t.dtype());
  for (int d = 0; d < t.dim(); ++d) {
    if (t.size(d) < 0 || t.stride(d) < 0) std::abort();
    last += (t.size(d) - 1) * t.stride(d) * st::size_of(t.dtype());
  }
  if (t.numel() == 0) return;
  if (static_cast<const char*>(t.data()) < block || static_cast<const char*>(t.data()) + last > block + t.storage_handle()->bytes) std::abort();
  unsigned sum = 0;
  for (std::int64_t i = 0; i < last; ++i) sum += static_cast<const unsigned char*>(t.data())[i];
  static volatile unsigned sink;
  sink = sum;
}
inline void touch(const st::tensor_file& file) {
  for (const auto& t : file.tensors) touch(t.value);
}

inline std::string seed_folder;
inline void seed(std::string_view bytes) {
  static int number = 0;
  const std::string path = seed_folder + "/" + std::to_string(number++);
  std::FILE* f = std::fopen(path.c_str(), "wb");
  if (!f || std::fwrite(bytes.data(), 1, bytes.size(), f) != bytes.size() || std::fclose(f) != 0) std::abort();
}
// The file that `save(path)` writes.
template <class F> void seed_of(F&& save) {
  const std::string path = seed_folder + "/written";
  save(path);
  std::string bytes;
  std::FILE* f = std::fopen(path.c_str(), "rb");
  if (!f) std::abort();
  for (int c; (c = std::fgetc(f)) != EOF;) bytes += static_cast<char>(c);
  std::fclose(f);
  std::remove(path.c_str());
  seed(bytes);
}

// Puts other numbers in the place of some that stand there as text: sizes and offsets that go together seldom change at once.
inline std::size_t change_numbers(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned random) {
  static constexpr const char* numbers[] = {"0", "1", "2", "3", "4", "6", "8", "12", "16", "24", "64", "255", "4096", "2147483648", "4294967296",
                                            "4611686018427387904", "9223372036854775807", "18446744073709551615", "-1"};
  std::string text(reinterpret_cast<const char*>(data), size);
  auto next = [&] { return random = random * 1664525u + 1013904223u, random >> 8; };
  for (unsigned changes = 1 + next() % 3; changes > 0 && !text.empty(); --changes) {
    const std::size_t at = text.find_first_of("0123456789", next() % text.size());
    if (at == std::string::npos) continue;
    std::size_t end = at;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
    text.replace(at, end - at, numbers[next() % std::size(numbers)]);
  }
  if (text.size() > max_size) return size;
  std::memcpy(data, text.data(), text.size());
  return text.size();
}

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned random) {
  const std::size_t n = random % 4 == 0 ? change_numbers(data, size, max_size, random) : LLVMFuzzerMutate(data, size, max_size);
  if (random & 8) repair(data, n);
  return n;
}

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc == 3 && std::strcmp((*argv)[1], "--seeds") == 0) {
    seed_folder = (*argv)[2];
    seeds();
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int fd = memfd_create("fuzz", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  try {
    one(path.c_str(), {reinterpret_cast<const char*>(data), size});
  } catch (const st::io_error&) {
  }
  return 0;
}
