"""What a model believes and why: back-off paths, gradients, hidden units, maps of embeddings."""
