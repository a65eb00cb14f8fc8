// SPDX-License-Identifier: BSD-3-Clause
// All of optim/. Next: flat.hpp for how a step runs.
#pragma once
#include "adagrad.hpp"
#include "adam.hpp"
#include "rmsprop.hpp"
#include "sgd.hpp"
