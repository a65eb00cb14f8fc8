// SPDX-License-Identifier: BSD-3-Clause
// SINTER_TARGET: the instruction set and the flags that this file is compiled for, as the name of a namespace, a letter
// each: target_abcdefghijkm_o. Everything that computes lives in an inline namespace of this name, so that files of one
// program that are compiled differently never share code: of two equal functions the linker keeps one, perhaps the one
// that this CPU cannot run. What such files exchange (tensors, variables, errors) and what they share (counters, pools)
// stays outside, and holds no loop. Not here: the attributes of functions (config.hpp).
#pragma once

#ifdef SINTER_NO_EXCEPTIONS
#define SINTER_HAS_EXCEPTIONS 0
#elif defined(__cpp_exceptions)
#define SINTER_HAS_EXCEPTIONS 1
#else
#define SINTER_HAS_EXCEPTIONS 0
#endif

// Index and version checks in element access: on unless NDEBUG, or as the program says.
#ifndef SINTER_CHECKS
#ifdef NDEBUG
#define SINTER_CHECKS 0
#else
#define SINTER_CHECKS 1
#endif
#endif

// Flags that are not 1 when they are set.
#ifdef _OPENMP
#define SINTER_FLAG_OPENMP 1
#endif
#ifdef SINTER_NO_XSIMD
#define SINTER_FLAG_NO_XSIMD 1
#endif
#ifdef __CUDACC__
#define SINTER_FLAG_CUDA 1
#endif
#ifdef SINTER_CBLAS
#define SINTER_FLAG_CBLAS 1
#endif

// SINTER_LETTER(flag, x) is x if flag is defined as 1, else nothing.
#define SINTER_LETTER_IF_1 ,
#define SINTER_LETTER_SECOND(first, second, ...) second
#define SINTER_LETTER_PICK(comma, letter) SINTER_LETTER_SECOND(comma letter, , )
#define SINTER_LETTER_OF(value, letter) SINTER_LETTER_PICK(SINTER_LETTER_IF_##value, letter)
#define SINTER_LETTER(flag, letter) SINTER_LETTER_OF(flag, letter)
#define SINTER_JOIN_(a, b, c, d, e, f, g, h) a##b##c##d##e##f##g##h
#define SINTER_JOIN(a, b, c, d, e, f, g, h) SINTER_JOIN_(a, b, c, d, e, f, g, h)

// x86: what a compiler may use of its own accord.
#define SINTER_TARGET_1                                                                                             \
  SINTER_JOIN(SINTER_LETTER(__SSE3__, a), SINTER_LETTER(__SSSE3__, b), SINTER_LETTER(__SSE4_1__, c),                \
              SINTER_LETTER(__SSE4_2__, d), SINTER_LETTER(__POPCNT__, e), SINTER_LETTER(__AVX__, f),                \
              SINTER_LETTER(__F16C__, g), SINTER_LETTER(__FMA__, h))
#define SINTER_TARGET_2                                                                                             \
  SINTER_JOIN(SINTER_LETTER(__BMI__, i), SINTER_LETTER(__BMI2__, j), SINTER_LETTER(__LZCNT__, k),                   \
              SINTER_LETTER(__MOVBE__, l), SINTER_LETTER(__AVX2__, m), SINTER_LETTER(__AVX512F__, n),               \
              SINTER_LETTER(__AVX512CD__, o), SINTER_LETTER(__AVX512BW__, p))
#define SINTER_TARGET_3                                                                                             \
  SINTER_JOIN(SINTER_LETTER(__AVX512DQ__, q), SINTER_LETTER(__AVX512VL__, r), SINTER_LETTER(__AVX512VBMI__, s),     \
              SINTER_LETTER(__AVX512VNNI__, t), SINTER_LETTER(__AVX512BF16__, u), SINTER_LETTER(__AVX512FP16__, v), \
              SINTER_LETTER(__AVXVNNI__, w), SINTER_LETTER(__AVX512VPOPCNTDQ__, x))
// Arm
#define SINTER_TARGET_4                                                                                             \
  SINTER_JOIN(SINTER_LETTER(__ARM_NEON, A), SINTER_LETTER(__ARM_FEATURE_FMA, B),                                    \
              SINTER_LETTER(__ARM_FEATURE_ATOMICS, C), SINTER_LETTER(__ARM_FEATURE_DOTPROD, D),                     \
              SINTER_LETTER(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC, E), SINTER_LETTER(__ARM_FEATURE_BF16, F),         \
              SINTER_LETTER(__ARM_FEATURE_SVE, G), SINTER_LETTER(__ARM_FEATURE_SVE2, H))
// everywhere: optimised, fast maths, OpenMP, exceptions, checks, without xsimd, CUDA, sanitised; products by a BLAS
#define SINTER_TARGET_5                                                                                             \
  SINTER_JOIN(SINTER_LETTER(__OPTIMIZE__, o), SINTER_LETTER(__FINITE_MATH_ONLY__, f),                               \
              SINTER_LETTER(SINTER_FLAG_OPENMP, t), SINTER_LETTER(SINTER_HAS_EXCEPTIONS, e),                        \
              SINTER_LETTER(SINTER_CHECKS, c), SINTER_LETTER(SINTER_FLAG_NO_XSIMD, x),                              \
              SINTER_LETTER(SINTER_FLAG_CUDA, g), SINTER_LETTER(__SANITIZE_ADDRESS__, s))
#define SINTER_TARGET SINTER_JOIN(target_, SINTER_TARGET_1, SINTER_TARGET_2, SINTER_TARGET_3, SINTER_TARGET_4, _, SINTER_TARGET_5, SINTER_LETTER(SINTER_FLAG_CBLAS, b))
