// SPDX-License-Identifier: BSD-3-Clause
// Machine code that was compiled before, in files. A file is a header line, its own hash, and the cubin: what does
// not match is compiled again. Written under another name and renamed, so readers never see half a file.
#include <fcntl.h>
#include <sinter/cuda/nvrtc.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "headers.hpp"

namespace sinter::inline v0 {
namespace {

/// The folder, made if need be; empty: no cache.
std::string cache_folder() {
  std::string folder;
  if (const char* own = std::getenv("SINTER_CACHE")) folder = own;
  else if (const char* base = std::getenv("XDG_CACHE_HOME"); base && *base) folder = std::string(base) + "/sinter";
  else if (const char* home = std::getenv("HOME"); home && *home) folder = std::string(home) + "/.cache/sinter";
  if (folder.empty()) return folder;
  for (std::size_t i = 1; i <= folder.size(); ++i)
    if (i == folder.size() || folder[i] == '/') mkdir(folder.substr(0, i).c_str(), 0700);
  return access(folder.c_str(), W_OK | X_OK) == 0 ? folder : std::string();
}
struct entry_head {
  char mark[8] = {'s', 'i', 'n', 't', 'e', 'r', '1', '\n'};
  uint64 key = 0, size = 0, hash = 0;
};
bool read_entry(const std::string& path, uint64 key, std::string& cubin) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  entry_head head;
  const entry_head good;
  bool ok = read(file, &head, sizeof head) == static_cast<ssize_t>(sizeof head) && std::memcmp(head.mark, good.mark, sizeof head.mark) == 0 &&
            head.key == key && head.size < (uint64{1} << 30);
  if (ok) {
    cubin.resize(head.size);
    ok = read(file, cubin.data(), head.size) == static_cast<ssize_t>(head.size) && detail::hash_of(cubin, detail::hash_seed) == head.hash;
  }
  close(file);
  return ok;
}
void write_entry(const std::string& path, uint64 key, const std::string& cubin) {
  std::string temporary = path + ".XXXXXX";
  const int file = mkstemp(temporary.data());
  if (file < 0) return;
  entry_head head;
  head.key = key, head.size = cubin.size(), head.hash = detail::hash_of(cubin, detail::hash_seed);
  const bool ok = write(file, &head, sizeof head) == static_cast<ssize_t>(sizeof head) &&
                  write(file, cubin.data(), cubin.size()) == static_cast<ssize_t>(cubin.size());
  if (close(file) != 0 || !ok || rename(temporary.c_str(), path.c_str()) != 0) unlink(temporary.c_str());
}

}  // namespace

std::string cached_cubin(const detail::cuda_source& source, const char* arch) {
  const std::string folder = cache_folder();
  if (folder.empty()) return compile_cuda(source, arch);
  uint64 key = detail::hash_of(source.text, detail::embedded_hash() ^ static_cast<uint64>(nvrtc_version()));
  for (int i = 0; i < source.headers.count; ++i) key = detail::hash_of(source.headers.v[i].first, key);
  key = detail::hash_of(arch, key);
  char name[64];
  std::snprintf(name, sizeof name, "/%016llx-%s.cubin", static_cast<unsigned long long>(key), arch);
  std::string cubin;
  if (read_entry(folder + name, key, cubin)) return cubin;
  cubin = compile_cuda(source, arch);
  write_entry(folder + name, key, cubin);
  return cubin;
}

}  // namespace sinter::inline v0
