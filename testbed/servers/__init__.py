"""Real servers on loopback for the demo, the tests and the benchmarks: OpenBao, MariaDB, the local AWS.

Each is started by a class method `start(directory, ...)`, which returns when the server is ready. Its data is
below *directory*. It ends by `stop()`, or when the process that started it ends, even by kill -9.
"""
