"""Option settings of Beanstalk that can only be built with a known namespace, name and value.

CloudFormation passes option settings to Beanstalk unchecked, and no checker knows their names: a misspelt one
is found when the environment is created, or never. The known ones are in `table.py`.
"""

from dataclasses import dataclass

from troposphere import AWSHelperFn
from troposphere.elasticbeanstalk import OptionSetting as _OptionSetting

from templates.beanstalk_options.table import ANY_NAME, OPTIONS
from templates.beanstalk_options.values import Text, ValueKind


class UnknownOption(ValueError):
    """An option setting that Beanstalk would refuse or, worse, ignore; the message names what is expected."""


def value_kind(namespace: str, name: str) -> ValueKind:
    """Return the kind of values that an option takes.

    Raises:
        UnknownOption: the namespace or the option is not in `table.py`.
    """
    options = OPTIONS.get(namespace) or OPTIONS.get(f"{namespace.rpartition(':')[0]}:*")
    if options is None:
        raise UnknownOption(f"there is no namespace {namespace} in templates/beanstalk_options/table.py")
    kind = options.get(name) or options.get(ANY_NAME)
    if kind is None:
        raise UnknownOption(
            f"Beanstalk has no option {name} in {namespace}; it has {', '.join(sorted(options))}"
        )
    return kind


@dataclass(frozen=True, slots=True)
class OptionSetting:
    """One option setting that Beanstalk supports; *value* is text, or a reference resolved at deployment.

    Raises:
        UnknownOption: namespace, name or value are not in the table; also for a reference where the option
            takes only certain words or a number, because its value cannot be checked here.
    """

    namespace: str
    name: str
    value: str | AWSHelperFn

    def __post_init__(self) -> None:
        kind = value_kind(self.namespace, self.name)
        if isinstance(self.value, str):
            expected = kind.expected(self.value)
        else:
            expected = None if isinstance(kind, Text) else "a plain value, not a reference"
        if expected is not None:
            raise UnknownOption(f"{self.namespace} {self.name} takes {expected}, not {self.value!r}")

    def rendered(self) -> _OptionSetting:
        """Return the property of `AWS::ElasticBeanstalk::Environment`."""
        return _OptionSetting(Namespace=self.namespace, OptionName=self.name, Value=self.value)
