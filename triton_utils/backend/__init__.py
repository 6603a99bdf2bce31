"""The models as tritonserver's Python backend runs them: no torch, and the server's own numpy."""
