"""Lambda: runs each function's zip in a process of its own, with its role's credentials.

`api.py` answers Invoke. As in Lambda: one invocation at a time in a process, which stays warm; reserved
concurrency; the same reports of time-out, memory and exit; asynchronous invocations with retries and dead
letters. Unlike Lambda: initialisation can take as long as the function's time-out if that is over ten
seconds; asynchronous retries come after one and two seconds instead of minutes; layers, extensions, file
system limits and networks are not modelled; the interpreter is the one that runs this server.
"""

from .api import close, install

__all__ = ["close", "install"]
