// SPDX-License-Identifier: BSD-3-Clause
// The safetensors format: named tensors in one file, read without a copy. Nothing in such a file is ever executed.
// Not here: whose tensors they are (state dicts: nn/). Next: json.hpp, elements.hpp.
#pragma once
#include <algorithm>

#include "elements.hpp"
#include "json.hpp"
#include "tensor_file.hpp"

namespace sinter::inline v0 {

namespace detail::inline SINTER_TARGET {

struct safetensors_dtype {
  std::string_view name;
  dtype type;
};
inline constexpr safetensors_dtype safetensors_dtypes[] = {
    {"BOOL", dtype::b8}, {"U8", dtype::u8},   {"I8", dtype::i8},   {"I16", dtype::i16},
    {"I32", dtype::i32}, {"I64", dtype::i64}, {"F16", dtype::f16}, {"BF16", dtype::bf16},
    {"F32", dtype::f32}, {"F64", dtype::f64}, {"C64", dtype::c64}};
inline constexpr int64 safetensors_max_header = 100'000'000;  // the limit of the official readers

struct safetensors_entry {
  std::string name;
  dtype type = dtype::f32;
  int rank = 0;
  int64 sizes[any_tensor::max_rank] = {};
  int64 begin = 0, end = 0;
};

template <class Arch> struct safetensors_header {
  const std::string& path;
  std::vector<safetensors_entry> entries;
  std::vector<named<std::string>> metadata;

  std::string who(const safetensors_entry& e) const { return path + ": tensor '" + e.name + "'"; }

  void read(std::string_view text) {
    json_reader<Arch> r(text, path);
    if (text.empty() || text[0] != '{') r.error("the header must start with '{'");
    bool has_metadata = false;
    r.object([&](std::string key) {
      if (key != "__metadata__") return read_entry(r, static_cast<std::string&&>(key));
      if (has_metadata) r.error("a second __metadata__");
      has_metadata = true;
      detail::name_set<std::string> keys;
      r.object([&](const std::string& name) {
        if (!keys.insert(name).second) r.error("metadata '", name, "' occurs twice");
        metadata.push_back({name, r.string()});
      });
    });
    r.end();
  }

  void read_entry(json_reader<Arch>& r, std::string name) {
    safetensors_entry e;
    e.name = static_cast<std::string&&>(name);
    int seen = 0;
    auto once = [&](int bit, const char* key) {
      if (seen & bit) r.error("tensor '", e.name, "': '", key, "' occurs twice");
      seen |= bit;
    };
    r.object([&](const std::string& key) {
      if (key == "dtype") {
        once(1, "dtype");
        e.type = type_called(r.string(), e);
      } else if (key == "shape") {
        once(2, "shape");
        r.array([&] {
          if (e.rank == any_tensor::max_rank)
            fail<io_error, Arch>(who(e), " has more than ", any_tensor::max_rank, " dims");
          const int64 size = r.integer();
          if (size < 0) fail<io_error, Arch>(who(e), ": size ", size, " in its shape");
          e.sizes[e.rank++] = size;
        });
      } else if (key == "data_offsets") {
        once(4, "data_offsets");
        int n = 0;
        r.array([&] {
          const int64 offset = r.integer();
          if (n > 1 || offset < 0) fail<io_error, Arch>(who(e), ": data_offsets must be two numbers, neither negative");
          (n++ == 0 ? e.begin : e.end) = offset;
        });
        if (n != 2) fail<io_error, Arch>(who(e), ": data_offsets must be two numbers, neither negative");
      } else {
        fail<io_error, Arch>(who(e), ": unknown key '", key, "'");
      }
    });
    if (seen != 7)
      fail<io_error, Arch>(who(e), ": ", !(seen & 1) ? "dtype" : !(seen & 2) ? "shape" : "data_offsets", " is missing");
    entries.push_back(static_cast<safetensors_entry&&>(e));
  }

  dtype type_called(const std::string& name, const safetensors_entry& e) const {
    for (const auto& known : safetensors_dtypes)
      if (known.name == name) return known.type;
    fail<io_error, Arch>(who(e), ": dtype ", name,
                         " is not supported");
  }

  // As the official reader demands: every tensor fills its range, and the ranges tile the data.
  void check(int64 data_bytes) const {
    detail::name_set<std::string_view> names;
    std::vector<const safetensors_entry*> order;
    for (const auto& e : entries) {
      if (!names.insert(e.name).second) fail<io_error, Arch>(who(e), " occurs twice");
      int64 bytes = size_of(e.type);
      bool empty = false;
      for (int d = 0; d < e.rank; ++d) {  // sizes of 0 count as 1 here, so that strides cannot overflow either
        empty = empty || e.sizes[d] == 0;
        if (__builtin_mul_overflow(bytes, e.sizes[d] ? e.sizes[d] : 1, &bytes))
          fail<io_error, Arch>(who(e), ": its shape ", shape_text{e.sizes, e.rank}, " overflows");
      }
      if (empty) bytes = 0;
      if (e.end < e.begin || e.end > data_bytes)
        fail<io_error, Arch>(who(e), ": data_offsets [", e.begin, ", ", e.end, "] do not lie in the ", data_bytes,
                             " bytes of data");
      if (e.end - e.begin != bytes)
        fail<io_error, Arch>(who(e), " of ", e.type, " ", shape_text{e.sizes, e.rank}, " needs ", bytes,
                             " bytes, its data_offsets span ", e.end - e.begin);
      order.push_back(&e);
    }
    std::sort(order.begin(), order.end(),
              [](auto* a, auto* b) { return a->begin != b->begin ? a->begin < b->begin : a->end < b->end; });
    int64 next = 0;
    for (auto* e : order) {
      if (e->begin != next)
        fail<io_error, Arch>(who(*e), ": its data start at byte ", e->begin,
                             e->begin < next ? ", inside another tensor's" : ", after a hole", "; expected ", next);
      next = e->end;
    }
    if (next != data_bytes)
      fail<io_error, Arch>(path, ": the tensors end at byte ", next, " of ", data_bytes, " bytes of data");
  }
};

}  // namespace detail::inline SINTER_TARGET

/// Opens a safetensors file. The tensors are read-only views of the mapped file, which stays mapped as long as one of
/// them lives (and must not be truncated meanwhile); `as<const float, 2>()` gives them a type, `clone` makes them
/// writable. Throws io_error naming file, tensor and problem for anything that the format does not allow.
template <class Arch = native> tensor_file load_safetensors(const std::string& path) {
  const storage_ptr file = map_file<Arch>(path);
  const int64 size = file->bytes;
  if (size < 8) fail<io_error, Arch>(path, ": ", size, " bytes are too few for a safetensors file");
  uint64 length;
  std::memcpy(&length, file->data, 8);
  if (length > static_cast<uint64>(detail::safetensors_max_header))
    fail<io_error, Arch>(path, ": a header of ", length, " bytes (the limit is ", detail::safetensors_max_header,
                         "); is this a safetensors file?");
  if (length > static_cast<uint64>(size - 8))
    fail<io_error, Arch>(path, ": a header of ", length, " bytes in a file of ", size,
                         " bytes; the file is cut off or no safetensors file");

  detail::safetensors_header<Arch> header{path, {}, {}};
  header.read({static_cast<const char*>(file->data) + 8, static_cast<std::size_t>(length)});
  const int64 start = 8 + static_cast<int64>(length);
  header.check(size - start);

  tensor_file result;
  result.metadata = static_cast<decltype(result.metadata)&&>(header.metadata);
  for (auto& e : header.entries) {
    int64 strides[any_tensor::max_rank] = {}, step = 1;
    for (int d = e.rank - 1; d >= 0; --d) {
      strides[d] = step;
      if (e.sizes[d] > 1) step *= e.sizes[d];
    }
    any_tensor t = detail::map_elements<Arch>(file, start + e.begin, e.end - e.begin, e.type, e.rank, e.sizes, strides,
                                              header.who(e));
    result.tensors.push_back({static_cast<std::string&&>(e.name), static_cast<any_tensor&&>(t)});
  }
  return result;
}

/// Writes named tensors, in this order, and optional metadata; any strides. The file appears whole or not at all: it is
/// written aside, synced and renamed. Throws io_error: a name twice, an undefined or device tensor, a dtype the format
/// lacks, and what the system says (full disk, no such folder, no permission); what was at `path` is then untouched.
template <class Arch = native>
void save_safetensors(const std::string& path, const std::vector<named<any_tensor>>& tensors,
                      const std::vector<named<std::string>>& metadata = {}) {
  auto text_of = [&](std::string_view text, const char* what) {
    if (!detail::is_utf8<Arch>(text)) fail<io_error, Arch>(path, ": ", what, " is not UTF-8");
    std::string quoted;
    append_json<Arch>(quoted, text);
    return quoted;
  };
  // Large elements first, so that all of them are aligned and can be mapped.
  std::vector<const named<any_tensor>*> order;
  detail::name_set<std::string_view> names;
  for (const auto& t : tensors) {
    const std::string who = path + ": tensor '" + t.name + "'";
    if (t.name == "__metadata__" || !names.insert(t.name).second)
      fail<io_error, Arch>(who, t.name == "__metadata__" ? ": this name is the format's own" : " occurs twice");
    detail::check_writable<Arch>(t.value, who);
    order.push_back(&t);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](auto* a, auto* b) { return size_of(a->value.dtype()) > size_of(b->value.dtype()); });
  std::vector<int64> begins(tensors.size());
  for (int64 next = 0; auto* t : order) {
    begins[static_cast<std::size_t>(t - tensors.data())] = next;
    next += t->value.numel() * size_of(t->value.dtype());
  }

