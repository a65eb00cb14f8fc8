// SPDX-License-Identifier: BSD-3-Clause
// Chapter 6: how fusion works. The idea of sinter in a hundred lines of plain C++20, without sinter:
//
//     a tree of types  ->  a list of instructions, equal ones merged  ->  one loop
//
//     g++ -std=c++20 -O2 06_how_fusion_works.cpp && ./a.out
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <tuple>
#include <utility>
#include <vector>

// 1. The tree. `a * b + a` computes nothing: it returns an object whose *type* says what is to be computed and whose
//    members are the arrays to compute it on. A node holds its operands by value, so `auto e = ...` can never dangle;
//    here the leaves are pointers, in sinter they are reference-counted handles.
enum class op { leaf, add, mul, exp };
struct leaf { const float* data; };
template <op Op, class... Child> struct node { std::tuple<Child...> child; };

template <class X> constexpr bool is_tree = false;
template <> constexpr bool is_tree<leaf> = true;
template <op Op, class... Child> constexpr bool is_tree<node<Op, Child...>> = true;
template <class X> concept tree = is_tree<X>;

template <tree A, tree B> node<op::add, A, B> operator+(A a, B b) { return {{a, b}}; }
template <tree A, tree B> node<op::mul, A, B> operator*(A a, B b) { return {{a, b}}; }
template <tree A> node<op::exp, A> exp(A a) { return {{a}}; }

// 2. The list. While the compiler compiles, ordinary constexpr code walks the tree type and writes one instruction per
//    node into an array. An instruction that is already there is not written again: that is common subexpression
//    elimination, and it must happen here, since no optimiser merges two calls of exp() over vectors later on.
struct instruction {
  op what = op::leaf;
  int a = 0, b = 0;  // numbers of the operands; of a leaf: which pointer
  constexpr bool operator==(const instruction&) const = default;
};
struct program {
  std::array<instruction, 64> list{};
  int size = 0, leaves = 0;
  constexpr int add(instruction x) {
    for (int i = 0; i < size; ++i)
      if (list[static_cast<std::size_t>(i)] == x) return i;
    list[static_cast<std::size_t>(size)] = x;
    return size++;
  }
};
// A type cannot know whether two leaves are the same array, so every leaf has a number of its own. To share a value,
// name it: `squared` below uses its operand's *instruction* twice. (In sinter: compositions, st::fn and st::let.)
template <class X> struct walk;
template <> struct walk<leaf> {
  static constexpr int into(program& p) { return p.add({op::leaf, p.leaves++}); }
};
template <op Op, class A> struct walk<node<Op, A>> {
  static constexpr int into(program& p) { return p.add({Op, walk<A>::into(p)}); }
};
template <op Op, class A, class B> struct walk<node<Op, A, B>> {
  static constexpr int into(program& p) {
    const int a = walk<A>::into(p), b = walk<B>::into(p);
    return p.add({Op, a, b});
  }
};
template <tree A> struct square { A child; };  // a composition: made of other ops, it needs no instruction
template <class A> constexpr bool is_tree<square<A>> = true;
template <tree A> square<A> squared(A a) { return {a}; }
template <class A> struct walk<square<A>> {
  static constexpr int into(program& p) {
    const int a = walk<A>::into(p);
    return p.add({op::mul, a, a});
  }
};

template <class X> constexpr program program_of = [] {
  program p;
  walk<X>::into(p);
  return p;
}();

// 3. The loop. The list is a compile-time constant again, so step<I> is a different, tiny function for every
//    instruction, and `r` (one value per instruction) never leaves the registers. What remains after inlining is what
//    one would write by hand: load, load, multiply, add, store. (In sinter each `r` is a SIMD register, not a float.)
template <class X, int I> inline void step(float* r, const float* const* leaves, std::size_t i) {
  constexpr instruction x = program_of<X>.list[I];
  if constexpr (x.what == op::leaf) r[I] = leaves[x.a][i];
  if constexpr (x.what == op::add) r[I] = r[x.a] + r[x.b];
  if constexpr (x.what == op::mul) r[I] = r[x.a] * r[x.b];
  if constexpr (x.what == op::exp) r[I] = std::exp(r[x.a]);
}
inline void collect(leaf l, const float**& to) { *to++ = l.data; }
template <class A> void collect(const square<A>& s, const float**& to) { collect(s.child, to); }
template <op Op, class... Child> void collect(const node<Op, Child...>& n, const float**& to) {
  std::apply([&](const auto&... c) { (collect(c, to), ...); }, n.child);
}
template <tree X> std::vector<float> evaluate(const X& e, std::size_t n) {
  constexpr int size = program_of<X>.size;
  const float* leaves[program_of<X>.leaves];
  const float** to = leaves;
  collect(e, to);
  std::vector<float> out(n);
  [&]<int... I>(std::integer_sequence<int, I...>) {
    for (std::size_t i = 0; i < n; ++i) {  // the one loop
      float r[size];
      (step<X, I>(r, leaves, i), ...);
      out[i] = r[size - 1];
    }
  }(std::make_integer_sequence<int, size>());
  return out;
}

// 4. What follows from it. A derivative is more instructions for the same list, a kernel's identity is its
//    list (so equal formulas share machine code, and the list can be sent to a GPU's compiler as a few numbers), and
//    where the list cannot be one loop, a sum in the middle, it is cut: that is a plan (chapter 2).
int main() {
  std::vector<float> x(1000), y(1000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.001f * static_cast<float>(i), y[i] = 1 - x[i];
  const leaf a{x.data()}, b{y.data()};

  const auto e = squared(exp(a) + b) * a;  // nothing has run
  constexpr program p = program_of<decltype(squared(exp(a) + b) * a)>;
  static_assert(p.leaves == 3 && p.size == 7);  // a, exp, b, add, mul, a again, mul: the square's operand once

  const std::vector<float> z = evaluate(e, x.size());  // one pass over memory, no temporary array
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float s = std::exp(x[i]) + y[i], want = s * s * x[i];
    if (std::abs(z[i] - want) > 1e-5f * (1 + want)) return std::printf("wrong at %zu: %g, not %g\n", i, z[i], want), 1;
  }
  const char* names[] = {"leaf", "add", "mul", "exp"};
  for (int i = 0; i < p.size; ++i) {
    const instruction n = p.list[static_cast<std::size_t>(i)];
    std::printf(n.what == op::add || n.what == op::mul ? "r%d = %s r%d r%d\n" : n.what == op::exp ? "r%d = %s r%d\n" : "r%d = %s %d\n", i,
                names[static_cast<int>(n.what)], n.a, n.b);
  }
  std::puts("one loop, 1000 elements, all right");
}
