"""A stand-in for a tree of TFLite Micro, laid out like one: headers that the project compiles against, and an
interpreter that runs one RELU of a known size.

What would be wrong is in it too: files that must not be compiled say #error.
"""

from __future__ import annotations

from pathlib import Path

from tests.aot.tflite_builder import Builder

LENGTH = 40
"""Elements of the network's input and output."""
USED_BYTES = 272
"""What the stand-in interpreter says it uses; it accepts no smaller arena."""
_ZERO_POINT = -9


def network(dtype: str = "int8") -> bytes:
    """Return the one network that the stand-in can run: RELU, with the input's quantisation on both sides."""
    build = Builder()
    quantised = {"scale": 0.5, "zero": _ZERO_POINT} if dtype == "int8" else {}
    source = build.tensor((1, LENGTH), dtype, **quantised)
    result = build.tensor((1, LENGTH), dtype, **quantised)
    build.operator("RELU", [source], [result])
    return build.build([source], [result])


def write(folder: Path) -> Path:
    """Write the tree and return its folder."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


_MICRO = "tensorflow/lite/micro"
_ERROR = "#error this file must not be compiled\n"
FILES = {
    "third_party/flatbuffers/include/flatbuffers/flatbuffers.h": "#define STAND_IN_FLATBUFFERS 1\n",
    "third_party/flatbuffers/LICENSE.txt": "the licence\n",
    "third_party/cmsis_nn/Include/arm_nnfunctions.h": "void arm_relu(signed char *values, int count, int zero);\n",
    "third_party/cmsis_nn/Source/arm_relu.c": """#include "arm_nnfunctions.h"
void arm_relu(signed char *values, int count, int zero) {
    for (int i = 0; i < count; ++i) {
        values[i] = (signed char)(values[i] > zero ? values[i] : zero);
    }
}
""",
    "third_party/kissfft/kiss_fft.c": _ERROR,
    "third_party/esp_nn/src/esp_nn_relu_esp32s3.S": _ERROR,
    "third_party/esp_nn/test_app/main/main.c": _ERROR,
    "tensorflow/lite/schema/schema_generated.h": """#pragma once
#include "flatbuffers/flatbuffers.h"
namespace tflite {
struct Model;
inline const Model *GetModel(const void *data) { return static_cast<const Model *>(data); }
}
""",
    f"{_MICRO}/micro_interpreter.h": f"""#pragma once
#include <cstddef>
#include <cstdint>
#include "tensorflow/lite/schema/schema_generated.h"
#if !defined(TF_LITE_STATIC_MEMORY) || !defined(CMSIS_NN) || !defined(STAND_IN_FLATBUFFERS)
#error the settings of the tree are missing
#endif
enum TfLiteStatus {{ kTfLiteOk, kTfLiteError }};
struct TfLiteTensor {{
    union {{ void *data; }} data;
    size_t bytes;
}};
extern "C" void DebugLog(const char *text);
namespace tflite {{
using Kernel = void (*)(int8_t *values, int count, int zero);
uint32_t GetCurrentTimeTicks();
class MicroProfilerInterface {{
  public:
    virtual ~MicroProfilerInterface() {{}}
    virtual uint32_t BeginEvent(const char *tag) = 0;
    virtual void EndEvent(uint32_t handle) = 0;
}};
struct MicroResourceVariables;
class MicroOpResolver;
class MicroInterpreter {{
  public:
    MicroInterpreter(const Model *, const MicroOpResolver &resolver, uint8_t *arena, size_t size,
                     MicroResourceVariables * = nullptr, MicroProfilerInterface *profiler = nullptr);
    ~MicroInterpreter();
    TfLiteStatus AllocateTensors();
    TfLiteStatus Invoke();
    TfLiteStatus Reset();
    TfLiteTensor *input(size_t) {{ return &tensor_; }}
    TfLiteTensor *output(size_t) {{ return &tensor_; }}
    size_t arena_used_bytes() const {{ return {USED_BYTES}; }}

  private:
    const MicroOpResolver &resolver_;
    size_t size_;
    MicroProfilerInterface *profiler_;
    TfLiteTensor tensor_;
}};
}}
""",
    f"{_MICRO}/micro_mutable_op_resolver.h": """#pragma once
#include "tensorflow/lite/micro/micro_interpreter.h"
namespace tflite {
Kernel Register_RELU();
Kernel Register_SOFTMAX();
class MicroOpResolver {
  public:
    Kernel relu = nullptr;
    int count = 0;
};
template <unsigned N>
class MicroMutableOpResolver : public MicroOpResolver {
    static_assert(N == 1, "the network has one operator");

  public:
    TfLiteStatus AddRelu() { relu = Register_RELU(); ++count; return kTfLiteOk; }
    TfLiteStatus AddSoftmax() { relu = Register_SOFTMAX(); ++count; return kTfLiteOk; }
};
}
""",
    f"{_MICRO}/micro_interpreter.cc": f"""#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
namespace tflite {{
// Runs before main(): only a start-up code that knows C++ sets it.
struct Zero {{
    Zero() : value({_ZERO_POINT}) {{ }}
    volatile int value;
}} zero;
MicroInterpreter::MicroInterpreter(const Model *, const MicroOpResolver &resolver, uint8_t *arena, size_t size,
                                   MicroResourceVariables *, MicroProfilerInterface *profiler)
    : resolver_(resolver), size_(size), profiler_(profiler), tensor_{{{{arena}}, {LENGTH}}} {{}}
MicroInterpreter::~MicroInterpreter() {{}}
TfLiteStatus MicroInterpreter::AllocateTensors() {{
    DebugLog("a message");
    return size_ >= {USED_BYTES} && resolver_.count == 1 ? kTfLiteOk : kTfLiteError;
}}
TfLiteStatus MicroInterpreter::Invoke() {{
    const uint32_t event = profiler_ ? profiler_->BeginEvent("RELU") + GetCurrentTimeTicks() : 0;
    resolver_.relu(static_cast<int8_t *>(tensor_.data.data), {LENGTH}, zero.value);
    if (profiler_) profiler_->EndEvent(event);
    return kTfLiteOk;
}}
TfLiteStatus MicroInterpreter::Reset() {{ return kTfLiteOk; }}
}}
""",
    f"{_MICRO}/debug_log.cc": _ERROR,
    f"{_MICRO}/stand_in/micro_time.cc": _ERROR,
    f"{_MICRO}/micro_interpreter_test.cc": _ERROR,
    f"{_MICRO}/test_helpers.cc": _ERROR,
    f"{_MICRO}/fake_micro_context.cc": _ERROR,
    f"{_MICRO}/kernels/relu.cc": _ERROR,  # the optimised one takes its place
    f"{_MICRO}/kernels/cmsis_nn/relu.cc": """#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
extern "C" {
#include "arm_nnfunctions.h"
}
namespace tflite {
namespace {
void Eval(int8_t *values, int count, int zero) { arm_relu(values, count, zero); }
}
Kernel Register_RELU() { return Eval; }
}
""",
    f"{_MICRO}/kernels/softmax.cc": f"""namespace tflite {{
Kernel Register_SOFTMAX() {{ return nullptr; }}
}}
{_ERROR}""",
    "signal/micro/kernels/window.cc": _ERROR,
}
