"""A local AWS for tests and the demo: moto's server, and what moto lacks for a Beanstalk deployment.

It imports nothing of the product, and the product nothing of it: they meet at an endpoint URL.

Where the answer to a call is made:

- CloudFormation: `cloudformation/api.py`; a resource type: `cloudformation/types/`
- Elastic Beanstalk: `beanstalk/write_operations.py` and `beanstalk/read_operations.py`
- Lambda: `functions/api.py`
- another service: `services/`, one module per service, if we correct or extend moto; otherwise moto itself
- AccessDenied and other errors of IAM: `authorization/`, before any of the above

State is kept in this process's memory: a run begins empty. The directory `--home` has what it writes:
`requests.jsonl` (each call), `functions/` (logs), `undelivered.log` (events), `beanstalk/` (instances, load
balancers), `code/`, `runtime/` and `sandboxes/` (functions). `$LOCALAWS_CACHE` has the virtual environments
of bundles, so that later runs find them.
"""
