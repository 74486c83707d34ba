"""The pure core: inputs become effects. No clock, file, socket, thread or log is reached from here."""
