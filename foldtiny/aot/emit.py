"""Prints the C files: ``model.h`` (the interface), ``model.c`` (the network, to be read), ``weights.c``/``.h``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from string import Template

from foldtiny.aot.emit_c import array, comment_text, number, params, quoted, statement
from foldtiny.aot.graph import Graph, Tensor
from foldtiny.aot.layer import Constant, Kernel, Layer
from foldtiny.aot.plan import MemoryPlan
from foldtiny.resources import root

TYPE_CODES = {"int8": 0, "float32": 1, "uint8": 2, "int16": 3, "int32": 4}
"""Values of ``model_tensor_info.type``."""

_CTYPES = {"int8": "int8_t", "float32": "float", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t"}
_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Job:
    """All that the files are printed from."""

    graph: Graph
    layers: Sequence[Layer]
    kernels: Sequence[Kernel]
    alias: Mapping[int, int]
    plan: MemoryPlan
    target: str
    optimize: str
    profile: bool
    prefix: str


def model_hash(graph: Graph) -> str:
    """Return the 16 hex digits by which firmware and host recognise a network."""
    return graph.sha256[:16]


def files(job: Job) -> dict[str, str]:
    """Print everything; returns file contents by name."""
    names, constants = _constants(job)
    result = {
        "model.h": _header(job),
        "model.c": _source(job, names),
        "weights.h": _weights_header(job, constants),
        "weights.c": _weights_source(job, constants),
    }
    for kernel in job.kernels:
        result.update(kernel.sources)
        for header in kernel.headers:
            _add_header(header, result)
    prefix = job.prefix
    if prefix != "model":
        for name in ("model.h", "model.c", "weights.h", "weights.c"):
            result[name] = re.sub(r"\bmodel_", f"{prefix}_", re.sub(r"\bMODEL_", f"{prefix.upper()}_", result[name]))
    return result


@cache
def _header_text(name: str) -> str:
    # A target's own headers lie in a folder of theirs; in the project all files are neighbours.
    return next((root("firmware") / "kernels").rglob(name)).read_text(encoding="utf-8")


def _add_header(name: str, result: dict[str, str]) -> None:
    if name not in result:
        result[name] = _header_text(name)
        for included in _INCLUDE.findall(result[name]):
            _add_header(included, result)


def _constants(job: Job) -> tuple[dict[tuple[int, str], str], dict[str, tuple[Constant, str]]]:
    """Name every constant, equal ones once.

    Returns the symbol of each (layer, key), and each symbol's constant with a comment.
    """
    names: dict[tuple[int, str], str] = {}
    symbols: dict[str, tuple[Constant, str]] = {}
    known: dict[tuple[str, bytes], str] = {}
    for index, (layer, kernel) in enumerate(zip(job.layers, job.kernels, strict=True)):
        found = dict(kernel.constants)
        for position, tensor in enumerate(layer.inputs):
            info = job.graph.tensors[tensor]
            if info.data is not None:
                found[f"in{position}"] = Constant(_CTYPES[info.dtype], info.array())
        for key, constant in found.items():
            content = (constant.ctype, constant.values.tobytes())
            if content not in known:
                kind = "table" if constant.table else "weights"
                known[content] = f"model_{kind}_{index}_{key}"
                symbols[known[content]] = (constant, f"layer {index}, {layer.name}: {key}")
            names[index, key] = known[content]
    for position, tensor in enumerate(job.graph.outputs):
        info = job.graph.tensors[job.alias.get(tensor, tensor)]
        if info.data is not None:
            symbols[f"model_weights_output_{position}"] = (Constant(_CTYPES[info.dtype], info.array()), "an output")
    return names, symbols


def _banner(job: Job, what: str) -> str:
    return (
        f"// {comment_text(job.graph.name)}: {what}\n"
        f"// Written by foldtiny for {job.target}, optimised for {job.optimize}; network {model_hash(job.graph)}.\n"
    )


def _header(job: Job) -> str:
    profile = "\n#ifndef MODEL_PROFILE\n#define MODEL_PROFILE 1\n#endif\n" if job.profile else ""
    return f"""{_banner(job, "the interface of the network.")}
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdint.h>
{profile}
// The first 16 hex digits of the SHA-256 of the .tflite file.
#define MODEL_HASH "{model_hash(job.graph)}"
#define MODEL_INPUT_COUNT {len(job.graph.inputs)}
#define MODEL_OUTPUT_COUNT {len(job.graph.outputs)}
// Bytes of RAM for all tensors and scratch memory; at the fullest moment {job.plan.lower_bound_bytes} are in use.
#define MODEL_ARENA_BYTES {job.plan.arena_bytes}
#define MODEL_LAYER_COUNT {len(job.layers)}

typedef struct {{
    const char *name;
    uint8_t type;  // 0 int8, 1 float32, 2 uint8, 3 int16, 4 int32
    uint8_t rank;
    int32_t shape[6];
    float scale;  // real = scale * (stored - zero_point)
    int32_t zero_point;
    uint32_t bytes;
}} model_tensor_info;

