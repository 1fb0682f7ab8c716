"""Which architectures can be packaged, how near to torch they answer, and how fast."""
