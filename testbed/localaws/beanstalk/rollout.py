"""Launching, updating and terminating environments in the background, after the API call has returned."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from .. import scenario
from ..authorization import NotTrustedError
from ..moto_client import client
from ..settings import LocalAwsSettings
from . import listeners, storage_bucket
from .balancer import BalancerError, LoadBalancers
from .bundle import BundleRejected, sample_application
from .downloads import check_downloads
from .instance import LAUNCH, Instance, Launch
from .metadata import InstanceMetadata
from .platforms import python_version
from .processes import end_all, open_all
from .state import DEFAULTS, Beanstalk, Environment, now

SWITCH_SECONDS = 1.0
"""From the switch to a new instance until no request can still be on its way to the old one."""

AddEvent = Callable[[str, str], None]


class Rollouts:
    """Runs the environments of one server: their instances and the load balancers before them."""

    def __init__(self, settings: LocalAwsSettings) -> None:
        open_all()
        self.settings = settings
        self._home = settings.home.resolve() / "beanstalk"
        self._cache = Path(os.environ.get("LOCALAWS_CACHE") or settings.home) / "venvs"
        self._balancers = LoadBalancers(self._home / "load-balancers")

    def close(self) -> None:
        end_all()

    def launch(self, backend: Beanstalk, environment: Environment, request: str) -> None:
        def work(add_event: AddEvent) -> None:
            add_event("createEnvironment is starting.", "INFO")
            bucket = storage_bucket.bucket_name(environment.region, environment.account)
            add_event(f"Using {bucket} as Amazon S3 storage bucket for environment data.", "INFO")
            if not self._write_data(environment, add_event):
                add_event("Failed to launch environment.", "ERROR")
                environment.status, environment.terminated = "Terminated", now()
            elif self._deploy(environment, add_event):
                add_event(f"Application available at {environment.cname}.", "INFO")
                add_event(f"Successfully launched environment: {environment.name}", "INFO")
            else:
                add_event("Create environment operation is complete, but with errors.", "ERROR")

        self._spawn(work, backend, environment, request)

    def update(
        self, backend: Beanstalk, environment: Environment, request: str, undo: Callable[[], None], what: str
    ) -> None:
        """Deploy the environment's current settings; *undo* restores the previous ones if that fails."""

        def work(add_event: AddEvent) -> None:
            add_event("Environment update is starting.", "INFO")
            add_event(f"Deploying new {what} to instance(s).", "INFO")
            if self._write_data(environment, add_event) and self._deploy(environment, add_event):
                add_event(f"New {what} was deployed to running EC2 instances.", "INFO")
                add_event("Environment update completed successfully.", "INFO")
            else:
                undo()
                add_event("The deployment failed; the previous instance keeps serving.", "WARN")
                failed = "application" if what == "application version" else "configuration"
                add_event(f"Failed to deploy {failed}.", "ERROR")

        environment.status = "Updating"
        self._spawn(work, backend, environment, request)

    def terminate(self, backend: Beanstalk, environment: Environment, request: str) -> threading.Thread:
        def work(add_event: AddEvent) -> None:
            add_event("terminateEnvironment is starting.", "INFO")
            self._balancers.remove(environment.id)
            if environment.instance:
                environment.instance.stop(grace=5)
                environment.instance = None
            listeners.detach(environment)
            environment.status, environment.terminated = "Terminated", now()
            add_event("terminateEnvironment completed successfully.", "INFO")

        environment.status = "Terminating"
        environment.aborted.set()
        return self._spawn(work, backend, environment, request)

    def _spawn(
        self, work: Callable[[AddEvent], None], backend: Beanstalk, environment: Environment, request: str
    ) -> threading.Thread:
        def add_event(message: str, severity: str) -> None:
            backend.add_event(
                message,
                request,
                application=environment.application.name,
                environment=environment,
                severity=severity,
            )

        def run() -> None:
            with environment.working:
                try:
                    work(add_event)
                finally:
                    environment.updated = now()
                    if environment.status in ("Launching", "Updating"):
                        environment.status = "Ready"

        thread = threading.Thread(target=run, name=f"beanstalk-{environment.name}", daemon=True)
        thread.start()
        return thread

    def _write_data(self, environment: Environment, add_event: AddEvent) -> bool:
        try:
            storage_bucket.write_environment_data(environment, environment.options, self.settings.endpoint)
        except (ClientError, NotTrustedError) as error:
            message = error.response["Error"]["Message"] if isinstance(error, ClientError) else str(error)
            add_event(f"Service:Amazon S3, Message:{message}", "ERROR")
            return False
        return True

    def _deploy(self, environment: Environment, add_event: AddEvent) -> bool:
        """Launch a new instance, switch to it and stop the old one; on failure keep the old one."""
        environment.aborted.clear()
        old, slot = environment.instance, 0
        if old:
            slot = 1 - self._balancers.slot(environment.id)
        instance = None
        try:
            self._check_downloads(environment)
            instance = Instance(self._plan(environment, slot, lambda text: add_event(text, "INFO")))
            instance.deploy()
            rules = scenario.current(self.settings.home).listener_rules
            frontend = listeners.frontend(
                environment, instance.options, secure_targets=instance.secure, rules=rules
            )
            listeners.attach(environment, instance.options, rules)
            self._balancers.switch(environment.id, slot)
            self._balancers.put(frontend)
        except (BundleRejected, BalancerError, BotoCoreError, ClientError, OSError) as error:
            if instance:
                if old:
                    self._balancers.switch(environment.id, 1 - slot)
                instance.stop(grace=2)
            add_event(f"Instance deployment failed. {error}", "ERROR")
            return False
        environment.instance = instance
        environment.deployment, environment.deployed = environment.deployment + 1, now()
        add_event("Instance deployment completed successfully.", "INFO")
        if old:
            time.sleep(SWITCH_SECONDS)
            old.stop(grace=max(0.0, old.deregistration_delay - SWITCH_SECONDS))
        return True

    def _plan(self, environment: Environment, slot: int, add_event: Callable[[str], None]) -> Launch:
        identifier = f"i-{secrets.token_hex(8)}0"
        return Launch(
            root=self._home / identifier,  # short: the paths of Unix sockets below it must fit 107 bytes
            metadata=self._metadata_of(environment, identifier),
            bundle=self._bundle(environment),
            defaults=DEFAULTS,
            settings=dict(environment.settings),
            python=python_version(environment.stack),
            fallback_python=sys.executable,
            cache=self._cache,
            endpoint=self.settings.endpoint,
            ports=environment.slots[slot],
            add_event=add_event,
            aborted=environment.aborted,
        )

    @staticmethod
    def _check_downloads(environment: Environment) -> None:
        options = environment.options
        vpc, profile = options.get(("aws:ec2:vpc", "VPCId")), options.get((LAUNCH, "IamInstanceProfile"))
        if vpc and profile:
            role = f"arn:aws:sts::{environment.account}:assumed-role/{profile.rpartition('/')[2]}/instance"
            version = environment.version and environment.application.versions[environment.version]
            bucket = version["SourceBundle"]["S3Bucket"] if version else None
            check_downloads(environment.region, environment.account, vpc, role, bucket)

    @staticmethod
    def _bundle(environment: Environment) -> bytes:
        if environment.version is None:
            return sample_application()
        source = environment.application.versions[environment.version]["SourceBundle"]
        s3 = client("s3", environment.region, environment.account)
        body: bytes = s3.get_object(Bucket=source["S3Bucket"], Key=source["S3Key"])["Body"].read()
        return body

    @staticmethod
    def _metadata_of(environment: Environment, identifier: str) -> InstanceMetadata:
        """Return the instance's metadata, with the role of the environment's instance profile."""
        role = None
        if profile := environment.options.get((LAUNCH, "IamInstanceProfile")):
            iam = client("iam", environment.region, environment.account)
            found = iam.get_instance_profile(InstanceProfileName=profile.rpartition("/")[2])
            role = found["InstanceProfile"]["Roles"][0]

        def assume() -> dict[str, object]:
            sts = client("sts", environment.region, environment.account)
            assert role is not None  # noqa: S101 - without a role there is no path for credentials
            answer = sts.assume_role(RoleArn=role["Arn"], RoleSessionName=identifier)
            credentials: dict[str, object] = answer["Credentials"]
            return credentials

        return InstanceMetadata(
            identifier, environment.region, environment.account, role["RoleName"] if role else None, assume
        )
