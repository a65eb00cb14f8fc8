#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Peers that are Python: torch.compile and jax, each in a process of its own, answering as peers/peer.hpp does.

usage: python.py torch.compile|jax PROBLEM.SO      (bench/run.sh starts it)

Inputs and checks are those of the C++ programs, through PROBLEM.SO. Compiling happens in the first call, which is not counted.
"""
import ctypes
import os
import sys
import time

import numpy as np


class Problem:
    """The open problem: numpy views of its inputs and outputs."""

    def __init__(self, lib, row):
        for name, result in {"data": ctypes.c_void_p, "kind": ctypes.c_char_p, "number": ctypes.c_long, "repeat": ctypes.c_long,
                             "size": ctypes.c_long, "error": ctypes.c_double}.items():
            getattr(lib, "bench_" + name).restype = result
        inputs = lib.bench_open(row.encode())
        self.lib, self.known = lib, inputs >= 0
        if not self.known:
            return
        self.kind = lib.bench_kind().decode()
        self.n = [lib.bench_number(i) for i in range(8) if lib.bench_number(i) >= 0]
        self.threads, self.runs, self.repeat = lib.bench_threads(), lib.bench_checked_runs(), lib.bench_repeat()
        arrays = [self.array(i) for i in range(inputs + lib.bench_outputs())]
        self.inputs, self.outputs = arrays[:inputs], arrays[inputs:]

    def array(self, i):
        shape = [self.lib.bench_size(i, d) for d in range(self.lib.bench_rank(i))]
        number = ctypes.c_double if self.lib.bench_wide(i) else ctypes.c_float
        return np.ctypeslib.as_array(ctypes.cast(self.lib.bench_data(i), ctypes.POINTER(number)), shape)

    def error(self, results):
        for to, value in zip(self.outputs, results):
            to[...] = np.asarray(value).reshape(to.shape)
        return self.lib.bench_error()


# Formulas in the words that torch and jax.numpy share; `f` brings the others: softmax, erf, layer_norm.
FORMULAS = {
    "muladd": lambda f, a, b, c: a * b + c,
    "formula": lambda f, a, b, c: a * b + c - a / b,
    "mse": lambda f, a, b: ((a - b) * (a - b)).mean(),
    "exp": lambda f, x: f.exp(x),
    "log": lambda f, x: f.log(x),
    "tanh": lambda f, x: f.tanh(x),
    "sigmoid": lambda f, x: f.sigmoid(x),
    "erf": lambda f, x: f.erf(x),
    "gelu": lambda f, x: f.gelu(x),
    "softmax": lambda f, x: f.softmax(x, 1),
    "softmax0": lambda f, x: f.softmax(x, 0),
    "layer_norm": lambda f, x, w, b: f.layer_norm(x, w, b),
    "transpose": lambda f, x: f.contiguous(x.T),
    "batched_gemm": lambda f, a, b: a @ b,
    "gemm_bias_relu": lambda f, a, b, bias: f.relu(a @ b + bias),
    "attention": lambda f, q, k, v: f.softmax(q @ f.swap(k) * (q.shape[-1] ** -0.5), -1) @ v,
    "conv2d": lambda f, x, w: f.conv2d(x, w),
}


# Rows of derivatives: a scalar function of the inputs, and how many of them it is differentiated by.
COURANT = 0.125


FLUXES = {
    "lax_wendroff": lambda f: lambda l, r: 0.5 * COURANT * (l + r + COURANT * (l - r)),
    "toon": lambda f: lambda l, r: (f.exp(COURANT * f.log(l / r)) - 1) * l * r / (l - r),
}
SCALARS = {
    "sum_grad": (2, lambda f, a, b: (a * b + f.tanh(a)).sum()),
    "norm_gelu": (3, lambda f, x, w, b: f.gelu(f.layer_norm(x, w, b)).sum()),
    "linear_relu": (3, lambda f, x, w, b: f.relu(x @ w + b).sum()),
}
TRANSFORMS = {
    "hessian": lambda f, x: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum(),
    "jacobian": lambda f, x, w1, w2: f.tanh(w2 @ f.tanh(w1 @ x)),
}


def formula(f, p):
    """The row as a function of its inputs; None where it is not one that these peers do."""
    if p.kind == "gemm":
        return lambda a, b: (a.T if p.n[3] else a) @ (b.T if p.n[4] else b)
    if p.kind in ("outer_add", "row_sum", "col_sum"):
        if p.n[2]:
            return None  # strides are the framework's business
        m, n = p.n[:2]
        if p.kind == "outer_add":
            return lambda x, column, row: (x.reshape(m, n) + column.reshape(m, 1) * row).reshape(-1)
        return lambda x: x.reshape(m, n).sum(1 if p.kind == "row_sum" else 0)
    if p.kind == "cumsum":
        return lambda x: f.cumsum(x, p.n[2])
    if p.kind not in FORMULAS:
        return None
    return lambda *x: FORMULAS[p.kind](f, *x)


class Torch:
    def __init__(self):
        import torch
        import torch.nn.functional as F
        self.torch, self.F = torch, F
        self.exp, self.log, self.tanh, self.sigmoid, self.erf, self.relu = torch.exp, torch.log, torch.tanh, torch.sigmoid, torch.erf, torch.relu
        self.about = f"torch.compile (inductor) {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, no_grad, MALLOC_MMAP_THRESHOLD_ etc. raised"

    def gelu(self, x): return self.F.gelu(x, approximate="tanh")
    def softmax(self, x, dim): return self.torch.softmax(x, dim)
    def cumsum(self, x, dim): return self.torch.cumsum(x, dim)
    def layer_norm(self, x, w, b): return self.F.layer_norm(x, x.shape[-1:], w, b)
    def contiguous(self, x): return x.contiguous()
    def swap(self, x): return x.transpose(-2, -1)
    def conv2d(self, x, w): return self.F.conv2d(x, w, padding=1)
    def finish(self, results): return [r.detach().numpy() for r in results]

    def solve(self, p):
        torch = self.torch
        torch.set_num_threads(p.threads)
        torch._dynamo.reset()
        x = [torch.from_numpy(a.copy()) for a in p.inputs]
        if p.kind in ("softmax_grad", "layer_norm_grad"):
            *leaves, dy = x
            if p.kind == "softmax_grad":
                leaves = leaves[:1]
            for t in leaves:
                t.requires_grad_()
            f = torch.compile(lambda *t: FORMULAS[p.kind[:-5]](self, *t))
            return lambda: torch.autograd.grad(f(*leaves), leaves, dy)
        if p.kind == "adam":
            tensors, n = p.n
            w = [torch.nn.Parameter(t.clone()) for t in x[0].chunk(tensors)]
            for t, g in zip(w, x[1].chunk(tensors)):
                t.grad = g.clone()
            adam = torch.optim.Adam(w, lr=1e-3, fused=True)  # its own fused kernel: compiling 500 tensors takes minutes

            def step():
                adam.step()
                return [LazyCat(torch, w)]
            return step
        if p.kind == "train":
            return self.train(p, x)
        if p.kind in SCALARS:
            return self.gradients(p, x)
        if p.kind in TRANSFORMS:
            of = lambda *t: TRANSFORMS[p.kind](self, *t)  # noqa: E731
            transform = torch.compile(torch.func.hessian(of) if p.kind == "hessian" else torch.func.jacrev(of))
            return lambda: [transform(*x)]
        f = formula(self, p)
        if not f:
            return None
        f = torch.compile(f, mode="max-autotune-no-cudagraphs" if p.kind.startswith("gemm") else None)

        def run():
            with torch.no_grad():
                return [f(*x)]
        return run

    def gradients(self, p, x):
        torch = self.torch
        count, of = SCALARS[p.kind]
        for t in x[:count]:
            t.requires_grad_()
        held = []  # what the uncompiled function keeps for backward, beside its inputs
        inputs = {t.untyped_storage().data_ptr() for t in x}
        with torch.autograd.graph.saved_tensors_hooks(lambda t: held.append(t) or t, lambda t: t):
            of(self, *x)
        blocks = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held}
        print(f"torch, {p.kind}: {sum(n for at, n in blocks.items() if at not in inputs)} bytes held for backward", file=sys.stderr)
        f = torch.compile(lambda *t: of(self, *t))

        def run():
            value = f(*x)
            grads = torch.autograd.grad(value, x[:count])
            return [value, *grads] if p.kind == "sum_grad" else [grads[0]]
        return run

    def train(self, p, x):
        torch, F = self.torch, self.F
        w = [torch.nn.Parameter(t) for t in x[2:]]
        adam = torch.optim.Adam(w, lr=1e-4, fused=True)

        @torch.compile
        def loss(x, t, *w):
            h = torch.tanh(F.linear(torch.tanh(F.linear(x, w[0], w[1])), w[2], w[3]))
            return F.mse_loss(F.linear(h, w[4], w[5]), t)

        def step():
            adam.zero_grad()
            value = loss(x[0], x[1], *w)
            value.backward()
            adam.step()
            return [value, LazyCat(torch, [t.grad for t in w])]
        return step


class LazyCat:
    """Tensors whose concatenation is made only where somebody looks."""

    def __init__(self, torch, parts):
        self.torch, self.parts = torch, parts

    def detach(self): return self.torch.cat([t.detach().flatten() for t in self.parts])


class Jax:
    def __init__(self):
        # one thread is one thread: XLA's pool is as large as what the process may run on
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import jax
        import jax.numpy as jnp
        jax.config.update("jax_enable_x64", True)
        self.jax, self.jnp = jax, jnp
        self.exp, self.log, self.tanh = jnp.exp, jnp.log, jnp.tanh
        self.sigmoid, self.erf, self.relu = jax.nn.sigmoid, jax.scipy.special.erf, jax.nn.relu
        self.about = f"jax {jax.__version__}, jit on the CPU, one thread"

    def gelu(self, x): return self.jax.nn.gelu(x, approximate=True)
    def softmax(self, x, dim): return self.jax.nn.softmax(x, dim)
    def cumsum(self, x, dim): return self.jnp.cumsum(x, dim)
    def contiguous(self, x): return x + 0
    def swap(self, x): return self.jnp.swapaxes(x, -2, -1)

    def layer_norm(self, x, w, b):
        c = x - x.mean(-1, keepdims=True)
        return c * self.jax.lax.rsqrt((c * c).mean(-1, keepdims=True) + 1e-5) * w + b

    def conv2d(self, x, w): return self.jax.lax.conv_general_dilated(x, w, (1, 1), ((1, 1), (1, 1)))
    def finish(self, results): return [np.asarray(r) for r in results]

    def solve(self, p):
        jax, jnp = self.jax, self.jnp
        if p.threads > 1:
            return None
        x = [jnp.array(a) for a in p.inputs]
        ready = jax.block_until_ready
        if p.kind in ("softmax_grad", "layer_norm_grad"):
            count = 1 if p.kind == "softmax_grad" else 3
            f = lambda *t: FORMULAS[p.kind[:-5]](self, *t)  # noqa: E731

            @jax.jit
            def grads(dy, *t):
                return jax.vjp(f, *t)[1](dy)
            return lambda: ready(grads(x[-1], *x[:count]))
        if p.kind == "adam":
            return self.adam(p, x)
        if p.kind == "train":
            return self.train(p, x)
        if p.kind in SCALARS:
            count, of = SCALARS[p.kind]
            step = jax.jit(jax.value_and_grad(lambda *t: of(self, *t), argnums=tuple(range(count))))

            def run():
                value, grads = ready(step(*x))
                return [value, *grads] if p.kind == "sum_grad" else [grads[0]]
            return run
        if p.kind in FLUXES:
            return self.advection(p, x)
        if p.kind in TRANSFORMS:
            of = lambda *t: TRANSFORMS[p.kind](self, *t)  # noqa: E731
            transform = jax.jit(jax.hessian(of) if p.kind == "hessian" else jax.jacrev(of))
            return lambda: [ready(transform(*x))]
        f = formula(self, p)
        if not f:
            return None
        f = jax.jit(f)
        return lambda: [ready(f(*x))]

    def advection(self, p, x):
        jax, jnp = self.jax, self.jnp
        flux = FLUXES[p.kind](self)

        def total(start):
            flow = flux(start[:-1], start[1:])

            def step(q, _):
                flow = flux(q, jnp.roll(q, -1))
                return q + jnp.roll(flow, 1) - flow, None
            q, _ = jax.lax.scan(step, start[1:-1] + flow[:-1] - flow[1:], None, length=p.n[1] - 1)
            return 0.1 * (q.sum() + q[0] + q[-1])
        gradient = jax.jit(jax.grad(total))
        return lambda: [jax.block_until_ready(gradient(x[0]))]

    def update(self, step, rate, w, g, m, v):
        """Adam of one array: the step's number is an operand."""
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        f32 = self.jnp.float32
        a, b = (rate / (1 - 0.9 ** step)).astype(f32), (1 / self.jnp.sqrt(1 - 0.999 ** step)).astype(f32)
        return w - a * m / (self.jnp.sqrt(v) * b + 1e-8), m, v

    def adam(self, p, x):
        jax, jnp = self.jax, self.jnp
        if p.n[0] > 1:
            return None
        state = [x[0], jnp.zeros_like(x[0]), jnp.zeros_like(x[0])]
        step = jax.jit(lambda t, w, m, v: self.update(t, 1e-3, w, x[1], m, v), donate_argnums=(1, 2, 3))
        count = [0.0]

        def run():
            count[0] += 1
            state[:] = jax.block_until_ready(step(count[0], *state))
            return [state[0]]
        return run

    def train(self, p, x):
        jax, jnp = self.jax, self.jnp

        def loss(w):
            h = jnp.tanh(jnp.tanh(x[0] @ w[0].T + w[1]) @ w[2].T + w[3])
            return ((h @ w[4].T + w[5] - x[1]) ** 2).mean()

        @jax.jit
        def step(t, w, m, v):
            value, g = jax.value_and_grad(loss)(w)
            new = [self.update(t, 1e-4, *of) for of in zip(w, g, m, v)]
            return value, g, [n[0] for n in new], [n[1] for n in new], [n[2] for n in new]
        zeros = [jnp.zeros_like(t) for t in x[2:]]
        state, count = [x[2:], zeros, zeros], [0.0]

        def run():
            count[0] += 1
            value, g, *state[:] = jax.block_until_ready(step(count[0], *state))
            return [value, Lazy(lambda: np.concatenate([np.asarray(t).ravel() for t in g]))]
        return run


