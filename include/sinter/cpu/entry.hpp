// SPDX-License-Identifier: BSD-3-Clause
// A program as tables and entries, without its types: what one function runs for all programs. Next: values.hpp.
#pragma once
#include "../expr/loops.hpp"
#include "kernel.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

class contract_runner;
class kept_run;
class cpu_run;

/// A stage as tables and entries: all that the code below needs of its types.
struct stage_entry {
  kernel_kind kind;
  uint16 contract, loop, root_count, input_count, total_count;
  uint32 row_tag;
  const uint16* roots;
  const stage_input* inputs;
  const level* root_levels;
  const bool* input_is_row;
  const stage_total* totals;
  const stage_reduction* reductions;
  int reduction_count;
  int lanes, groups;    ///< of a register; registers of rows side by side that the kernel takes at a time
  bool plain_product;   ///< the only result is the contraction itself
  bool has_positions;   ///< a row reduction wants to know where its elements are
  void (*run)(const geometry&, const uint64* start, const strip&);
  void (*clear)(char* const* totals, const int64* n);
  void (*merge)(char* const* into, char* const* from, const int64* n);
  void (*finish)(const geometry&, char* const* totals, int64 first, int64 n, const uint64* at, const int64* lane);
  int64 (*total_size)(int k);
  void (*multiply)(contract_runner&, const stage_entry&);  ///< for contract stages
  void (*iterate)(cpu_run&, const stage_entry&);           ///< for loop stages
  uint16 prologue_of;   ///< the contraction that computes this stage on its way, or no_value
};

/// A program over numbers, tensors without dims, as one call of its only kernel.
struct numbers_form {
  static constexpr int most = 8;
  bool possible = false;
  int16 operand[most] = {};  ///< which of the program's each input of the kernel is
  int16 result[most] = {};   ///< which of the program's each of its results is
  int64 bytes = 0;           ///< read and written
};

/// A program as tables.
struct program_entry {
  program_view view;
  const stage_entry* stages;
  int stage_count;
  const bool* memory;   ///< values that are memory as they are: leaves, and views
  const bool* written;
  const space* spaces;
  /// The reference evaluator, where the shapes of a run may be none that the kernels take.
  void (*interpret)(const operand*, const dims_slot*, result*);
  /// strided.hpp's, where a result may need it: several results of one value, results summed to a leaf's shape.
  void (*sum_into)(dtype, const char*, const shape_value&, const int64*, char*, const shape_value&, const int64*, bool);
  /// run.hpp's, for stages of a program in which operands are rolled; true if it has run the stage.
  bool (*run_rolled)(cpu_run&, const stage_entry&);
  int slot_count;
  numbers_form numbers;
  /// Where a small program's last run is kept, to be run again for operands of the same shapes and layouts.
  std::atomic<kept_run*>* kept;
  /// bounds.hpp's, where the program looks up indices.
  void (*check_bounds)(const operand*, const dims_slot*, const shape_value*);
};

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