  std::string header = "{";
  if (!metadata.empty()) {
    detail::name_set<std::string_view> keys;
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (!keys.insert(key).second) fail<io_error, Arch>(path, ": metadata '", key, "' occurs twice");
      if (header.back() != '{') header += ',';
      header += text_of(key, "a metadata key") + ":" + text_of(value, "a metadata value");
    }
    header += '}';
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const any_tensor& t = tensors[i].value;
    const auto* known = std::find_if(std::begin(detail::safetensors_dtypes), std::end(detail::safetensors_dtypes),
                                     [&](const auto& k) { return k.type == t.dtype(); });
    if (known == std::end(detail::safetensors_dtypes))
      fail<io_error, Arch>(path, ": tensor '", tensors[i].name, "': ", t.dtype(), " is not supported");
    if (header.back() != '{') header += ',';
    header +=
        text_of(tensors[i].name, "a tensor's name") + ":{\"dtype\":\"" + std::string(known->name) + "\",\"shape\":[";
    for (int d = 0; d < t.dim(); ++d) header += (d ? "," : "") + std::to_string(t.sizes()[d]);
    header += "],\"data_offsets\":[" + std::to_string(begins[i]) + "," +
              std::to_string(begins[i] + t.numel() * size_of(t.dtype())) + "]}";
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > static_cast<std::size_t>(detail::safetensors_max_header))
    fail<io_error, Arch>(path, ": a header of ", header.size(), " bytes; the format's limit is ",
                         detail::safetensors_max_header);

  new_file<Arch> file(path);
  const uint64 length = header.size();
  file.write(&length, 8);
  file.write(header);
  for (auto* t : order) detail::write_elements(file, t->value);
  file.commit();
}

/// The same for a state_dict, a std::map, or any range of (name, tensor) pairs.
template <detail::named_tensors Tensors, class Arch = native>
void save_safetensors(const std::string& path, const Tensors& tensors, const std::vector<named<std::string>>& metadata = {}) {
  save_safetensors<Arch>(path, detail::list_of(tensors), metadata);
}

}  // namespace sinter::inline v0
