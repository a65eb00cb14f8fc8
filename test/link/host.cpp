// SPDX-License-Identifier: BSD-3-Clause
// A host that loads two plugins, lets them exchange tensors, and unloads them again. It uses no sinter itself: it only
// gives them room for the handles.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>

void check(bool right, const std::string& what) {
  if (right) return;
  std::printf("%s\n", what.c_str());
  std::exit(1);
}
struct plugin {
  void* library;
  explicit plugin(const char* path) : library(dlopen(path, RTLD_NOW | RTLD_GLOBAL)) {
    if (!library) check(false, std::string(dlerror()));
  }
  template <class F> F* get(const char* name) const {
    void* p = dlsym(library, name);
    check(p != nullptr, name);
    return reinterpret_cast<F*>(p);
  }
};

int main(int, char** argv) {
  const char *first = argv[1], *second = argv[2];
  plugin a(first), b(second);
  alignas(64) unsigned char room[256];
  for (const plugin* to : {&b, &a}) {  // made by one, freed by the other
    a.get<void(void*)>("plugin_make")(room);
    check(to->get<float(void*)>("plugin_consume")(room) == 999000, "a tensor made in one library and freed in the other");
  }
  auto* records = b.get<int()>("plugin_records");
  check(a.get<int(int (*)())>("plugin_ask_without_grad")(records) == 1, "grad mode belongs to each shared object");
  a.get<void(unsigned)>("plugin_seed")(7);
  b.get<void(unsigned)>("plugin_seed")(7);
  const float random = a.get<float()>("plugin_random")();
  a.get<float()>("plugin_random")();
  check(b.get<float()>("plugin_random")() == random, "the default generator belongs to each shared object");
  const auto launches = b.get<unsigned long()>("plugin_launches");
  const unsigned long before = launches();
  check(a.get<float()>("plugin_train")() == 2, "a gradient");
  check(launches() == before, "counters belong to each shared object");
  check(a.get<int()>("plugin_error")() && b.get<int()>("plugin_error")(), "errors are caught where they are thrown");
  dlclose(a.library);
  dlclose(b.library);
  check(!dlopen(first, RTLD_NOW | RTLD_NOLOAD) && !dlopen(second, RTLD_NOW | RTLD_NOLOAD), "dlclose unloads both");
  plugin again(first);
  check(again.get<float()>("plugin_train")() == 2, "loaded again");
}
