"""Networks (torch.nn only), losses and checkpoints."""
