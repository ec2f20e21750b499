"""What the platform demands of what runs on it."""