extern const model_tensor_info model_inputs[MODEL_INPUT_COUNT];
extern const model_tensor_info model_outputs[MODEL_OUTPUT_COUNT];

// Call once, before anything else.
void model_init(void);

// Memory of an input. Fill it again before each run: the run may use it for something else.
void *model_input(int index);

// Runs the network.
void model_invoke(void);

// Result of the last run, until the next input is written.
const void *model_output(int index);

#ifdef MODEL_PROFILE
// Yours to supply: called before each layer, 0 to MODEL_LAYER_COUNT - 1.
void model_profile_layer(int layer);
const char *model_layer_name(int layer);
#endif

#endif
"""


def _weights_header(job: Job, constants: Mapping[str, tuple[Constant, str]]) -> str:
    lines = [
        f"extern const {c.ctype} {symbol}[{c.values.size}];" for symbol, (c, _) in constants.items() if not c.table
    ]
    return (
        _banner(job, "its weights.")
        + "#ifndef MODEL_WEIGHTS_H\n#define MODEL_WEIGHTS_H\n\n#include <stdint.h>\n\n"
        + "\n".join(lines)
        + "\n\n#endif\n"
    )


def _weights_source(job: Job, constants: Mapping[str, tuple[Constant, str]]) -> str:
    parts = [_banner(job, "its weights, in flash."), '#include "weights.h"\n']
    for symbol, (constant, comment) in constants.items():
        if not constant.table:
            parts.append(array(symbol, constant, comment, static=False))
    return "\n".join(parts)


def _source(job: Job, names: Mapping[tuple[int, str], str]) -> str:
    headers = sorted({header for kernel in job.kernels for header in kernel.headers})
    _, constants = _constants(job)
    tables = [array(s, c, comment, static=True) for s, (c, comment) in constants.items() if c.table]
    specialise = (
        "#define FT_SPECIALISE 1  // compile each layer's kernel for its own sizes\n"
        if (job.optimize == "speed")
        else ""
    )
    parts = [
        _banner(job, "the network, layer by layer.") + _summary(job),
        specialise + '#include "model.h"\n\n#include "weights.h"\n' + "".join(f'#include "{h}"\n' for h in headers),
        _arena(job),
        *tables,
        *(_layer(job, index, names) for index in range(len(job.layers))),
        _interface(job),
        _invoke(job),
    ]
    return "\n".join(parts)


def _summary(job: Job) -> str:
    macs = sum(layer.macs for layer in job.layers)
    flash = sum(c.bytes for c, _ in _constants(job)[1].values())
    plan = job.plan
    return (
        "//\n"
        f"// {len(job.layers)} layers, {macs:,} multiply-accumulates, {flash:,} bytes of constants, "
        f"{plan.arena_bytes:,} bytes of arena\n"
        f"// (the tensors alive at the fullest moment need {plan.lower_bound_bytes:,}).\n"
    )


def _place(job: Job, tensor: int) -> str:
    """Return the macro that names a tensor's memory."""
    tensor = job.alias.get(tensor, tensor)
    if tensor in job.graph.inputs:
        return f"MODEL_IN{job.graph.inputs.index(tensor)}"
    if job.graph.tensors[tensor].variable:
        return f"MODEL_STATE{tensor}"
    for index, layer in enumerate(job.layers):
        if tensor in layer.outputs:
            position = layer.outputs.index(tensor)
            return f"MODEL_L{index}" + (f"_{position}" if position else "")
    raise KeyError(tensor)


def _arena(job: Job) -> str:
    lines = [
        "// The arena holds every tensor; L3 is what layer 3 writes. Layers during which each is needed:",
        "static _Alignas(16) uint8_t model_arena[MODEL_ARENA_BYTES];",
        "",
    ]
    for item in job.plan.tensors:
        if item.tensor >= 0:
            name, ctype = _place(job, item.tensor), _CTYPES[job.graph.tensors[item.tensor].dtype]
        else:
            name, ctype = f"MODEL_SCRATCH{item.first}", "void"
        first = "start" if item.first < 0 else str(item.first)
        last = "end" if item.last >= len(job.layers) else str(item.last)
        place = f"#define {name} (({ctype} *)(void *)(model_arena + {item.offset}))"
        lines.append(f"{place:<72}// {item.bytes} bytes, {first} to {last}: {comment_text(item.name)}")
    return "\n".join(lines) + "\n"


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "scalar"


def _span(job: Job, tensor: int, shown: Tensor) -> str:
    root_tensor = job.graph.tensors[job.alias.get(tensor, tensor)]
    if root_tensor.data is not None:
        return f"{_shape(shown)} {shown.dtype}, a constant"
    offset = job.plan.offset(root_tensor.index)
    return f"{_shape(shown)} {shown.dtype}, arena bytes {offset} to {offset + shown.bytes}"


