"""What demo, tests and benchmarks stand on. Never imported by the product, never deployed."""
