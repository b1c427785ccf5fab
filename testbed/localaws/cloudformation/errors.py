"""CloudFormation's errors, under the codes that its clients know."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class ValidationError(ServiceException):
    """The request is refused because of a template, a parameter or the stack's status."""

    code = "ValidationError"


class AlreadyExists(ServiceException):
    code = "AlreadyExistsException"


class ChangeSetNotFound(ServiceException):
    code = "ChangeSetNotFound"


class InvalidChangeSetStatus(ServiceException):
    code = "InvalidChangeSetStatus"


class InsufficientCapabilities(ServiceException):
    code = "InsufficientCapabilitiesException"


class ResourceFailed(Exception):
    """A resource could not be created, updated or deleted; the message goes into its event."""
