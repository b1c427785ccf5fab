"""Auto Scaling groups boot and end machines; EC2's volumes are attached to them."""

from __future__ import annotations

import functools
import logging
import threading
from base64 import b64decode
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.core.exceptions import ServiceException
from moto.ec2.models import EC2Backend

from ..beanstalk.metadata import InstanceMetadata
from ..moto_client import client
from ..settings import LocalAwsSettings
from .machine import Machine, MachineLaunch
from .volumes import VolumeStore, require_tools

logger = logging.getLogger(__name__)


class VolumeInUse(ServiceException):
    code = "VolumeInUse"


class WrongZone(ServiceException):
    code = "InvalidVolume.ZoneMismatch"


class InstancesDoNotBoot(ServiceException):
    code = "ScalingActivityFailed"


class Groups:
    """The machines of all groups."""

    def __init__(self, settings: LocalAwsSettings) -> None:
        self._settings = settings
        self._machines: dict[str, Machine] = {}
        self._volumes = VolumeStore(settings.home / "volumes")
        self._lock = threading.RLock()

    def install(self) -> None:
        """Correct moto: launching, terminating, attaching and snapshots do something."""
        group: Any = FakeAutoScalingGroup
        backend: Any = EC2Backend
        launch, end = group.replace_autoscaling_group_instances, backend.terminate_instances
        attach, snapshot = backend.attach_volume, backend.create_snapshot

        @functools.wraps(launch)
        def launching(group: Any, *arguments: Any, **named: Any) -> None:
            self._require_tools()
            before = {state.instance.id for state in group.instance_states}
            launch(group, *arguments, **named)
            for state in group.instance_states:
                if state.instance.id not in before:
                    self._boot(group, state.instance)

        @functools.wraps(end)
        def ending(ec2: Any, instance_ids: list[str]) -> Any:
            for identifier in instance_ids:
                self._end(identifier)
            return end(ec2, instance_ids)

        @functools.wraps(attach)
        def attaching(ec2: Any, volume_id: str, instance_id: str, *arguments: Any, **named: Any) -> Any:
            machine = self._machines.get(instance_id)
            if machine is None:  # its root disk, which a scratch root has none of
                return attach(ec2, volume_id, instance_id, *arguments, **named)
            volume = ec2.get_volume(volume_id)
            subnet = ec2.get_subnet(ec2.get_instance(instance_id).subnet_id)
            if volume.attachment:
                raise VolumeInUse(f"{volume_id} is already attached to an instance")
            if volume.zone.name != subnet.availability_zone:
                raise WrongZone(f"The volume '{volume_id}' is not in the zone of instance '{instance_id}'")
            attachment = attach(ec2, volume_id, instance_id, *arguments, **named)
            with self._lock:
                machine.attach(
                    volume_id, self._volumes.attach(volume_id, int(volume.size), volume.snapshot_id)
                )
            return attachment

        @functools.wraps(snapshot)
        def keeping(ec2: Any, volume_id: str, *arguments: Any, **named: Any) -> Any:
            made = snapshot(ec2, volume_id, *arguments, **named)
            self._volumes.snapshot(volume_id, made.id)
            return made

        group.replace_autoscaling_group_instances = launching
        backend.terminate_instances, backend.attach_volume = ending, attaching
        backend.create_snapshot = keeping

    def close(self) -> None:
        with self._lock:
            for machine in self._machines.values():
                machine.stop()
            self._machines.clear()

    def _require_tools(self) -> None:
        if self._settings.instance_tools is None:
            raise InstancesDoNotBoot("this local AWS boots no instances: start it with --instance-tools")
        try:
            require_tools()
        except OSError as error:
            raise InstancesDoNotBoot(str(error)) from error

    def _boot(self, group: Any, instance: Any) -> None:
        template = group.ec2_launch_template.get_version(group.launch_template_version)
        profile = template.data["IamInstanceProfile"]["Arn"].rpartition("/")[2]
        metadata = _metadata(instance, profile, group.region, group.account_id)
        assert self._settings.instance_tools is not None  # noqa: S101 - checked before the launch
        launch = MachineLaunch(
            self._settings.home / "instances" / instance.id,
            metadata,
            b64decode(str(template.data["UserData"])),
            self._settings.instance_tools,
            self._settings.endpoint,
        )
        try:
            machine = Machine(launch)
        except OSError as error:
            raise InstancesDoNotBoot(str(error)) from error
        with self._lock:
            self._machines[instance.id] = machine

    def _end(self, instance_id: str) -> None:
        with self._lock:
            if machine := self._machines.pop(instance_id, None):
                machine.stop()


def _metadata(instance: Any, profile: str, region: str, account: str) -> InstanceMetadata:
    found = client("iam", region, account).get_instance_profile(InstanceProfileName=profile)
    (role,) = found["InstanceProfile"]["Roles"]

    def assume() -> dict[str, object]:
        sts = client("sts", region, account)
        answer = sts.assume_role(RoleArn=role["Arn"], RoleSessionName=instance.id)
        credentials: dict[str, object] = answer["Credentials"]
        return credentials

    return InstanceMetadata(
        instance.id, region, account, role["RoleName"], assume, address=instance.private_ip
    )
