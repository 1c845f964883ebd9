"""The parts of a block as Keras layers."""
