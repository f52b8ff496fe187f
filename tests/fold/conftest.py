from __future__ import annotations

import torch

# One thread: the machine is shared, and these networks are small.
torch.set_num_threads(1)
