// SPDX-License-Identifier: BSD-3-Clause
// What most people need of sinter. Printing, files and other heavy or rare parts are separate includes.
#pragma once
#include "autograd/grad.hpp"
#include "expr/fn.hpp"
#include "nn/nn.hpp"
#include "op/activation.hpp"
#include "op/contraction.hpp"
#include "op/loss.hpp"
#include "optim/optim.hpp"
#include "tensor/assign.hpp"
#include "tensor/copy.hpp"
#include "tensor/creation.hpp"
#include "tensor/index.hpp"
#include "tensor/random.hpp"
#include "tensor/view.hpp"
