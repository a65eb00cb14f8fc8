// SPDX-License-Identifier: BSD-3-Clause
// What most people need of sinter. Printing, files and other heavy or rare parts are separate includes.
// In the order of the layers: compilers name the includes that led to an error, and so they name two.
#pragma once
#include "config.hpp"
#include "op/arithmetic.hpp"
#include "op/reduction.hpp"
#include "op/activation.hpp"
#include "op/contraction.hpp"
#include "op/loss.hpp"
#include "tensor/tensor.hpp"
#include "tensor/view.hpp"
#include "expr/node.hpp"
#include "expr/lower.hpp"
#include "expr/fn.hpp"
#include "tensor/assign.hpp"
#include "tensor/copy.hpp"
#include "tensor/creation.hpp"
#include "tensor/index.hpp"
#include "tensor/random.hpp"
#include "autograd/grad.hpp"
#include "nn/nn.hpp"
#include "optim/optim.hpp"
#include "version.hpp"
