// What TFLite Micro asks of a platform. The serial line carries foldtiny's protocol, so messages are dropped,
// and the firmware has a clock of its own. Weak, because a library for a real board may bring them along.
#include <stdint.h>

extern "C" {
__attribute__((weak)) void DebugLog() {}

__attribute__((weak)) int DebugVsnprintf() {
    return 0;
}
}

namespace tflite {

uint32_t ticks_per_second();
uint32_t GetCurrentTimeTicks();

__attribute__((weak)) uint32_t ticks_per_second() {
    return 0;
}

__attribute__((weak)) uint32_t GetCurrentTimeTicks() {
    return 0;
}

}  // namespace tflite
