# %% 3.1
how_many_layers = 5
layer_with_most_work = 1
operators_of_layer_0 = ["CONV_2D", "MAX_POOL_2D"]
arena_bytes = int(compiled.files["model.c"].split(" bytes of arena")[0].rsplit(" ", 1)[1].replace(",", ""))

# %% 3.2
def conv_macs(height, width, in_channels, out_channels, kernel):
    return (height - kernel + 1) * (width - kernel + 1) * in_channels * out_channels * kernel**2

# %% 3.3
def peak(tensors):
    return max(sum(b for b, f, l in tensors if f <= moment <= l) for _, moment, _ in tensors)

# %% 3.4
dot_c = """
#include <stdint.h>

int32_t dot(const int8_t *x, const int8_t *w, int32_t x_zero_point, int n) {
    int32_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += (x[i] - x_zero_point) * w[i];
    }
    return sum;
}
"""

# %% 3.5
def stored_bias(bias, weights, x_zero_point):
    return bias.astype(np.int64) - x_zero_point * weights.astype(np.int64).sum(1)