class Lazy:
    def __init__(self, make): self.make = make
    def __array__(self, dtype=None, copy=None): return self.make()


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("torch.compile", "jax"):
        sys.exit(__doc__)
    answers = os.fdopen(os.dup(1), "w")  # what a framework prints goes to stderr
    os.dup2(2, 1)
    peer = Torch() if sys.argv[1] == "torch.compile" else Jax()
    lib = ctypes.CDLL(sys.argv[2])
    print(peer.about, file=answers, flush=True)
    row, run, error, p = None, None, 0, None
    for line in sys.stdin:
        name, calls = line.split()
        if name != row:
            row, run, p = name, None, Problem(lib, name)
            try:
                run = p.known and peer.solve(p)
                if run:
                    for _ in range(p.runs):
                        results = run()
                    error = p.error(peer.finish(results))
                    results, start = None, time.perf_counter()
                    for _ in range(12):  # until freed memory is reused
                        if time.perf_counter() - start < 0.5:
                            run()
            except Exception as e:
                print(f"{sys.argv[1]}: {row}: {type(e).__name__}: {str(e)[:200]}", file=sys.stderr)
                run = None
        if not run:
            print("none", file=answers, flush=True)
            continue
        clock = time.perf_counter_ns if p.threads > 1 else time.process_time_ns
        count = int(calls) * p.repeat
        start = clock()
        for _ in range(count):
            run()
        print((clock() - start) / count, error, file=answers, flush=True)


if __name__ == "__main__":
    main()
