"""torch on one thread: the tests run beside each other, and tiny models lose by sharing."""

import torch

torch.set_num_threads(1)
