"""Real servers on loopback for the demo, the tests and the benchmarks: OpenBao, MariaDB, the local AWS.

Each is started by a class method `start(...)`, is ready when that returns, and ends with `stop()`, or with
the process that started it, however that ended.
"""
