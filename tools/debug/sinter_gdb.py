# SPDX-License-Identifier: BSD-3-Clause
"""gdb pretty printers for sinter: tensor, variable, any_tensor, storage_ptr, extents, index_list.

Load it with `source tools/debug/sinter_gdb.py`, in gdb or in ~/.gdbinit. What is printed: dtype, shape, strides where they
are not row-major, and the first values; elements on a CUDA device are not read. `set print elements` limits the values.
https://sourceware.org/gdb/current/onlinedocs/gdb.html/Writing-a-Pretty_002dPrinter.html
"""

import re

import gdb
import gdb.printing

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
C_TYPES = {"bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
           "float32": "float", "float64": "double", "complex64": "sinter::v0::complex_number<float>",
           "complex128": "sinter::v0::complex_number<double>"}
DTYPE_OF = {"bool": "bool", "unsigned char": "uint8", "signed char": "int8", "short": "int16", "int": "int32", "long": "int64",
            "long long": "int64", "float": "float32", "double": "float64",
            "sinter::v0::complex_number<float>": "complex64", "sinter::v0::complex_number<double>": "complex128"}


def limit():
    """How many values are shown: `set print elements`, but not more than 16."""
    n = gdb.parameter("print elements")
    return min(16, n) if n else 16


def atomic(value):
    """The number in a std::atomic of libstdc++ or libc++."""
    for path in (("_M_i",), ("__a_", "__a_value")):
        try:
            v = value
            for name in path:
                v = v[name]
            return int(v)
        except gdb.error:
            pass
    return 0


def extents_of(kind):
    """The numbers of an extents<...> type."""
    text = re.search(r"extents<([^>]*)>", kind.strip_typedefs().name)
    return [int(n.strip().rstrip("l")) for n in text.group(1).split(",") if n.strip()] if text else []


def extent_text(n):
    return str(n) if n >= 0 else "dyn" if n == -1 else "at_most %d" % (-1 - n)


def row_major(sizes):
    step, strides = 1, []
    for n in reversed(sizes):
        strides.insert(0, step)
        step *= n
    return strides


def one(element, dtype):
    if dtype == "bool":
        return "true" if int(element) else "false"
    if dtype.startswith("complex"):
        return "%.6g%+.6gj" % (float(element["re"]), float(element["im"]))
    return "%.6g" % float(element) if dtype.startswith("float") else str(int(element))


def values(data, dtype, sizes, strides, left):
    """Nested braces around the first values; `left` is a list that holds how many may still be shown."""
    if not sizes:
        left[0] -= 1
        return one(data.dereference(), dtype)
    parts = []
    for i in range(sizes[0]):
        if left[0] <= 0:
            parts.append("...")
            break
        parts.append(values(data + i * strides[0], dtype, sizes[1:], strides[1:], left))
    return "{" + ", ".join(parts) + "}"


def describe(block, data, dtype, sizes, strides, read_only=False):
    if int(block["s_"]) == 0:
        return "undefined"
    text = "%s [%s]" % (dtype, ", ".join(str(n) for n in sizes))
    numel = 1
    for n in sizes:
        numel *= n
    if numel and any(n > 1 and s != r for n, s, r in zip(sizes, strides, row_major(sizes))):
        text += ", strides [%s]" % ", ".join(str(n) for n in strides)
    if read_only:
        text += ", read-only"
    device = int(block["s_"]["device"])
    if device >= 0:
        return text + " on CUDA device %d" % device
    if dtype not in C_TYPES:
        return text
    pointer = data.cast(gdb.lookup_type(C_TYPES[dtype]).pointer())
    try:
        return text + " " + (values(pointer, dtype, sizes, strides, [limit()]) if numel else "{}")
    except gdb.MemoryError:
        return text + " <unreadable at %s>" % hex(int(data))


def numbers(array, count):
    return [int(array[i]) for i in range(count)]


def tensor_text(value):
    kind = value.type.strip_typedefs()
    element = value["data_"].type.strip_typedefs().target().strip_typedefs()  # as a template argument it has lost its const
    rank = len(extents_of(kind.template_argument(1)))
    dtype = DTYPE_OF.get(element.unqualified().name, "?")
    return describe(value["block_"], value["data_"], dtype, numbers(value["sizes_"]["v"], rank), numbers(value["strides_"]["v"], rank),
                    str(element).startswith("const "))


class Tensor:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "tensor " + tensor_text(self.value)


class AnyTensor:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        v, rank = self.value, int(self.value["rank_"])
        return "any_tensor " + describe(v["block_"], v["data_"], DTYPES[int(v["dtype_"])], numbers(v["sizes_"], rank),
                                        numbers(v["strides_"], rank), bool(v["read_only_"]))


class Variable:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        if int(self.value["state_"]) == 0:
            return "variable undefined"
        state = self.value["state_"].dereference()
        inner = state["value"]
        text = "variable " + tensor_text(inner)
        text += ", requires_grad" if bool(state["requires_grad"]) else ", no grad required"
        if int(state["producer"]):
            text += ", recorded"
        grad = state["grad"]
        if int(grad["block"]["s_"]):
            kind = inner.type.strip_typedefs()
            rank = len(extents_of(kind.template_argument(1)))
            sizes = numbers(inner["sizes_"]["v"], rank)
            text += ", grad " + describe(grad["block"], grad["data"], DTYPES[int(state["type"])], sizes, numbers(grad["strides"], rank))
        return text


class StoragePtr:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        if int(self.value["s_"]) == 0:
            return "storage none"
        s = self.value["s_"].dereference()
        device = int(s["device"])
        return "storage %d bytes at %s, %d handles, version %d, %s%s" % (
            int(s["bytes"]), hex(int(s["data"])), atomic(s["refs"]), atomic(s["version"]),
            "host" if device < 0 else "CUDA device %d" % device, "" if bool(s["owned"]) else ", borrowed")


class Extents:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "extents [%s]" % ", ".join(extent_text(n) for n in extents_of(self.value.type))


class IndexList:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        rank = int(self.value.type.strip_typedefs().template_argument(0))
        return "[%s]" % ", ".join(str(n) for n in numbers(self.value["v"], rank))


def printers():
    collection = gdb.printing.RegexpCollectionPrettyPrinter("sinter")
    for name, printer in (("tensor<.*>", Tensor), ("variable<.*>", Variable), ("any_tensor", AnyTensor), ("storage_ptr", StoragePtr),
                          ("extents<.*>", Extents), ("index_list<.*>", IndexList)):
        collection.add_printer(name, "^sinter::v[0-9]+::%s$" % name, printer)
    return collection


gdb.printing.register_pretty_printer(gdb.current_objfile(), printers(), replace=True)