def _layer(job: Job, index: int, names: Mapping[tuple[int, str], str]) -> str:
    layer, kernel = job.layers[index], job.kernels[index]
    lines = [f"// Layer {index}: {' + '.join(layer.operators)}, '{comment_text(layer.name)}'"]
    lines += [f"//   in   {_span(job, t, job.graph.tensors[t])}" for t in layer.inputs]
    lines += [f"//   out  {_span(job, t, job.graph.tensors[t])}" for t in layer.outputs]
    if layer.describe():
        lines.append(f"//   {layer.describe()}")
    gone = [_place(job, tensor) for tensor in job.plan.overwritten(index)]
    lines += [f"//   overwrites {', '.join(gone)} behind the reading"] if gone else []
    costs = [f"{layer.macs:,} multiply-accumulates"] if layer.macs else []
    costs.append(f"kernel: {kernel.title}")
    flash = sum(c.bytes for c in kernel.constants.values())
    costs += [f"{flash:,} bytes of constants"] if flash else []
    costs += [f"{kernel.scratch_bytes:,} bytes of scratch"] if kernel.scratch_bytes else []
    lines.append(f"//   {'; '.join(costs)}")
    if kernel.params is not None:
        lines.append(params(f"model_layer_{index}", kernel.params))
    values = {key: names[index, key] for key in kernel.constants}
    values["params"] = f"&model_layer_{index}"
    for position, tensor in enumerate(layer.inputs):
        key = f"in{position}"
        values[key] = names[index, key] if (index, key) in names else _place(job, tensor)
    for position, tensor in enumerate(layer.outputs):
        values[f"out{position}"] = _place(job, tensor)
    values["scratch"] = f"MODEL_SCRATCH{index}"
    call = Template(kernel.call).substitute(values)
    body = "\n".join(statement(line) for line in call.splitlines())
    lines.append(f"static void model_run_{index}(void) {{\n{body}\n}}")
    return "\n".join(lines) + "\n"


def _info(tensor: Tensor) -> str:
    shape = ", ".join(str(size) for size in tensor.shape) or "0"
    scale = number(tensor.scale, "float")
    return (
        f"    {{{quoted(tensor.name)}, {TYPE_CODES[tensor.dtype]}, {len(tensor.shape)}, {{{shape}}}, {scale}, "
        f"{tensor.zero_point}, {tensor.bytes}}},\n"
    )


def _init(job: Job) -> str:
    states = [job.graph.tensors[p.tensor] for p in job.plan.tensors if p.tensor >= 0]
    lines = [
        f"    for (uint32_t i = 0; i < {tensor.count}u; i++) {{\n"
        f"        {_place(job, tensor.index)}[i] = {tensor.zero_point};\n    }}"
        for tensor in states
        if tensor.variable
    ]
    return "\n".join(lines) or "    // Every run starts from its inputs and the constants alone: nothing to prepare."


def _interface(job: Job) -> str:
    graph = job.graph
    inputs = "".join(_info(graph.tensors[i]) for i in graph.inputs)
    outputs = "".join(_info(graph.tensors[i]) for i in graph.outputs)
    in_places = ", ".join(_place(job, i) for i in graph.inputs)
    out_places = ", ".join(
        f"model_weights_output_{position}" if graph.tensors[job.alias.get(i, i)].data is not None else _place(job, i)
        for position, i in enumerate(graph.outputs)
    )
    return f"""const model_tensor_info model_inputs[MODEL_INPUT_COUNT] = {{
{inputs}}};

const model_tensor_info model_outputs[MODEL_OUTPUT_COUNT] = {{
{outputs}}};

void model_init(void) {{
{_init(job)}
}}

void *model_input(int index) {{
    static void *const model_places[MODEL_INPUT_COUNT] = {{{in_places}}};
    return index >= 0 && index < MODEL_INPUT_COUNT ? model_places[index] : (void *)0;
}}

const void *model_output(int index) {{
    static const void *const model_places[MODEL_OUTPUT_COUNT] = {{{out_places}}};
    return index >= 0 && index < MODEL_OUTPUT_COUNT ? model_places[index] : (void *)0;
}}
"""


def _invoke(job: Job) -> str:
    names = "".join(f"        {quoted(' + '.join(layer.operators) + ' ' + layer.name)},\n" for layer in job.layers)
    run = "".join(f"    MODEL_STEP({index});\n    model_run_{index}();\n" for index in range(len(job.layers)))
    return f"""#ifdef MODEL_PROFILE
#define MODEL_STEP(layer) model_profile_layer(layer)

const char *model_layer_name(int layer) {{
    static const char *const model_layer_names[] = {{
{names}    }};
    return layer >= 0 && layer < MODEL_LAYER_COUNT ? model_layer_names[layer] : "";
}}
#else
#define MODEL_STEP(layer)
#endif

void model_invoke(void) {{
{run}}}
"""
