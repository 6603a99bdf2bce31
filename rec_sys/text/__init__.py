"""From text to vector: the encoder, its fast forms, its cache."""
