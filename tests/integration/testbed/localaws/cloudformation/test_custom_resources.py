"""Story of testbed/localaws/cloudformation/types/custom.py.

Custom resources: their function runs and responds over HTTP.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.polling import until

SOURCE = """
import json, os, urllib.request
import boto3

def handler(event, context):
    given = event["ResourceProperties"]
    boto3.client("ssm").put_parameter(
        Name=f"/{given['Log']}/{event['RequestType']}-{event.get('PhysicalResourceId', 'new')}",
        Value=json.dumps(event), Type="String", Overwrite=True)
    if given.get("Silent") == "true" and event["RequestType"] != "Delete":
        return
    answer = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {"Status": "SUCCESS", "PhysicalResourceId": "made-" + given["Id"]}
    answer["Data"] = {"Got": given["Id"] + "!"}
    if given["Id"] == "bad" and event["RequestType"] != "Delete":
        answer |= {"Status": "FAILED", "Reason": "I won't"}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    urllib.request.urlopen(request, timeout=10)
    if answer["Status"] == "FAILED":
        raise RuntimeError("I won't")
"""


def _template(log: str, **properties: Any) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "ssm:PutParameter", "Resource": "*"}
    role = {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "ManagedPolicyArns": [{"Ref": "Policy"}],
    }
    policy = {"PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]}}
    function = {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": "Role.Arn"},
        "Code": {"ZipFile": SOURCE},
        "Timeout": 60,
    }
    given = {"ServiceToken": {"Fn::GetAtt": "Function.Arn"}, "Log": log, "Number": 3, **properties}
    return {
        "Resources": {
            "Policy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": policy},
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            "It": {"Type": "Custom::Thing", "Properties": given},
        },
        "Outputs": {"Got": {"Value": {"Fn::GetAtt": "It.Got"}}, "Id": {"Value": {"Ref": "It"}}},
    }


def _asked(stacks: Any, log: str) -> set[str]:
    found = stacks.aws.client("ssm").get_parameters_by_path(Path=f"/{log}")["Parameters"]
    return {parameter["Name"].rpartition("/")[2] for parameter in found}


def test_a_custom_resource_is_created_changed_replaced_and_deleted_by_its_function(stacks: Any) -> None:
    name = log = stacks.name()
    outputs = stacks.deploy(name, _template(log, Id="one"))["Outputs"]
    assert {output["OutputKey"]: output["OutputValue"] for output in outputs} == {
        "Got": "one!",
        "Id": "made-one",
    }
    assert _asked(stacks, log) == {"Create-new"}
    stacks.deploy(name, _template(log, Id="two"))
    assert _asked(stacks, log) == {"Create-new", "Update-made-one", "Delete-made-one"}
    assert stacks.physical_id(name, "It") == "made-two"
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    assert "Delete-made-two" in _asked(stacks, log)


def test_a_failure_of_the_function_fails_the_stack_with_its_reason(stacks: Any) -> None:
    name = stacks.name()
    assert stacks.deploy(name, _template(name, Id="bad"))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "I won't" in stacks.failures(name)["It"]


@pytest.mark.timeout(120)
def test_a_function_that_never_answers_fails_the_stack_in_time(stacks: Any) -> None:
    name = stacks.name()
    template = _template(name, Id="one", Silent=True, ServiceTimeout="3")
    assert stacks.deploy(name, template)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "did not receive a response" in stacks.failures(name)["It"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("retries", "calls"), [(None, 3), (0, 1)])
def test_a_function_that_raises_after_its_answer_is_run_again(
    stacks: Any, retries: int | None, calls: int
) -> None:
    """CloudFormation invokes asynchronously: Lambda repeats a failed run, after the change was rolled back.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources-lambda.html
    """
    name = stacks.name()
    template = _template(name, Id="one")
    if retries is not None:
        template["Resources"]["Invoke"] = {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Qualifier": "$LATEST",
                "MaximumRetryAttempts": retries,
            },
        }
        template["Resources"]["It"]["DependsOn"] = ["Invoke"]
    stacks.deploy(name, template)
    template["Resources"]["It"]["Properties"]["Id"] = "bad"
    assert stacks.deploy(name, template)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"

    def times() -> int:
        """Return how often the function was asked to update: to `bad`, and back to `one`."""
        parameter = stacks.aws.client("ssm").get_parameter(Name=f"/{name}/Update-made-one")["Parameter"]
        return int(parameter["Version"])

    until(lambda: times() >= calls + 1)
    time.sleep(4)  # the retries come after one and after two seconds: no further one follows
    assert times() == calls + 1
