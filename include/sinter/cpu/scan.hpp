// SPDX-License-Identifier: BSD-3-Clause
// Running sums, products, log-sums and extrema along one dim of row-major elements: rows by prefixes in registers, columns side by side
// in lanes. Cut into fixed blocks: bitwise the same for every number of threads. Not here: what is recorded (tensor/scan.hpp).
#pragma once
#include "cache.hpp"
#include "gemm.hpp"
#include "pack.hpp"
#include "pack_narrow.hpp"

namespace sinter::inline v0::detail::inline SINTER_TARGET {

/// [outer, n, inner] row-major: `outer` * `inner` rows of n elements that are `inner` apart.
struct scan_shape {
  int64 outer = 1, n = 1, inner = 1;
};
// What elements of type T run in: as in PyTorch, floats in double, integers and bool in int64.
template <class T> using scanned = std::conditional_t<is_floating_element<T>, double, int64>;

// How two neighbouring stretches join, a before b; `none` changes nothing. `in_order`: b not before all that stands in front of it,
// unless all numbers are `moderate`.
template <class T> struct scan_sum {
  using lane = scanned<T>;
  static constexpr bool in_order = false;
  static constexpr lane none() { return lane(0); }
  static SINTER_INLINE lane join(lane a, lane b) { return static_cast<lane>(wrap(a) + wrap(b)); }
  template <int N> static SINTER_INLINE pack<lane, N> join(pack<lane, N> a, pack<lane, N> b) { return a + b; }
};
template <class T> struct scan_product {
  using lane = scanned<T>;
  static constexpr bool in_order = std::is_same_v<lane, double>;  // where y z is infinite, (0 y) z is 0 and 0 (y z) is NaN
  /// Are all lanes so that no product of theirs leaves the normal numbers, but for 0?
  template <class C, int N> static SINTER_INLINE bool moderate(pack<C, N> x) {
    static_assert(N <= 16);
    const pack<C, N> size = abs(x), low(C(0x1p-63f)), high(C(0x1p63f));
    return sinter::all((size == pack<C, N>(C(0))) | ((low < size) & (size < high)));
  }
  static constexpr lane none() { return lane(1); }
  static SINTER_INLINE lane join(lane a, lane b) { return static_cast<lane>(wrap(a) * wrap(b)); }
  template <int N> static SINTER_INLINE pack<lane, N> join(pack<lane, N> a, pack<lane, N> b) { return a * b; }
};
/// log(exp(a) + exp(b))
template <class T> struct scan_log_sum {
  using lane = double;
  static constexpr lane none() { return -static_cast<double>(__builtin_inf()); }
  template <int N> static SINTER_INLINE pack<double, N> join(pack<double, N> a, pack<double, N> b) {
    const pack<double, N> high = max(a, b), low = min(a, b);
    return select((low == high) & is_inf(high), high, high + log1p(exp(low - high)));
  }
  static SINTER_INLINE lane join(lane a, lane b) { return join(pack<double, 1>(a), pack<double, 1>(b)).r; }
};
/// The largest or smallest, the last of equal ones; NaN wins.
template <class L, bool Largest> struct scan_extremum {
  using lane = L;
  static constexpr L none() {
    if constexpr (std::is_floating_point_v<L>) return static_cast<L>(Largest ? -__builtin_inf() : __builtin_inf());
    else return static_cast<L>(static_cast<typename wrapping<L>::type>(1) << (8 * sizeof(L) - 1)) ^ static_cast<L>(Largest ? 0 : -1);
  }
  template <int N> static SINTER_INLINE pack<L, N> join(pack<L, N> a, pack<L, N> b) {
    if constexpr (Largest) return max(a, b);
    else return min(a, b);
  }
  static SINTER_INLINE bool takes(L a, L b) { return (Largest ? b >= a : b <= a) || math::is_nan(b); }
  template <int N> static SINTER_INLINE pack<bool, N> takes(pack<L, N> a, pack<L, N> b) { return (Largest ? b >= a : b <= a) | is_nan(b); }
  static SINTER_INLINE L join(L a, L b) { return takes(a, b) ? b : a; }
};

/// The last lane of the last register, or with Back the first of the first, in all lanes.
template <bool Back, class T, int N> SINTER_INLINE pack<T, N> spread_end(pack<T, N> x) {
  if constexpr (simd::width<T> == 1) {
    return x;
  } else {
    constexpr int W = simd::width<T>, R = N / W;
    const auto v = simd::as_vec<T>(x.r[Back ? 0 : R - 1]);
    const auto all = simd::as_batch<T>(simd::detail::pick<W, Back ? 0 : W - 1, 0>::shuffle(v, v));
    each<R>([&](int i) { x.r[i] = all; });
    return x;
  }
}
/// Lane i becomes the join of lanes 0 to i; with Back of lanes i to N - 1.
template <class Op, bool Back, int N> SINTER_INLINE pack<typename Op::lane, N> prefix(pack<typename Op::lane, N> x) {
  using L = typename Op::lane;
  constexpr int W = simd::width<L>, R = N / W;
  if constexpr (W > 1) {
    using P = pack<L, W>;
    const auto none = simd::as_vec<L>(P(Op::none()).r[0]);
    P v[R];
    each<R>([&](int i) { v[i].r[0] = x.r[i]; });
    const auto step = [&]<int H>() {
      if constexpr (H < W)
        each<R>([&](int i) {
          const auto own = simd::as_vec<L>(v[i].r[0]);
          P near;
          if constexpr (Back) near.r[0] = simd::as_batch<L>(simd::detail::pick<W, H>::shuffle(own, none));
          else near.r[0] = simd::as_batch<L>(simd::detail::pick<W, W - H>::shuffle(none, own));
          v[i] = Op::join(near, v[i]);
        });
    };
    step.template operator()<1>(), step.template operator()<2>(), step.template operator()<4>(), step.template operator()<8>();
    each<R - 1>([&](int k) {
      const int i = Back ? R - 2 - k : k + 1, before = Back ? i + 1 : i - 1;
      v[i] = Op::join(spread_end<Back>(v[before]), v[i]);
    });
    each<R>([&](int i) { x.r[i] = v[i].r[0]; });
  }
  return x;
}
/// Lanes at a time for elements of C that run in L.
template <class C, class L> inline constexpr int scan_lanes = simd::width<L> == 1 ? 1 : lanes<C, L> > 2 * simd::width<L> ? lanes<C, L> : 2 * simd::width<L>;

/// Past the caches where `past`.
template <class V, int N> SINTER_INLINE void store_scanned(pack<computed<V>, N> v, V* to, bool past) {
  if constexpr (std::is_same_v<V, computed<V>>) {
    if (past) return each<pack<V, N>::registers>([&](int i) { simd::stream(v.r[i], to + i * simd::width<V>); });
  }
  packed<V, N>::store(v, to);
}
/// y[i] = the join of `offset`, where there is one, and x[0] to x[i] (Back: x[i] to x[n - 1]). Returns the join of all of x. Without
/// Store only that. `past`: y is larger than the caches.
template <class T, class V, class Op, bool Back, bool Store, class Arch>
SINTER_KERNEL typename Op::lane scan_run(const T* x, V* y, int64 n, typename Op::lane offset, bool has_offset, bool past) {
  using L = typename Op::lane;
  using C = computed<V>;
  typename Op::lane sum = Op::none();
  const auto one = [&](int64 at) {
    sum = Op::join(sum, static_cast<L>(static_cast<computed<T>>(x[at])));
    if constexpr (Store) y[at] = static_cast<V>(static_cast<C>(has_offset ? Op::join(offset, sum) : sum));
  };
  int64 done = 0;
  if constexpr (constexpr int N = scan_lanes<computed<T>, L>; N > 1) {
    using P = pack<L, N>;
    P all(Op::none());
    past = past && reinterpret_cast<std::uintptr_t>(y + (Back ? n - N : 0)) % 64 == 0;
    for (; done + N <= n; done += N) {
      const int64 at = Back ? n - N - done : done;
      const auto e = packed<T, N>::load(x + at);
      if constexpr (Op::in_order) {
        if (!Op::moderate(e)) {
          sum = all.lane(0);
          for (int i = 0; i < N; ++i) one(at + (Back ? N - 1 - i : i));
          all = P(sum);
          continue;
        }
      }
      const P v = prefix<Op, Back, N>(convert<L>(e));
      if constexpr (Store) {
        P to = Op::join(all, v);
        if (has_offset) to = Op::join(P(offset), to);
        store_scanned<V, N>(convert<C>(to), y + at, past);
      }
      all = Op::join(all, spread_end<Back>(v));
    }
    if (past) simd::stream_end();
    sum = all.lane(0);
  }
  for (; done < n; ++done) one(Back ? n - 1 - done : done);
  return sum;
}
/// The same for `count` rows side by side, elements `step` apart; `sum` has room for one of each.
template <class T, class V, class Op, bool Back, class Arch> SINTER_KERNEL void scan_across(const T* x, V* y, int64 n, int64 step, int64 count, typename Op::lane* sum) {
  using L = typename Op::lane;
  using C = computed<V>;
  constexpr int N = scan_lanes<computed<T>, L>;
  using P = pack<L, N>;
  for (int64 j = 0; j < count; ++j) sum[j] = Op::none();
  for (int64 i = 0; i < n; ++i) {
    const T* p = x + (Back ? n - 1 - i : i) * step;
    V* q = y + (Back ? n - 1 - i : i) * step;
    int64 j = 0;
    for (; j + N <= count; j += N) {
      const P s = Op::join(P::load(sum + j), convert<L>(packed<T, N>::load(p + j)));
      s.store(sum + j);
      packed<V, N>::store(convert<C>(s), q + j);
    }
    for (; j < count; ++j) {
      sum[j] = Op::join(sum[j], static_cast<L>(static_cast<computed<T>>(p[j])));
      q[j] = static_cast<V>(static_cast<C>(sum[j]));
    }
  }
}

inline constexpr int64 scan_block = 1 << 16;    ///< elements of a row that run on their own
inline constexpr int64 scan_width = 1024;       ///< rows side by side at a time
/// f(outer index, first row, how many) for rows side by side, in pieces that threads share.
template <class Arch, class F> void for_scan_columns(const scan_shape& s, F f) {
  const int64 pieces = (s.inner + scan_width - 1) / scan_width;
  const chunking c = fixed_chunks(s.outer * pieces, scan_block / (s.n * (s.inner < scan_width ? s.inner : scan_width) + 1) + 1);
  parallel_for<Arch>(c.count, [&](int64 k) {
    for (int64 u = k * c.size; u < (k + 1) * c.size && u < s.outer * pieces; ++u) {
      const int64 j = u % pieces * scan_width;
      f(u / pieces, j, s.inner - j < scan_width ? s.inner - j : scan_width);
    }
  });
}
/// y = the scan of x, rows side by side in lanes.
template <class Op, bool Back, class T, class V, class Arch> SINTER_HIDDEN void scan_columns(const scan_shape& s, const T* x, V* y) {
  for_scan_columns<Arch>(s, [&](int64 outer, int64 first, int64 count) {
    const scratch<typename Op::lane, Arch> sum(count);
    const int64 at = outer * s.n * s.inner + first;
    scan_across<T, V, Op, Back, Arch>(x + at, y + at, s.n, s.inner, count, sum.get());
  });
}
/// y = the scan of x.
template <class Op, bool Back, class T, class V, class Arch = native> SINTER_HIDDEN void scan(const scan_shape& s, const T* x, V* y) {
  using L = typename Op::lane;
  if (s.outer * s.n * s.inner == 0) return;
  if (s.inner > 1) return scan_columns<Op, Back, T, V, Arch>(s, x, y);
  const bool past = 2 * s.outer * s.n * static_cast<int64>(sizeof(V)) > last_level_cache();
  const int64 block = Op::in_order ? s.n : scan_block, blocks = (s.n + block - 1) / block;
  const auto first_of = [&](int64 b) { return Back ? (s.n - (b + 1) * block > 0 ? s.n - (b + 1) * block : 0) : b * block; };
  const auto size_of_block = [&](int64 b) { return s.n - b * block < block ? s.n - b * block : block; };
  if (blocks == 1 || s.outer >= 2 * concurrency<Arch>() || concurrency<Arch>() == 1) {
    const chunking c = fixed_chunks(s.outer, scan_block / s.n + 1);
    parallel_for<Arch>(c.count, [&](int64 k) {
      for (int64 r = k * c.size; r < (k + 1) * c.size && r < s.outer; ++r) {
        L before = Op::none();
        for (int64 b = 0; b < blocks; ++b) {
          const int64 at = r * s.n + first_of(b);
          before = Op::join(before, scan_run<T, V, Op, Back, true, Arch>(x + at, y + at, size_of_block(b), before, b > 0, past));
        }
      }
    });
    return;
  }
  // blocks of a row in parallel: what each adds up to, then where each starts
  const scratch<L, Arch> sums(s.outer * blocks);
  parallel_for<Arch>(s.outer * blocks, [&](int64 u) {
    sums.get()[u] = scan_run<T, V, Op, Back, false, Arch>(x + u / blocks * s.n + first_of(u % blocks), nullptr, size_of_block(u % blocks), Op::none(), false, false);
  });
  for (int64 r = 0; r < s.outer; ++r) {
    L before = Op::none();
    for (int64 b = 0; b < blocks; ++b) {
      L& sum = sums.get()[r * blocks + b];
      const L after = Op::join(before, sum);
      sum = before, before = after;
    }
  }
  parallel_for<Arch>(s.outer * blocks, [&](int64 u) {
    const int64 at = u / blocks * s.n + first_of(u % blocks);
    scan_run<T, V, Op, Back, true, Arch>(x + at, y + at, size_of_block(u % blocks), sums.get()[u], u % blocks > 0, past);
  });
}

/// A row of log-sums: y_i = m_i + log(s_i) for the largest element m_i so far, and s_i = s_(i - 1) exp(m_(i - 1) - m_i) + exp(x_i - m_i).
template <class T, class Arch> SINTER_KERNEL void log_sum_run(const T* x, T* y, int64 n) {
  using C = computed<T>;
  using D = scanned<T>;  // double
  using Op = scan_extremum<D, true>;
  double high = Op::none(), sum = 0;
  int64 i = 0;
  if constexpr (constexpr int N = scan_lanes<C, D>; N > 1) {
    constexpr int W = simd::width<D>, R = N / W;
    using P = pack<D, N>;
    using Q = pack<D, W>;
    const auto zeros = simd::as_vec<D>(Q(0.0).r[0]), ones = simd::as_vec<D>(Q(1.0).r[0]);
    P all_high(high);
    Q all_sum(sum);
    for (; i + N <= n; i += N) {
      const P v = convert<D>(packed<T, N>::load(x + i)), m = Op::join(all_high, prefix<Op, false, N>(v));
      P before;  // the largest before each
      each<R>([&](int r) {
        const auto own = simd::as_vec<D>(m.r[r]), last = simd::as_vec<D>(r ? m.r[r - 1] : all_high.r[0]);
        before.r[r] = simd::as_batch<D>(simd::detail::pick<W, W - 1>::shuffle(last, own));
      });
      const P a = exp(select(before == m, P(0.0), before - m)), b = exp(select(v == m, P(0.0), v - m));
      P s;
      each<R>([&](int r) {  // (a, b) then (c, d) is (a c, b c + d)
        Q c, d;
        c.r[0] = a.r[r], d.r[0] = b.r[r];
        const auto step = [&]<int H>() {
          if constexpr (H < W) {
            Q c1, d1;
            c1.r[0] = simd::as_batch<D>(simd::detail::pick<W, W - H>::shuffle(ones, simd::as_vec<D>(c.r[0])));
            d1.r[0] = simd::as_batch<D>(simd::detail::pick<W, W - H>::shuffle(zeros, simd::as_vec<D>(d.r[0])));
            d = d1 * c + d, c = c1 * c;
          }
        };
        step.template operator()<1>(), step.template operator()<2>(), step.template operator()<4>();
        d = all_sum * c + d;
        all_sum = spread_end<false>(d);
        s.r[r] = d.r[0];
      });
      packed<T, N>::store(convert<C>(m + log(s)), y + i);
      all_high = spread_end<false>(m);
    }
    high = all_high.lane(0), sum = all_sum.lane(0);
  }
  for (; i < n; ++i) {
    const double v = static_cast<double>(static_cast<C>(x[i])), m = Op::join(high, v);
    sum = sum * std::exp(high == m ? 0 : high - m) + std::exp(v == m ? 0 : v - m), high = m;
    y[i] = static_cast<T>(static_cast<C>(m + std::log(sum)));
  }
}
/// y = the running log-sums of x.
template <class T, class Arch = native> SINTER_HIDDEN void scan_log_sums(const scan_shape& s, const T* x, T* y) {
  if (s.outer * s.n * s.inner == 0) return;
  if (s.inner > 1) return scan_columns<scan_log_sum<T>, false, T, T, Arch>(s, x, y);
  const chunking c = fixed_chunks(s.outer, scan_block / (s.n + 1) + 1);
  parallel_for<Arch>(c.count, [&](int64 k) {
    for (int64 r = k * c.size; r < (k + 1) * c.size && r < s.outer; ++r) log_sum_run<T, Arch>(x + r * s.n, y + r * s.n, s.n);
  });
}

/// One block of a row of extrema: values y and their positions, from `best` at position `where`, which are brought up to date.
template <class T, bool Largest, class Arch>
SINTER_KERNEL void extremum_run(const T* x, T* y, int64* index, int64 first, int64 n, computed<T>& best, int64& where, bool past) {
  using C = computed<T>;
  using Op = scan_extremum<C, Largest>;
  using I = int64;
  int64 i = 0;
  if constexpr (constexpr int N = lanes<C, int32>; N > 1 && simd::width<C> > 1) {
    using P = pack<C, N>;
    using K = pack<int32, N>;
    using Latest = scan_extremum<int32, true>;
    P all(best);
    pack<I, N> at(where);
    const K iota = K::iota(0);
    past = past && (reinterpret_cast<std::uintptr_t>(y) | reinterpret_cast<std::uintptr_t>(index)) % 64 == 0;
    for (; i + N <= n; i += N) {
      const P v = packed<T, N>::load(x + i);
      if (!any(Op::takes(all, v))) {  // as in most of a long row
        store_scanned<T, N>(all, y + i, past), store_scanned<I, N>(at, index + i, past);
        continue;
      }
      const P y_ = Op::join(all, prefix<Op, false, N>(v));
      const K last = prefix<Latest, false, N>(select((v == y_) | is_nan(v), iota, K(-1)));
      const pack<I, N> here = select(last >= K(0), convert<I>(last) + pack<I, N>(first + i), at);
      store_scanned<T, N>(y_, y + i, past);
      store_scanned<I, N>(here, index + i, past);
      all = spread_end<false>(y_), at = spread_end<false>(here);
    }
    if (past) simd::stream_end();
    best = all.lane(0), where = at.lane(0);
  }
  for (; i < n; ++i) {
    const C v = static_cast<C>(x[i]);
    if (Op::takes(best, v)) best = v, where = first + i;
    y[i] = static_cast<T>(best), index[i] = where;
  }
}
template <class T, bool Largest, class Arch>
SINTER_KERNEL void extremum_across(const T* x, T* y, int64* index, int64 n, int64 step, int64 count, computed<T>* best, int64* where) {
  using C = computed<T>;
  using Op = scan_extremum<C, Largest>;
  constexpr int N = scan_lanes<C, int64>;
  for (int64 j = 0; j < count; ++j) best[j] = Op::none(), where[j] = 0;
  for (int64 i = 0; i < n; ++i, x += step, y += step, index += step) {
    int64 j = 0;
    if constexpr (N > 1)
      for (; j + N <= count; j += N) {
        const auto b = pack<C, N>::load(best + j), v = packed<T, N>::load(x + j);
        const auto take = Op::takes(b, v);
        const auto value = select(take, v, b);
        const auto at = select(take, pack<int64, N>(i), pack<int64, N>::load(where + j));
        value.store(best + j), at.store(where + j);
        packed<T, N>::store(value, y + j), at.store(index + j);
      }
    for (; j < count; ++j) {
      const C v = static_cast<C>(x[j]);
      if (Op::takes(best[j], v)) best[j] = v, where[j] = i;
      y[j] = static_cast<T>(best[j]), index[j] = where[j];
    }
  }
}
/// y = the largest or smallest so far, index = where.
template <bool Largest, class T, class Arch = native> SINTER_HIDDEN void scan_extrema(const scan_shape& s, const T* x, T* y, int64* index) {
  using C = computed<T>;
  if (s.outer * s.n * s.inner == 0) return;
  if (s.inner > 1) {
    for_scan_columns<Arch>(s, [&](int64 outer, int64 first, int64 count) {
      const scratch<C, Arch> best(count);
      const scratch<int64, Arch> where(count);
      const int64 at = outer * s.n * s.inner + first;
      extremum_across<T, Largest, Arch>(x + at, y + at, index + at, s.n, s.inner, count, best.get(), where.get());
    });
    return;
  }
  const bool past = 2 * s.outer * s.n * static_cast<int64>(sizeof(T) + sizeof(int64)) > last_level_cache();
  const chunking c = fixed_chunks(s.outer, scan_block / s.n + 1);
  parallel_for<Arch>(c.count, [&](int64 k) {
    for (int64 r = k * c.size; r < (k + 1) * c.size && r < s.outer; ++r) {
      C best = scan_extremum<C, Largest>::none();
      int64 where = 0;
      for (int64 i = 0; i < s.n; i += scan_block)
        extremum_run<T, Largest, Arch>(x + r * s.n + i, y + r * s.n + i, index + r * s.n + i, i, s.n - i < scan_block ? s.n - i : scan_block, best, where, past);
    }
  });
}

}  // namespace sinter::inline v0::detail::inline SINTER_TARGET
