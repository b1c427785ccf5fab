"""Lambda functions, truly run: their zip, in processes of their own, under their role's credentials.

As in Lambda: one invocation at a time in a process, which stays warm; reserved concurrency; time-out, memory
and exit as they are reported there; asynchronous invocations with retries, destinations and dead letters.
Unlike Lambda: an initialisation may take as long as the function's time-out if that is over ten seconds; the
delays between asynchronous retries are one and two seconds instead of minutes; layers, extensions, file
system limits and networks are not modelled; the Python that runs is the one that runs this server.
"""

from .api import close, install

__all__ = ["close", "install"]
