"""The platform's components: one room per concern, each a ComponentResource with a typed Args."""
