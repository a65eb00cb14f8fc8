// SPDX-License-Identifier: BSD-3-Clause
// Variables of double for the tests of this folder, and statements over them that all of them share.
#pragma once
#include <sinter/sinter.hpp>

using vector = sinter::variable<double, sinter::rank<1>>;
using matrix = sinter::variable<double, sinter::rank<2>>;
using number = sinter::variable<double, sinter::extents<>>;
inline vector times(const vector& a, const vector& b) { return a * b; }
inline vector twice(const vector& a) { return a * 2.0; }
inline number dot(const vector& a, const vector& b) { return sinter::sum(a * b); }
inline number total(const matrix& a) { return sinter::sum(a * a); }
