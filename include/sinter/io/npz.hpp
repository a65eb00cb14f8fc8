// SPDX-License-Identifier: BSD-3-Clause
// NumPy's .npz files: a zip archive of .npy files, a name each, as numpy.savez writes and numpy.load reads.
// Next: zip.hpp, npy.hpp.
// https://numpy.org/doc/stable/reference/generated/numpy.savez.html
#pragma once
#include "npy.hpp"
#include "tensor_file.hpp"
#include "zip.hpp"

namespace sinter::inline v0 {

/// Opens a .npz file. The tensors are read-only; those whose elements lie aligned in the file (all that save_npz writes)
/// are views of the mapped file, others are copied. The names are numpy.load's: members without their ".npy".
/// Files of numpy.savez_compressed need SINTER_ZLIB defined and -lz. Checksums are checked, so every byte is read once.
/// Throws io_error naming file, member and problem for what is no zip archive, is damaged, or holds what is no npy file.
template <class Arch = native, bool Zlib = SINTER_HAS_ZLIB> tensor_file load_npz(const std::string& path) {
  tensor_file result;
  for (auto& m : detail::read_zip<Arch, Zlib>(path)) {
    const std::string who = path + ": member '" + m.name + "'";
    if (m.name.size() < 5 || !m.name.ends_with(".npy")) fail<io_error, Arch>(who, ": the members of an npz file are called NAME.npy");
    any_tensor t = detail::read_npy<Arch>(m.block, m.offset, m.bytes, who);
    result.tensors.push_back({m.name.substr(0, m.name.size() - 4), static_cast<any_tensor&&>(t)});
  }
  return result;
}

/// Writes named tensors, in this order, uncompressed; any strides. Names are the keys of numpy.load; '/' makes folders for
/// those who unzip the file. The file appears whole or not at all (see save_safetensors).
/// Throws io_error: a name that is empty, occurs twice, leads out of a folder, or is no UTF-8; an undefined or device
/// tensor; a dtype that npy lacks here; and what the system says.
template <class Arch = native> void save_npz(const std::string& path, const std::vector<named<any_tensor>>& tensors) {
  detail::name_set<std::string_view> names;
  for (const auto& [name, t] : tensors) {
    const std::string who = path + ": tensor '" + name + "'";
    if (!names.insert(name).second) fail<io_error, Arch>(who, " occurs twice");
    if (!detail::is_utf8<Arch>(name)) fail<io_error, Arch>(path, ": a tensor's name is not UTF-8");
    if (name.empty() || name.size() > 60000) fail<io_error, Arch>(who, ": a name has 1 to 60000 bytes");
    if (name[0] == '/' || ("/" + name + "/").find("/../") != std::string::npos || name.find_first_of({"\\\0", 2}) != std::string::npos)
      fail<io_error, Arch>(who, ": a name must not start with '/', nor contain '..' as a folder, '\\' or a zero");
    detail::check_writable<Arch>(t, who);
    detail::npy_header_of<Arch>(t, who);
  }
  detail::zip_writer<Arch> zip(path);
  for (const auto& tensor : tensors) {
    const any_tensor& t = tensor.value;
    const std::string header = detail::npy_header_of<Arch>(t, path);
    const auto bytes = static_cast<uint64>(t.numel() * size_of(t.dtype())) + header.size();
    zip.add(tensor.name + ".npy", bytes, [&](auto& to) {
      to.write(header);
      detail::write_elements(to, t);
    });
  }
  zip.commit();
}

/// The same for a state_dict, a std::map, or any range of (name, tensor) pairs.
template <detail::named_tensors Tensors, class Arch = native> void save_npz(const std::string& path, const Tensors& tensors) {
  save_npz<Arch>(path, detail::list_of(tensors));
}

}  // namespace sinter::inline v0
