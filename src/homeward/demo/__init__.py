"""A simulated home over real MQTT, for the first two minutes."""
