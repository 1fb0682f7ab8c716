"""Who moved which version where: events, the chain that orders them, and what makes the registry say the same."""
