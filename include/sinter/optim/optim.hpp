// SPDX-License-Identifier: BSD-3-Clause
// All of optim/. Next: flat.hpp for how a step runs.
#pragma once
#include "adagrad.hpp"
#include "adam.hpp"
#include "clip_grad.hpp"
#include "one_cycle_lr.hpp"
#include "reduce_lr_on_plateau.hpp"
#include "rmsprop.hpp"
#include "sequential_lr.hpp"
#include "sgd.hpp"
