"""What CloudFormation refuses, under the codes its clients know."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class ValidationError(ServiceException):
    """A template, a parameter or a stack's state doesn't allow what was asked."""

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
    """A resource couldn't be created, updated or deleted; the message is what its event says."""
