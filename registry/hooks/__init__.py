"""What a move sets off: web addresses and commands that are told of events, each at least once."""
