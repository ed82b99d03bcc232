"""Background work for pages: one service with progress, cancellation and permissions."""
