// SPDX-License-Identifier: BSD-3-Clause
// Packs, the SIMD lanes of the CPU: registers and operators, masks, conversions, functions. This file only opens the door.
// Next: pack_core.hpp.
#pragma once
#include "pack_core.hpp"
#include "pack_mask.hpp"
#include "pack_convert.hpp"
#include "pack_math.hpp"
#include "pack_exp.hpp"
#include "pack_hyperbolic.hpp"
#include "pack_pow.hpp"
#include "pack_trig.hpp"
