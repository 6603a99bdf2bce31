"""The graph model: networks, item factors, cold start, training, checkpoint, recommender."""

import warnings

# torch_geometric says this to its own developers each time it is imported.
warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")
