// SPDX-License-Identifier: BSD-3-Clause
// All of nn/. Next: module.hpp for modules of your own.
#pragma once
#include "activation.hpp"
#include "convolution.hpp"
#include "dropout.hpp"
#include "embedding.hpp"
#include "flatten.hpp"
#include "init_matrix.hpp"
#include "linear.hpp"
#include "normalization.hpp"
#include "sequential.hpp"
#include "state_dict.hpp"
