# %% 4.1
accuracy_on_the_board = result["accuracy"]["deployed"]
flash_of_the_weights = result["flash_bytes"]["model"]
peak_ram = result["ram_bytes"]["total"]
where_the_time_comes_from = result["source"]

# %% 4.2
Path("mine.py").write_text("""
from torch import nn


class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 12, 5, stride=2), nn.ReLU(),
            nn.Conv2d(12, 24, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(24 * 6 * 6, 40), nn.ReLU(), nn.Linear(40, 10),
        )

    def forward(self, x):
        return self.layers(x)
""")
epochs = 10
sparsity = 0.25

# %% 4.3
times_fewer_instructions = result["latency"]["instructions"] / smaller["latency"]["instructions"]
times_less_flash = result["flash_bytes"]["total"] / smaller["flash_bytes"]["total"]

# %% 4.4
def pareto(points):
    return [p for p in points if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)]
