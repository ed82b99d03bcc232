"""Scripts that produced shipped assets; not part of the product."""
